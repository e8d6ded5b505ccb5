import { scanJsonString } from '#data-plane/json/scan-json.ts';

/** Where things lie in a chunk that was scanned in full; `end` 0 where there is no such value. Offsets from its start. */
export interface ChunkLayout {
  readonly textStart: number;
  readonly textEnd: number;
  /** A string of random length that some providers add against traffic analysis. */
  readonly paddingStart: number;
  readonly paddingEnd: number;
  readonly modelStart: number;
  readonly modelEnd: number;
  /** Whether it carries generated content besides its text. */
  readonly hasOtherContent: boolean;
}

/** A stream whose chunks keep differing in more than their text is not compared any more. */
const MAX_MISSES = 8;
const MAX_TEMPLATE_BYTES = 4_096;
const NO_BYTES = Buffer.alloc(0);
const MISMATCH = -1;

/**
 * The last chunk of a stream as a pattern for the next: nearly all chunks of an answer are the same bytes but for one
 * string of text. Comparing is several times cheaper than scanning, and just as strict: bytes that are equal need no
 * second check, and the strings in the gaps are checked like any other.
 */
export class ChunkTemplate {
  /** Results of the last match; offsets into the bytes that were matched. */
  textLength = 0;
  hasOtherContent = false;
  modelStart = 0;
  modelEnd = 0;
  #bytes = NO_BYTES;
  #length = 0;
  #layout: ChunkLayout | undefined;
  #misses = 0;

  /** Makes a chunk the pattern, after a full scan. */
  learn(bytes: Buffer, start: number, end: number, layout: ChunkLayout): void {
    if (this.#misses >= MAX_MISSES) return;
    this.#misses += 1;
    const length = end - start;
    if (length > MAX_TEMPLATE_BYTES || !isOrdered(layout)) return;
    if (this.#bytes.length < length) this.#bytes = Buffer.allocUnsafe(Math.max(length, 512));
    bytes.copy(this.#bytes, 0, start, end);
    this.#length = length;
    this.#layout = layout;
  }

  /** Whether the chunk is the pattern with another text (and padding). */
  matches(bytes: Buffer, start: number, end: number): boolean {
    const layout = this.#layout;
    if (layout === undefined) return false;
    const textStart = start + layout.textStart;
    if (textStart >= end || !this.#hasSame(bytes, start, 0, layout.textStart)) return false;
    const textEnd = scanJsonString(bytes, textStart, end);
    if (textEnd === MISMATCH) return false;
    const rest = this.#matchRest(bytes, textEnd, end, layout);
    if (rest === MISMATCH) return false;
    this.textLength = textEnd - textStart;
    this.hasOtherContent = layout.hasOtherContent;
    const shift = layout.modelEnd <= layout.textStart ? start : textEnd - layout.textEnd;
    this.modelStart = layout.modelEnd === 0 ? 0 : layout.modelStart + shift;
    this.modelEnd = layout.modelEnd === 0 ? 0 : layout.modelEnd + shift;
    this.#misses = 0;
    return true;
  }

  /** Matches what follows the text, up to `end`. */
  #matchRest(bytes: Buffer, at: number, end: number, layout: ChunkLayout): number {
    if (layout.paddingEnd === 0) return this.#matchTail(bytes, at, end, layout.textEnd);
    const paddingStart = at + layout.paddingStart - layout.textEnd;
    if (paddingStart >= end || !this.#hasSame(bytes, at, layout.textEnd, layout.paddingStart))
      return MISMATCH;
    const paddingEnd = scanJsonString(bytes, paddingStart, end);
    return paddingEnd === MISMATCH ? MISMATCH : this.#matchTail(bytes, paddingEnd, end, layout.paddingEnd);
  }

  #matchTail(bytes: Buffer, at: number, end: number, from: number): number {
    return end - at === this.#length - from && this.#hasSame(bytes, at, from, this.#length) ? end : MISMATCH;
  }

  #hasSame(bytes: Buffer, at: number, from: number, to: number): boolean {
    return bytes.compare(this.#bytes, from, to, at, at + to - from) === 0;
  }
}

/** Gaps must come in the order that a match goes through them, and the model must lie between them. */
function isOrdered(layout: ChunkLayout): boolean {
  const { textStart, textEnd, paddingStart, paddingEnd, modelStart, modelEnd } = layout;
  if (paddingEnd !== 0 && paddingStart < textEnd) return false;
  if (modelEnd === 0 || modelEnd <= textStart) return true;
  return modelStart >= textEnd && (paddingEnd === 0 || modelEnd <= paddingStart);
}
