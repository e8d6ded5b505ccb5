import type { JsonObject, TurnUsage } from '#data-plane/dialects/turn.ts';
import { NO_TOKENS } from '#shared/token-usage.ts';

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
    server_tool_use: null,
  };
}
