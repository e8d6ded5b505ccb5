import { countOf, isJsonObject, objectOf, textOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, TurnUsage } from '#data-plane/dialects/turn.ts';
import { NO_TOKENS } from '#shared/token-usage.ts';
import { readServerTools } from './read-server-tools.ts';

/**
 * The token counts of a response object, made disjoint: its input count includes what came from and went to the cache, its
 * output count the reasoning. A provider that shows its reasoning only in the total (xAI) is believed. `undefined` when
 * the counts are missing: unknown is not zero.
 */
export function readUsage(response: JsonObject): TurnUsage | undefined {
  const { usage } = response;
  if (!isJsonObject(usage)) return undefined;
  const input = countOf(usage.input_tokens);
  const visible = countOf(usage.output_tokens);
  if (input === undefined || visible === undefined) return undefined;
  const inputDetails = objectOf(usage.input_tokens_details);
  const reasoning = countOf(objectOf(usage.output_tokens_details)?.reasoning_tokens) ?? 0;
  const cacheRead = Math.min(countOf(inputDetails?.cached_tokens) ?? 0, input);
  const cacheWrite5m = Math.min(countOf(inputDetails?.cache_write_tokens) ?? 0, input - cacheRead);
  const uncounted = (countOf(usage.total_tokens) ?? 0) - input - visible;
  const output = uncounted > 0 && uncounted === reasoning ? visible + reasoning : visible;
  const serviceTier = textOf(response.service_tier);
  return {
    ...NO_TOKENS,
    input: input - cacheRead - cacheWrite5m,
    output,
    reasoning: Math.min(reasoning, output),
    cacheRead,
    cacheWrite5m,
    source: 'upstream',
    ...(serviceTier === undefined ? {} : { serviceTier }),
    ...readServerTools(response),
  };
}
