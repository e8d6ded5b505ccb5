import type { PublishedPriceTier } from '#shared/price.ts';
import type { ModelCapabilities } from '#shared/snapshot.ts';

/** One model of the seeded catalog, with the price it starts with. */
export interface SeedModel {
  /** `vendor/name`. */
  readonly id: string;
  readonly author: string;
  readonly displayName: string;
  readonly family: string | null;
  /** `YYYY-MM-DD`. */
  readonly releasedOn: string;
  readonly contextTokens: number | null;
  readonly maxOutputTokens: number | null;
  readonly inputModalities: readonly string[];
  readonly outputModalities: readonly string[];
  readonly capabilities: ModelCapabilities;
  readonly status: 'listed' | 'hidden' | 'retired';
  /** The name that the vendor's own API knows the model by. */
  readonly providerModel: string;
  /** `null`: no price is known, so the model is not callable. */
  readonly tiers: readonly PublishedPriceTier[] | null;
}

/** A price tier; amounts in micro-USD per 1,000,000 tokens, `null` where the list names no such price. */
export function tier(
  aboveTokens: number,
  price: { input: number; output: number; cacheRead: number | null; cacheWrite: number | null },
): PublishedPriceTier {
  return {
    aboveTokens,
    inputMicroPerM: price.input,
    outputMicroPerM: price.output,
    cacheReadMicroPerM: price.cacheRead,
    cacheWrite5mMicroPerM: price.cacheWrite,
    // No list names the price of a write that lives for an hour; shared/price.ts has the rule for it.
    cacheWrite1hMicroPerM: null,
  };
}
