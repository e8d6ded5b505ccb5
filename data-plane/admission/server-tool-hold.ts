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
 * What is held on top of the tokens for tools that the provider runs, nano-USD. Looked for in all of the request but its
 * conversation, which may be long and switches no tool on. A request that only mentions such a tool elsewhere holds it too:
 * that costs nobody anything, while a call without a hold could overdraw the account.
 */
export function serverToolHold(
  body: Buffer,
  history: { readonly start: number; readonly end: number },
  { perToolCallNano }: PriceVersion,
): NanoUsd {
  if (perToolCallNano === undefined) return 0n;
  const before = body.subarray(0, history.start);
  const behind = body.subarray(history.end);
  let total = 0n;
  for (const tool of SERVER_TOOLS) {
    const perCall = perToolCallNano[tool];
    if (
      perCall !== undefined &&
      TRACES[tool].some((trace) => before.includes(trace) || behind.includes(trace))
    )
      total += BigInt(perCall) * BigInt(HELD_CALLS);
  }
  return total;
}
