/**
 * What is known of how a family of models counts, as sums over the requests seen: enough for a straight line from our own
 * count to the provider's, and never a word of any prompt. Sums of several processes add up.
 */
export interface FactorSums {
  /** Requests. */
  readonly count: number;
  readonly weight: number;
  readonly ours: number;
  readonly theirs: number;
  readonly oursSquared: number;
  readonly oursTheirs: number;
}

export const NO_SUMS: FactorSums = {
  count: 0,
  weight: 0,
  ours: 0,
  theirs: 0,
  oursSquared: 0,
  oursTheirs: 0,
};

/** A prompt's own count scatters by about this share of it, and by this many tokens. */
const SCATTER_SHARE = 0.02;
const SCATTER_TOKENS = 2;
/** What is believed before the first request: a factor about 1, and hardly any tokens that every prompt has on top. */
const EXPECTED_FACTOR = 1;
const FACTOR_CERTAINTY = 1 / 0.35 ** 2;
const EXPECTED_EXTRA_TOKENS = 3;
const EXTRA_CERTAINTY = 1 / 8 ** 2;
/** No tokenizer is this far from another; such a request was counted by other rules (hidden prompts, searches). */
const LEAST_FACTOR = 0.25;
const MOST_FACTOR = 4;
const TOKENS_THAT_TELL = 40;

/** The sums of one request: our count of its text, and the prompt tokens that the provider billed. */
export function sumsOf(ours: number, theirs: number): FactorSums {
  if (ours <= 0 || theirs <= 0) return NO_SUMS;
  const ratio = theirs / ours;
  if (ours >= TOKENS_THAT_TELL && (ratio < LEAST_FACTOR || ratio > MOST_FACTOR)) return NO_SUMS;
  const weight = 1 / ((SCATTER_SHARE * ours) ** 2 + SCATTER_TOKENS ** 2);
  return {
    count: 1,
    weight,
    ours: weight * ours,
    theirs: weight * theirs,
    oursSquared: weight * ours * ours,
    oursTheirs: weight * ours * theirs,
  };
}

export function addSums(left: FactorSums, right: FactorSums): FactorSums {
  return {
    count: left.count + right.count,
    weight: left.weight + right.weight,
    ours: left.ours + right.ours,
    theirs: left.theirs + right.theirs,
    oursSquared: left.oursSquared + right.oursSquared,
    oursTheirs: left.oursTheirs + right.oursTheirs,
  };
}

/** The provider's likely count for a text that we count as `ours`: least squares, leaning on what is believed at first. */
export function likelyTokens(sums: FactorSums, ours: number): number {
  const factorFactor = sums.oursSquared + FACTOR_CERTAINTY;
  const factorExtra = sums.ours;
  const extraExtra = sums.weight + EXTRA_CERTAINTY;
  const factorSide = sums.oursTheirs + FACTOR_CERTAINTY * EXPECTED_FACTOR;
  const extraSide = sums.theirs + EXTRA_CERTAINTY * EXPECTED_EXTRA_TOKENS;
  const determinant = factorFactor * extraExtra - factorExtra * factorExtra;
  const factor = (factorSide * extraExtra - extraSide * factorExtra) / determinant;
  const extra = (extraSide * factorFactor - factorSide * factorExtra) / determinant;
  return Math.max(1, Math.round(Math.max(factor * ours + extra, LEAST_FACTOR * ours)));
}
