/** Small chunks, as providers send them: one or two tokens each. */
const TOKENS_PER_CHUNK = 2;

export interface TokenGroup {
  readonly tokens: readonly string[];
  readonly text: string;
  readonly tokensSoFar: number;
}

/**
 * Cuts tokens into chunks. `sentBefore` tokens are out already; all of them together count as `weight` tokens, because a
 * summary of reasoning is shorter than the reasoning.
 */
export function* groupTokens(
  tokens: readonly string[],
  sentBefore: number,
  weight: number = tokens.length,
): Generator<TokenGroup> {
  for (let start = 0; start < tokens.length; start += TOKENS_PER_CHUNK) {
    const group = tokens.slice(start, start + TOKENS_PER_CHUNK);
    const share = (start + group.length) / tokens.length;
    yield { tokens: group, text: group.join(''), tokensSoFar: sentBefore + share * weight };
  }
}
