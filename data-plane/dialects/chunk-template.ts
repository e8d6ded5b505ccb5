import { scanJsonString } from '#data-plane/json/scan-json.ts';

/** A stream whose chunks keep differing in more than their gaps is not compared any more. */
const MAX_MISSES = 8;
const MAX_TEMPLATE_BYTES = 4_096;
const MAX_GAPS = 4;
/** Every count of so many digits is exact. */
const MAX_DIGITS = 15;
const QUOTE = 0x22;
const ZERO = 0x30;
const NINE = 0x39;
/** From so many bytes on a native comparison is cheaper than a loop. */
const CALL_WORTH_BYTES = 64;
const MISMATCH = -1;
const NOTHING = Buffer.alloc(0);
const ABSENT = -1;

/**
 * The last chunk of a stream as a pattern for the next: nearly all chunks of an answer are the same bytes but for a few gaps,
 * a string of text or a number each. Comparing is several times cheaper than scanning, and just as strict: bytes that are
 * equal need no second check, and what lies in the gaps is checked like anything else. A reader tells of the gaps of each
 * chunk that it scans (`begin`, `gap`, `learn`); those of a chunk that matches have the same order.
 */
export class ChunkTemplate {
  /** Where the model's name lies in the chunk matched last; `modelEnd` 0 where it names none. */
  modelStart = 0;
  modelEnd = 0;
  /** Where each gap lies in the chunk scanned or matched last, by the slot that the reader gave it; -1: it has none. */
  readonly starts = [ABSENT, ABSENT, ABSENT, ABSENT];
  readonly ends = [0, 0, 0, 0];

  #bytes: Buffer = NOTHING;
  /** 0: there is no pattern. */
  #length = 0;
  #misses = 0;
  /** Of the pattern, in the order of its bytes. */
  #gapCount = 0;
  readonly #slots = [0, 0, 0, 0];
  readonly #gapStarts = [0, 0, 0, 0];
  readonly #gapEnds = [0, 0, 0, 0];
  #modelStart = 0;
  #modelEnd = 0;
  /** How many gaps lie before the model's name. */
  #gapsBeforeModel = 0;

  /** Begins to hear of a chunk that is scanned. */
  begin(): void {
    this.starts.fill(ABSENT);
  }

  /** A gap of the chunk being scanned, quotes included. */
  gap(slot: number, start: number, end: number): void {
    this.starts[slot] = start;
    this.ends[slot] = end;
  }

  /** Makes the chunk that was scanned the pattern. `modelEnd` 0: it names no model. */
  learn(bytes: Buffer, start: number, end: number, modelStart: number, modelEnd: number): void {
    if (this.#misses >= MAX_MISSES) return;
    this.#misses += 1;
    this.#length = 0;
    const length = end - start;
    if (length > MAX_TEMPLATE_BYTES) return;
    this.#sortGaps(start);
    this.#modelStart = modelEnd === 0 ? 0 : modelStart - start;
    this.#modelEnd = modelEnd === 0 ? 0 : modelEnd - start;
    this.#gapsBeforeModel = 0;
    for (let gap = 0; gap < this.#gapCount; gap += 1) {
      const isBefore = (this.#gapEnds[gap] ?? 0) <= this.#modelStart;
      if (isBefore) this.#gapsBeforeModel += 1;
      else if (modelEnd !== 0 && (this.#gapStarts[gap] ?? 0) < this.#modelEnd) return;
    }
    if (this.#bytes.length < length) this.#bytes = Buffer.allocUnsafeSlow(Math.max(length, 512));
    bytes.copy(this.#bytes, 0, start, end);
    this.#length = length;
  }

  /** Whether the chunk is the pattern with something else in its gaps. */
  matches(bytes: Buffer, start: number, end: number): boolean {
    const length = this.#length;
    if (length === 0) return false;
    const pattern = this.#bytes;
    let at = start;
    let from = 0;
    for (let gap = 0; gap < this.#gapCount; gap += 1) {
      const gapStart = this.#gapStarts[gap] ?? 0;
      if (at + gapStart - from >= end) return false;
      if (!isSame(bytes, at, pattern, from, gapStart)) return false;
      at += gapStart - from;
      from = gapStart;
      const gapEnd = pattern[from] === QUOTE ? scanJsonString(bytes, at, end) : scanCount(bytes, at, end);
      if (gapEnd === MISMATCH) return false;
      const slot = this.#slots[gap] ?? 0;
      this.starts[slot] = at;
      this.ends[slot] = gapEnd;
      at = gapEnd;
      from = this.#gapEnds[gap] ?? 0;
    }
    if (end - at !== length - from || !isSame(bytes, at, pattern, from, length)) return false;
    this.#placeModel(start);
    this.#misses = 0;
    return true;
  }

  #placeModel(start: number): void {
    if (this.#modelEnd === 0) {
      this.modelEnd = 0;
      return;
    }
    const before = this.#gapsBeforeModel - 1;
    const shift =
      before < 0 ? start : (this.ends[this.#slots[before] ?? 0] ?? 0) - (this.#gapEnds[before] ?? 0);
    this.modelStart = this.#modelStart + shift;
    this.modelEnd = this.#modelEnd + shift;
  }

  /** Puts the gaps of the chunk scanned last in the order of its bytes. */
  #sortGaps(start: number): void {
    let count = 0;
    for (let slot = 0; slot < MAX_GAPS; slot += 1) {
      const gapStart = (this.starts[slot] ?? 0) - start;
      if (this.starts[slot] === ABSENT) continue;
      let place = count;
      for (; place > 0 && (this.#gapStarts[place - 1] ?? 0) > gapStart; place -= 1) {
        this.#slots[place] = this.#slots[place - 1] ?? 0;
        this.#gapStarts[place] = this.#gapStarts[place - 1] ?? 0;
        this.#gapEnds[place] = this.#gapEnds[place - 1] ?? 0;
      }
      this.#slots[place] = slot;
      this.#gapStarts[place] = gapStart;
      this.#gapEnds[place] = (this.ends[slot] ?? 0) - start;
      count += 1;
    }
    this.#gapCount = count;
  }
}

/** Whether the bytes from `at` on are those of the pattern between `from` and `to`. Few bytes cost less than a call. */
function isSame(bytes: Buffer, at: number, pattern: Buffer, from: number, to: number): boolean {
  if (to - from > CALL_WORTH_BYTES) return bytes.compare(pattern, from, to, at, at + to - from) === 0;
  for (let index = from; index < to; index += 1)
    if (bytes[at + index - from] !== pattern[index]) return false;
  return true;
}

/** Scans a count, the only numbers that differ between chunks; the offset behind it, or -1. */
function scanCount(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const byte = bytes[at] ?? 0;
    if (byte < ZERO || byte > NINE) break;
    at += 1;
  }
  const digits = at - start;
  return digits === 0 || digits > MAX_DIGITS || (digits > 1 && bytes[start] === ZERO) ? MISMATCH : at;
}
