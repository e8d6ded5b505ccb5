import { type NanoUsd, roundPicoToNano } from './money.ts';
import { promptTokens, SERVER_TOOLS, type ServerTool, type TokenUsage } from './token-usage.ts';

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

/** nano-USD per call of a tool that the provider runs, as decimal strings; a tool without a price is free. */
export type ToolPrices = Readonly<Partial<Record<ServerTool, string>>>;

/** A price list as published; what it leaves out is filled in by {@link resolvePrice}. */
export interface PublishedPrice {
  readonly tiers: readonly PublishedPriceTier[];
  /** Token prices of service tiers that have their own (`priority`, `flex`), names in lower case. */
  readonly serviceTiers: readonly { readonly name: string; readonly tiers: readonly PublishedPriceTier[] }[];
  readonly perRequestNano: string;
  readonly perToolCallNano: ToolPrices;
}

/** An immutable price of a model. `tiers` are sorted by `aboveTokens`, the first one has 0. */
export interface PriceVersion {
  readonly id: string;
  /** Unix ms from which requests are admitted at this price. */
  readonly effectiveAtMs: number;
  readonly tiers: readonly PriceTier[];
  /** Instead of `tiers` for requests that were served so; every other service tier takes `tiers`. */
  readonly serviceTiers?: readonly ServiceTierPrice[];
  /** Flat price of one request on top of its tokens, nano-USD as a decimal string; `"0"` for none. */
  readonly perRequestNano: string;
  readonly perToolCallNano?: ToolPrices;
}

export interface ServiceTierPrice {
  readonly name: string;
  readonly tiers: readonly PriceTier[];
}

/** The price as it is billed, every class of every tier filled in. Members that add nothing are absent. */
export function resolvePrice(
  published: PublishedPrice,
  version: { readonly id: string; readonly effectiveAtMs: number; readonly vendor: string },
): PriceVersion {
  const { id, effectiveAtMs, vendor } = version;
  const resolveTiers = (tiers: readonly PublishedPriceTier[]): PriceTier[] =>
    tiers
      .map((tier) => resolvePriceTier(tier, vendor))
      .sort((left, right) => left.aboveTokens - right.aboveTokens);
  const { serviceTiers, perToolCallNano } = published;
  return {
    id,
    effectiveAtMs,
    tiers: resolveTiers(published.tiers),
    perRequestNano: published.perRequestNano,
    ...(serviceTiers.length > 0 && {
      serviceTiers: serviceTiers.map(({ name, tiers }) => ({ name, tiers: resolveTiers(tiers) })),
    }),
    ...(Object.keys(perToolCallNano).length > 0 && { perToolCallNano }),
  };
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
 * exceeds, among the tiers of the service tier it was served in; the exact pico-USD sum is rounded half up once. Server
 * tools and the request itself come on top. Both planes call this one function.
 */
export function costOf(usage: TokenUsage, price: PriceVersion): NanoUsd {
  const tier = tierFor(promptTokens(usage), price, usage.serviceTier);
  const pico =
    BigInt(usage.input) * BigInt(tier.input) +
    BigInt(usage.output) * BigInt(tier.output) +
    BigInt(usage.cacheRead) * BigInt(tier.cacheRead) +
    BigInt(usage.cacheWrite5m) * BigInt(tier.cacheWrite5m) +
    BigInt(usage.cacheWrite1h) * BigInt(tier.cacheWrite1h);
  return roundPicoToNano(pico) + BigInt(price.perRequestNano) + toolCost(usage, price);
}

function toolCost({ serverTools }: TokenUsage, { perToolCallNano }: PriceVersion): NanoUsd {
  if (serverTools === undefined || perToolCallNano === undefined) return 0n;
  let total = 0n;
  for (const tool of SERVER_TOOLS)
    total += BigInt(serverTools[tool] ?? 0) * BigInt(perToolCallNano[tool] ?? 0);
  return total;
}

/** The tier that a prompt of `tokens` takes: the last one whose threshold is exceeded. */
export function tierFor(tokens: number, price: PriceVersion, serviceTier?: string): PriceTier {
  const tiers = tiersOf(price, serviceTier);
  let chosen = tiers[0];
  for (const tier of tiers) if (tokens > tier.aboveTokens) chosen = tier;
  if (!chosen) throw new Error(`Price version ${price.id} has no tier`);
  return chosen;
}

function tiersOf(
  { serviceTiers, tiers }: PriceVersion,
  serviceTier: string | undefined,
): readonly PriceTier[] {
  if (serviceTiers === undefined || serviceTier === undefined) return tiers;
  const served = serviceTier.toLowerCase();
  return serviceTiers.find(({ name }) => name === served)?.tiers ?? tiers;
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
