import type { PublishedPriceTier } from '#shared/price.ts';

const BASIS = 10_000;

/** A cost with its margin, in whole micro-USD, rounded half up. A price that the provider does not name stays unnamed. */
export function withMargin(tier: PublishedPriceTier, basisPoints: number): PublishedPriceTier {
  const raise = (micro: number): number =>
    Number((BigInt(micro) * BigInt(BASIS + basisPoints) + BigInt(BASIS / 2)) / BigInt(BASIS));
  const raiseOrNull = (micro: number | null): number | null => (micro === null ? null : raise(micro));
  return {
    aboveTokens: tier.aboveTokens,
    inputMicroPerM: raise(tier.inputMicroPerM),
    outputMicroPerM: raise(tier.outputMicroPerM),
    cacheReadMicroPerM: raiseOrNull(tier.cacheReadMicroPerM),
    cacheWrite5mMicroPerM: raiseOrNull(tier.cacheWrite5mMicroPerM),
    cacheWrite1hMicroPerM: raiseOrNull(tier.cacheWrite1hMicroPerM),
  };
}
