import type { TokenUsage } from '#shared/token-usage.ts';
import { TYPICAL_BYTES_PER_TOKEN } from './dialect.ts';

/** How far an answer has come, and how far it had come when the provider last counted. */
export interface CountedText {
  readonly countedTextBytes: number;
  readonly textBytes: number;
  /** The provider has ended its answer. */
  readonly isWhole: boolean;
}

/**
 * A provider's counts of an answer. They stand as they are when no text came behind them. Otherwise they tell the prompt
 * but not all of the output, as when a client leaves in the middle of an answer: then what came counts at least as the
 * usual number of tokens of its size, and the whole is marked as estimated.
 */
export function coveringText(counts: TokenUsage, text: CountedText): TokenUsage {
  const { countedTextBytes, textBytes, isWhole } = text;
  // Early counts of some providers leave the output out.
  const saysOutput = counts.output > 0 || textBytes === 0 || isWhole;
  if (countedTextBytes === textBytes && saysOutput) return counts;
  const output = Math.max(counts.output, Math.ceil(textBytes / TYPICAL_BYTES_PER_TOKEN));
  return { ...counts, output, source: 'estimated' };
}
