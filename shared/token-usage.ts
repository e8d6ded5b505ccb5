/**
 * Token counts of one request in classes that never overlap: every billable token is counted in exactly one of
 * `input`, `cacheRead`, `cacheWrite5m`, `cacheWrite1h` and `output`. `reasoning` is a part of `output`, kept for display.
 * Providers differ in what they count inside the prompt; the dialect that reads a provider's usage makes it disjoint.
 */
export interface TokenUsage {
  readonly input: number;
  readonly output: number;
  readonly reasoning: number;
  readonly cacheRead: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
  /** `estimated` when the provider sent no counts (an aborted stream, a provider without usage). */
  readonly source: 'upstream' | 'estimated';
}

export const NO_TOKENS: TokenUsage = {
  input: 0,
  output: 0,
  reasoning: 0,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  source: 'upstream',
};

/** Prompt length in tokens: what price tiers are chosen by (architecture: input + cache read + cache write). */
export function promptTokens(usage: TokenUsage): number {
  return usage.input + usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h;
}
