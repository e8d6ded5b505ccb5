import { type NanoUsd, roundPicoToNano } from './money.ts';
import { promptTokens, type TokenUsage } from './token-usage.ts';

/** One price tier as published: micro-USD per 1,000,000 tokens; `null` means the list names no such price. */
export interface PublishedPriceTier {
  /** The tier applies to prompts strictly longer than this many tokens; the base tier has 0 and always applies. */
  readonly aboveTokens: number;
  readonly inputMicroPerM: number;
  readonly outputMicroPerM: number;
  readonly cacheReadMicroPerM: number | null;
  readonly cacheWrite5mMicroPerM: number | null;
  readonly cacheWrite1hMicroPerM: number | null;
}

/** One price tier with every class filled in by {@link resolvePriceTier}; this is what is billed. */
export interface PriceTier {
  readonly aboveTokens: number;
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
}

/** An immutable price of a model. `tiers` are sorted by `aboveTokens`, the first one has 0. */
export interface PriceVersion {
  readonly id: string;
  /** Unix ms from which requests are admitted at this price. */
  readonly effectiveAtMs: number;
  readonly tiers: readonly PriceTier[];
  /** Flat price of one request on top of its tokens, nano-USD as a decimal string; `"0"` for none. */
  readonly perRequestNano: string;
}

/**
 * Fills the classes a price list leaves out: no cache price means the input price; no 1 h write price means twice the
 * input price at Anthropic (its published rule) and the 5 min write price elsewhere.
 */
export function resolvePriceTier(tier: PublishedPriceTier, vendor: string): PriceTier {
  const cacheWrite5m = tier.cacheWrite5mMicroPerM ?? tier.inputMicroPerM;
  return {
    aboveTokens: tier.aboveTokens,
    input: tier.inputMicroPerM,
    output: tier.outputMicroPerM,
    cacheRead: tier.cacheReadMicroPerM ?? tier.inputMicroPerM,
    cacheWrite5m,
    cacheWrite1h:
      tier.cacheWrite1hMicroPerM ?? (vendor === 'anthropic' ? 2 * tier.inputMicroPerM : cacheWrite5m),
  };
}

/**
 * What `usage` costs at `price`, in nano-USD: the whole request takes the highest tier whose threshold its prompt
 * exceeds, the exact pico-USD sum is rounded half up once. Both planes call this one function.
 */
export function costOf(usage: TokenUsage, price: PriceVersion): NanoUsd {
  const tier = tierFor(promptTokens(usage), price);
  const pico =
    BigInt(usage.input) * BigInt(tier.input) +
    BigInt(usage.output) * BigInt(tier.output) +
    BigInt(usage.cacheRead) * BigInt(tier.cacheRead) +
    BigInt(usage.cacheWrite5m) * BigInt(tier.cacheWrite5m) +
    BigInt(usage.cacheWrite1h) * BigInt(tier.cacheWrite1h);
  return roundPicoToNano(pico) + BigInt(price.perRequestNano);
}

/** The tier that a prompt of `tokens` takes: the last one whose threshold is exceeded. */
export function tierFor(tokens: number, price: PriceVersion): PriceTier {
  let chosen = price.tiers[0];
  for (const tier of price.tiers) if (tokens > tier.aboveTokens) chosen = tier;
  if (!chosen) throw new Error(`Price version ${price.id} has no tier`);
  return chosen;
}

/** The price in force at `atMs`: the one with the latest effective time that is not in the future. */
export function priceAt(prices: readonly PriceVersion[], atMs: number): PriceVersion | undefined {
  let chosen: PriceVersion | undefined;
  for (const price of prices) {
    if (price.effectiveAtMs > atMs) continue;
    if (!chosen || price.effectiveAtMs >= chosen.effectiveAtMs) chosen = price;
  }
  return chosen;
}
