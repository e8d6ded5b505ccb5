import { describe, expect, it } from 'vitest';
import { costOf, type PublishedPrice, resolvePrice } from '#shared/price.ts';
import { type TrueUsage, USAGE_SHAPES } from './provider-usage-shapes.ts';

const PRICE: PublishedPrice = {
  tiers: [
    {
      aboveTokens: 0,
      inputMicroPerM: 3_000_000,
      outputMicroPerM: 15_000_000,
      cacheReadMicroPerM: 300_000,
      cacheWrite5mMicroPerM: 3_750_000,
      cacheWrite1hMicroPerM: null,
    },
    {
      aboveTokens: 200_000,
      inputMicroPerM: 6_000_000,
      outputMicroPerM: 22_500_001,
      cacheReadMicroPerM: null,
      cacheWrite5mMicroPerM: 7_500_000,
      cacheWrite1hMicroPerM: 12_000_003,
    },
  ],
  serviceTiers: [
    {
      name: 'priority',
      tiers: [
        {
          aboveTokens: 0,
          inputMicroPerM: 6_000_001,
          outputMicroPerM: 30_000_000,
          cacheReadMicroPerM: 600_000,
          cacheWrite5mMicroPerM: null,
          cacheWrite1hMicroPerM: null,
        },
      ],
    },
  ],
  perRequestNano: '5000000',
  perToolCallNano: { web_search: '10000000' },
};

/** Micro-USD per million tokens as the list above means them, written down by hand per service tier and prompt length. */
const HAND = {
  standard: {
    short: { fresh: 3_000_000, cached: 300_000, written5m: 3_750_000, output: 15_000_000 },
    // No cache-read price in the long tier: the input price.
    long: { fresh: 6_000_000, cached: 6_000_000, written5m: 7_500_000, output: 22_500_001 },
  },
  priority: {
    short: { fresh: 6_000_001, cached: 600_000, written5m: 6_000_001, output: 30_000_000 },
    long: { fresh: 6_000_001, cached: 600_000, written5m: 6_000_001, output: 30_000_000 },
  },
} as const;
/** One hour in the cache: stated, else twice the input at Anthropic, else the five-minute price. */
const HAND_HOUR = {
  standard: {
    short: { anthropic: 6_000_000, openai: 3_750_000 },
    long: { anthropic: 12_000_003, openai: 12_000_003 },
  },
  priority: {
    short: { anthropic: 12_000_002, openai: 6_000_001 },
    long: { anthropic: 12_000_002, openai: 6_000_001 },
  },
} as const;

function handCost(used: TrueUsage, vendor: 'anthropic' | 'openai'): bigint {
  const served = used.tier.toLowerCase() === 'priority' ? 'priority' : 'standard';
  const length = used.fresh + used.cached + used.written5m + used.written1h > 200_000 ? 'long' : 'short';
  const rate = HAND[served][length];
  const pico =
    BigInt(used.fresh) * BigInt(rate.fresh) +
    BigInt(used.cached) * BigInt(rate.cached) +
    BigInt(used.written5m) * BigInt(rate.written5m) +
    BigInt(used.written1h) * BigInt(HAND_HOUR[served][length][vendor]) +
    BigInt(used.visible + used.thought) * BigInt(rate.output);
  const rounded = pico % 1_000n >= 500n ? pico / 1_000n + 1n : pico / 1_000n;
  return rounded + 5_000_000n + BigInt(used.searches) * 10_000_000n;
}

const PROMPTS = [
  { fresh: 0, cached: 0, written5m: 0, written1h: 0 },
  { fresh: 1_001, cached: 0, written5m: 0, written1h: 0 },
  { fresh: 7, cached: 1_000, written5m: 0, written1h: 0 },
  { fresh: 13, cached: 999, written5m: 501, written1h: 77 },
  { fresh: 0, cached: 200_000, written5m: 0, written1h: 0 },
  { fresh: 1, cached: 200_000, written5m: 0, written1h: 0 },
  { fresh: 199_999, cached: 0, written5m: 1, written1h: 0 },
  { fresh: 100_000, cached: 50_000, written5m: 30_001, written1h: 20_000 },
] as const;
const OUTPUTS = [
  { visible: 0, thought: 0 },
  { visible: 333, thought: 0 },
  { visible: 12, thought: 4_321 },
] as const;
const TIERS = ['standard', 'default', 'priority', 'PRIORITY', 'flex'] as const;
const SEARCHES = [0, 1, 3] as const;

function rowsOf(shape: (typeof USAGE_SHAPES)[string]): TrueUsage[] {
  return PROMPTS.flatMap((prompt) =>
    OUTPUTS.flatMap((output) =>
      TIERS.flatMap((tier) =>
        SEARCHES.map((searches) => ({
          ...prompt,
          ...output,
          tier,
          searches,
          written5m: shape.writes5m ? prompt.written5m : 0,
          written1h: shape.writes1h ? prompt.written1h : 0,
        })),
      ),
    ),
  );
}

describe('the price of what a provider states', () => {
  it.each(Object.keys(USAGE_SHAPES))('%s', (name) => {
    const shape = USAGE_SHAPES[name];
    if (shape === undefined) throw new Error('No such shape');
    const vendor = shape.writes1h ? 'anthropic' : 'openai';
    const price = resolvePrice(PRICE, { id: 'price', effectiveAtMs: 0, vendor });
    const wrong = rowsOf(shape).flatMap((used) => {
      const usage = shape.read(used);
      const cost = usage === undefined ? 'unread' : costOf(usage, price);
      return cost === handCost(used, vendor) ? [] : [{ used, cost, expected: handCost(used, vendor) }];
    });
    expect(wrong).toEqual([]);
    expect(rowsOf(shape)).toHaveLength(360);
  });

  it('agrees with costs worked out on paper', () => {
    const shape = USAGE_SHAPES['Anthropic: every class beside the others'];
    const price = resolvePrice(PRICE, { id: 'price', effectiveAtMs: 0, vendor: 'anthropic' });
    const cost = (used: TrueUsage) => {
      const usage = shape?.read(used);
      return usage && costOf(usage, price);
    };
    const prompt = { fresh: 13, cached: 999, written5m: 501, written1h: 77 };
    // 39,000 + 299,700 + 1,878,750 + 462,000 + 4,995,000 nano-USD of tokens, 5,000,000 for the request.
    expect(cost({ ...prompt, visible: 333, thought: 0, tier: 'standard', searches: 0 })).toBe(12_674_450n);
    // 78,000.013 + 599,400 + 3,006,000.501 + 924,000.154 + 9,990,000, rounded once; two searches.
    expect(cost({ ...prompt, visible: 333, thought: 0, tier: 'priority', searches: 2 })).toBe(39_597_401n);
    // One token above the threshold: 6 + 1,200,000 micro-USD at the long tier's input price, cache reads included.
    expect(
      cost({
        fresh: 1,
        cached: 200_000,
        written5m: 0,
        written1h: 0,
        visible: 0,
        thought: 0,
        tier: '',
        searches: 0,
      }),
    ).toBe(1_205_006_000n);
  });

  it('reads prices that know neither service tiers nor tools, as older snapshots have them', () => {
    const { tiers, perRequestNano } = resolvePrice(PRICE, {
      id: 'price',
      effectiveAtMs: 0,
      vendor: 'openai',
    });
    const old = { id: 'old', effectiveAtMs: 0, tiers, perRequestNano };
    const usage = { ...BASE, input: 1_000, serviceTier: 'priority', serverTools: { web_search: 4 } };
    expect(costOf(usage, old)).toBe(8_000_000n);
  });
});

const BASE = {
  input: 0,
  output: 0,
  reasoning: 0,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  source: 'upstream',
} as const;
