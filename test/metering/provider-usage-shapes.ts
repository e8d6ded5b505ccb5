import { readChatUsage } from '#data-plane/dialects/chat/read-usage.ts';
import { readGeminiUsage } from '#data-plane/dialects/gemini/read-usage.ts';
import { UsageReading } from '#data-plane/dialects/messages/read-usage.ts';
import { readUsage as readResponsesUsage } from '#data-plane/dialects/responses/read-usage.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { TokenUsage } from '#shared/token-usage.ts';

/** What a request used, as nobody's wire format says it: the oracle's own terms. */
export interface TrueUsage {
  readonly fresh: number;
  readonly cached: number;
  readonly written5m: number;
  readonly written1h: number;
  readonly visible: number;
  readonly thought: number;
  readonly tier: string;
  readonly searches: number;
}

/** One provider's way to state it, and our reading of that. */
export interface UsageShape {
  /** The classes that this wire format can express; the others are zero in its rows. */
  readonly writes5m: boolean;
  readonly writes1h: boolean;
  readonly read: (used: TrueUsage) => TokenUsage | undefined;
}

const prompt = (used: TrueUsage) => used.fresh + used.cached + used.written5m + used.written1h;

export const USAGE_SHAPES: Readonly<Record<string, UsageShape>> = {
  'OpenAI chat: cached inside the prompt, reasoning inside the completion': {
    writes5m: true,
    writes1h: false,
    read: (used) =>
      readChatUsage({
        prompt_tokens: prompt(used),
        completion_tokens: used.visible + used.thought,
        total_tokens: prompt(used) + used.visible + used.thought,
        prompt_tokens_details: { cached_tokens: used.cached, cache_write_tokens: used.written5m },
        completion_tokens_details: { reasoning_tokens: used.thought },
        service_tier: used.tier,
        server_tool_use: { web_search_requests: used.searches },
      }),
  },
  'DeepSeek chat: hits and misses beside the prompt': {
    writes5m: false,
    writes1h: false,
    read: (used) =>
      readChatUsage({
        prompt_tokens: prompt(used),
        completion_tokens: used.visible + used.thought,
        prompt_cache_hit_tokens: used.cached,
        prompt_cache_miss_tokens: used.fresh,
        completion_tokens_details: { reasoning_tokens: used.thought },
        service_tier: used.tier,
        num_search_queries: used.searches,
      }),
  },
  'xAI chat: reasoning outside the completion, only in the total': {
    writes5m: false,
    writes1h: false,
    read: (used) =>
      readChatUsage({
        prompt_tokens: prompt(used),
        completion_tokens: used.visible,
        total_tokens: prompt(used) + used.visible + used.thought,
        prompt_tokens_details: { cached_tokens: used.cached },
        completion_tokens_details: { reasoning_tokens: used.thought },
        service_tier: used.tier,
        server_side_tool_usage_details: { web_search_calls: used.searches },
      }),
  },
  'OpenAI Responses: searches among the output items': {
    writes5m: true,
    writes1h: false,
    read: (used) =>
      readResponsesUsage({
        service_tier: used.tier,
        usage: {
          input_tokens: prompt(used),
          output_tokens: used.visible + used.thought,
          total_tokens: prompt(used) + used.visible + used.thought,
          input_tokens_details: { cached_tokens: used.cached, cache_write_tokens: used.written5m },
          output_tokens_details: { reasoning_tokens: used.thought },
        },
        output: [
          ...Array.from({ length: used.searches }, () => ({
            type: 'web_search_call',
            action: { type: 'search' },
          })),
          { type: 'web_search_call', action: { type: 'open_page' } },
          { type: 'message' },
        ],
      } satisfies JsonObject),
  },
  'Anthropic: every class beside the others': {
    writes5m: true,
    writes1h: true,
    read: (used) =>
      new UsageReading().add({
        input_tokens: used.fresh,
        cache_read_input_tokens: used.cached,
        cache_creation_input_tokens: used.written5m + used.written1h,
        cache_creation: {
          ephemeral_5m_input_tokens: used.written5m,
          ephemeral_1h_input_tokens: used.written1h,
        },
        output_tokens: used.visible + used.thought,
        service_tier: used.tier,
        server_tool_use: { web_search_requests: used.searches, web_fetch_requests: 0 },
      }),
  },
  'Gemini: cached inside the prompt, thoughts outside the candidates': {
    writes5m: false,
    writes1h: false,
    read: (used) =>
      readGeminiUsage(
        {
          promptTokenCount: prompt(used),
          cachedContentTokenCount: used.cached,
          candidatesTokenCount: used.visible,
          thoughtsTokenCount: used.thought,
          serviceTier: used.tier,
        },
        used.searches,
      ),
  },
};
