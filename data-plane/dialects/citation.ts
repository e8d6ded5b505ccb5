import type { ProviderProtocol } from '#shared/usage-record.ts';
import type { JsonObject } from './turn.ts';

/** A source that a part of an answer's text rests on. */
export interface Citation {
  readonly url?: string;
  readonly title?: string;
  /** Words of the source (Anthropic) or of the answer (Google). */
  readonly citedText?: string;
  /** Where in the part's text the passage lies that rests on the source, in UTF-16 units. */
  readonly startIndex?: number;
  readonly endIndex?: number;
  /** As its own protocol wrote it: the only form of a source without an address, which no other dialect can name. */
  readonly native?: { readonly family: ProviderProtocol; readonly value: JsonObject };
}

/** The passage of a part's text: as told, else where the quoted words stand, else all of it. */
export function citedRange(
  { startIndex, endIndex, citedText }: Citation,
  text: string,
): { readonly start: number; readonly end: number } {
  if (startIndex !== undefined && endIndex !== undefined) return { start: startIndex, end: endIndex };
  const found = citedText === undefined || citedText === '' ? -1 : text.lastIndexOf(citedText);
  if (found === -1) return { start: 0, end: text.length };
  return { start: found, end: found + (citedText?.length ?? 0) };
}
