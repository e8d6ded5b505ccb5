import type { NanoUsd } from '#shared/money.ts';
import type { PriceVersion } from '#shared/price.ts';
import { SERVER_TOOLS, type ServerTool } from '#shared/token-usage.ts';

/** How often a provider may call a tool of its own for one answer before the hold falls short. */
const HELD_CALLS = 10;

/** What a request's text shows when it may use the tool, in any dialect: names of tool types and of options. */
const TRACES: Readonly<Record<ServerTool, readonly string[]>> = {
  web_search: ['web_search', 'search_parameters', 'googleSearch', 'google_search'],
  web_fetch: ['web_fetch', 'urlContext', 'url_context'],
  file_search: ['file_search'],
  code_execution: ['code_execution', 'code_interpreter', 'codeExecution'],
  image_generation: ['image_generation'],
};

/**
 * What is held on top of the tokens for tools that the provider runs, nano-USD. A request that only mentions such a tool in
 * its text holds it too: that costs nobody anything, while a call without a hold could overdraw the account.
 */
export function serverToolHold(body: Buffer, { perToolCallNano }: PriceVersion): NanoUsd {
  if (perToolCallNano === undefined) return 0n;
  let total = 0n;
  for (const tool of SERVER_TOOLS) {
    const perCall = perToolCallNano[tool];
    if (perCall !== undefined && TRACES[tool].some((trace) => body.includes(trace)))
      total += BigInt(perCall) * BigInt(HELD_CALLS);
  }
  return total;
}
