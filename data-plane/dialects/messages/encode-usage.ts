import type { JsonObject, TurnUsage } from '#data-plane/dialects/turn.ts';
import { NO_TOKENS, type ServerToolCalls } from '#shared/token-usage.ts';

const TIERS: ReadonlySet<string | undefined> = new Set(['standard', 'priority', 'batch']);

/** Usage of a whole message. The dialect counts as we do: input without cached tokens, output with thinking. */
export function encodeUsage(usage: TurnUsage = NO_TOKENS): JsonObject {
  return {
    ...encodeDeltaUsage(usage),
    cache_creation: {
      ephemeral_5m_input_tokens: usage.cacheWrite5m,
      ephemeral_1h_input_tokens: usage.cacheWrite1h,
    },
    inference_geo: null,
    service_tier: TIERS.has(usage.serviceTier) ? (usage.serviceTier ?? null) : null,
    speed: null,
  };
}

/** The cumulative usage that ends a stream. */
export function encodeDeltaUsage(usage: TurnUsage = NO_TOKENS): JsonObject {
  return {
    input_tokens: usage.input,
    cache_creation_input_tokens: usage.cacheWrite5m + usage.cacheWrite1h,
    cache_read_input_tokens: usage.cacheRead,
    output_tokens: usage.output,
    output_tokens_details: { thinking_tokens: usage.reasoning },
    server_tool_use: serverToolUse(usage.serverTools),
  };
}

/** The dialect counts these two; what else a provider's tools did it does not show. */
function serverToolUse(calls: ServerToolCalls = {}): JsonObject | null {
  const { web_search: searches = 0, web_fetch: fetches = 0 } = calls;
  if (searches + fetches === 0) return null;
  return { web_search_requests: searches, web_fetch_requests: fetches };
}
