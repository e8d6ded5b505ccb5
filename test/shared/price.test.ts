import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  costOf,
  type PriceVersion,
  type PublishedPriceTier,
  priceAt,
  resolvePriceTier,
  tierFor,
} from '#shared/price.ts';
import { NO_TOKENS, type TokenUsage } from '#shared/token-usage.ts';

const micro = fc.integer({ min: 0, max: 1_000_000_000 });
const tokens = fc.integer({ min: 0, max: 10_000_000 });
const tier = fc.record({
  input: micro,
  output: micro,
  cacheRead: micro,
  cacheWrite5m: micro,
  cacheWrite1h: micro,
});
const usage: fc.Arbitrary<TokenUsage> = fc.record({
  input: tokens,
  output: tokens,
  reasoning: fc.constant(0),
  cacheRead: tokens,
  cacheWrite5m: tokens,
  cacheWrite1h: tokens,
  source: fc.constant('upstream' as const),
});

function version(tiers: PriceVersion['tiers'], changes: Partial<PriceVersion> = {}): PriceVersion {
  return { id: 'price', effectiveAtMs: 0, tiers, perRequestNano: '0', ...changes };
}

/** The cost as a fraction of numbers of any size, written down independently: Σ tokens × price ÷ 1,000,000 micro-USD. */
function exactPico(used: TokenUsage, price: Record<string, number>): bigint {
  const classes = ['input', 'output', 'cacheRead', 'cacheWrite5m', 'cacheWrite1h'] as const;
  return classes.reduce((sum, name) => sum + BigInt(used[name]) * BigInt(price[name] ?? 0), 0n);
}

describe('costOf', () => {
  it('is the exact sum over all classes, rounded half up once', () => {
    fc.assert(
      fc.property(usage, tier, (used, price) => {
        const pico = exactPico(used, price);
        const cost = costOf(used, version([{ aboveTokens: 0, ...price }]));
        expect(cost).toBe((pico * 2n + 1_000n) / 2_000n);
      }),
    );
  });

  it('never falls when a request uses more', () => {
    fc.assert(
      fc.property(usage, tier, tokens, (used, price, more) => {
        const prices = version([{ aboveTokens: 0, ...price }]);
        expect(costOf({ ...used, output: used.output + more }, prices)).toBeGreaterThanOrEqual(
          costOf(used, prices),
        );
      }),
    );
  });

  it('adds the flat price of a request to its tokens', () => {
    const base = { aboveTokens: 0, input: 1, output: 1, cacheRead: 1, cacheWrite5m: 1, cacheWrite1h: 1 };
    expect(costOf(NO_TOKENS, version([base], { perRequestNano: '12345' }))).toBe(12_345n);
  });

  it('counts reasoning as output, once', () => {
    const base = {
      aboveTokens: 0,
      input: 0,
      output: 1_000_000,
      cacheRead: 0,
      cacheWrite5m: 0,
      cacheWrite1h: 0,
    };
    const used = { ...NO_TOKENS, output: 10, reasoning: 8 };
    expect(costOf(used, version([base]))).toBe(10_000n);
  });
});

describe('price tiers', () => {
  const rate = (aboveTokens: number, input: number) => ({
    aboveTokens,
    input,
    output: input,
    cacheRead: input,
    cacheWrite5m: input,
    cacheWrite1h: input,
  });
  const price = version([rate(0, 1), rate(200_000, 2), rate(500_000, 3)]);

  it('are chosen by the whole prompt, strictly above the threshold', () => {
    expect(tierFor(200_000, price).input).toBe(1);
    expect(tierFor(200_001, price).input).toBe(2);
    expect(tierFor(500_001, price).input).toBe(3);
    const cached = { ...NO_TOKENS, input: 100_000, cacheRead: 60_000, cacheWrite5m: 40_000, cacheWrite1h: 1 };
    // 200,001 prompt tokens at 2 micro-USD per million each: the second tier bills all of them.
    expect(costOf(cached, price)).toBe(400n);
  });

  it('take long outputs at the base tier', () => {
    expect(costOf({ ...NO_TOKENS, input: 1, output: 999_999 }, price)).toBe(1_000n);
  });
});

describe('resolvePriceTier', () => {
  const published: PublishedPriceTier = {
    aboveTokens: 0,
    inputMicroPerM: 100,
    outputMicroPerM: 500,
    cacheReadMicroPerM: null,
    cacheWrite5mMicroPerM: null,
    cacheWrite1hMicroPerM: null,
  };

  it('bills cache tokens as input where the list names no price', () => {
    expect(resolvePriceTier(published, 'openai')).toEqual({
      aboveTokens: 0,
      input: 100,
      output: 500,
      cacheRead: 100,
      cacheWrite5m: 100,
      cacheWrite1h: 100,
    });
  });

  it('bills an hour in the cache at twice the input at Anthropic, at the write price elsewhere', () => {
    const writes = { ...published, cacheWrite5mMicroPerM: 125 };
    expect(resolvePriceTier(writes, 'anthropic').cacheWrite1h).toBe(200);
    expect(resolvePriceTier(writes, 'qwen').cacheWrite1h).toBe(125);
    expect(resolvePriceTier({ ...writes, cacheWrite1hMicroPerM: 7 }, 'anthropic').cacheWrite1h).toBe(7);
  });

  it('keeps a price of zero, which is not the same as none', () => {
    expect(resolvePriceTier({ ...published, cacheReadMicroPerM: 0 }, 'openai').cacheRead).toBe(0);
  });
});

describe('priceAt', () => {
  const prices = [100, 200, 300].map((effectiveAtMs) =>
    version([], { id: `${effectiveAtMs}`, effectiveAtMs }),
  );

  it('is the latest one in force, whatever their order', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray(prices, { minLength: 3 }),
        fc.integer({ min: 0, max: 400 }),
        (list, atMs) => {
          const expected = atMs < 100 ? undefined : `${Math.min(Math.floor(atMs / 100), 3) * 100}`;
          expect(priceAt(list, atMs)?.id).toBe(expected);
        },
      ),
    );
  });
});
