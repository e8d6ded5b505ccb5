import { describe, expect, it } from 'vitest';
import { readChatUsage } from '#data-plane/dialects/chat/read-usage.ts';
import type { TokenUsage } from '#shared/token-usage.ts';

const counts = (expected: Partial<TokenUsage>): TokenUsage => ({
  input: 0,
  output: 0,
  reasoning: 0,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  source: 'upstream',
  ...expected,
});

describe('token counts become disjoint', () => {
  it.each<[string, object, TokenUsage]>([
    [
      'OpenAI: cached tokens are inside the prompt, reasoning inside the completion',
      {
        prompt_tokens: 2_006,
        completion_tokens: 300,
        total_tokens: 2_306,
        prompt_tokens_details: { cached_tokens: 1_920, audio_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 192 },
      },
      counts({ input: 86, cacheRead: 1_920, output: 300, reasoning: 192 }),
    ],
    [
      'DeepSeek: hits and misses beside the prompt count',
      {
        prompt_tokens: 875,
        completion_tokens: 79,
        total_tokens: 954,
        prompt_cache_hit_tokens: 800,
        prompt_cache_miss_tokens: 75,
      },
      counts({ input: 75, cacheRead: 800, output: 79 }),
    ],
    [
      'xAI: reasoning is outside the completion and only in the total',
      {
        prompt_tokens: 506,
        completion_tokens: 12,
        total_tokens: 556,
        prompt_tokens_details: { cached_tokens: 448 },
        completion_tokens_details: { reasoning_tokens: 38 },
      },
      counts({ input: 58, cacheRead: 448, output: 50, reasoning: 38 }),
    ],
    [
      'Mistral: audio is outside the prompt and only in the total',
      {
        prompt_tokens: 9,
        completion_tokens: 201,
        total_tokens: 585,
        prompt_tokens_details: { cached_tokens: 0, audio_tokens: 375 },
      },
      counts({ input: 384, output: 201 }),
    ],
    [
      'OpenRouter: newly cached tokens are inside the prompt too',
      {
        prompt_tokens: 2_649,
        completion_tokens: 100,
        total_tokens: 2_749,
        prompt_tokens_details: { cached_tokens: 2_000, cache_write_tokens: 79 },
      },
      counts({ input: 570, cacheRead: 2_000, cacheWrite5m: 79, output: 100 }),
    ],
    [
      'Together and Moonshot: the cached count stands at the top',
      { prompt_tokens: 41, completion_tokens: 15, total_tokens: 56, cached_tokens: 30 },
      counts({ input: 11, cacheRead: 30, output: 15 }),
    ],
    ['a provider without details', { prompt_tokens: 3, completion_tokens: 0 }, counts({ input: 3 })],
    [
      'more cached tokens than the prompt has',
      { prompt_tokens: 3, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 9 } },
      counts({ cacheRead: 3, output: 1 }),
    ],
  ])('%s', (_, usage, expected) => {
    expect(readChatUsage(usage)).toEqual(expected);
  });

  it.each([
    ['null', null],
    ['text', 'x'],
    ['no counts', {}],
    ['a missing completion count', { prompt_tokens: 1 }],
    ['a negative count', { prompt_tokens: -1, completion_tokens: 1 }],
    ['a fraction', { prompt_tokens: 1.5, completion_tokens: 1 }],
    ['a count as text', { prompt_tokens: '1', completion_tokens: 1 }],
    ['a count beyond exact integers', { prompt_tokens: 1e300, completion_tokens: 1 }],
  ])('takes %s for unknown, not for zero', (_, usage) => {
    expect(readChatUsage(usage)).toBeUndefined();
  });
});
