/**
 * Texts by the million outside the JavaScript heap, where each would be an object that the collector visits. They lie one
 * after the other in large chunks; a number leads to each. A chunk in which most has been removed is emptied into others.
 */
const CHUNK_BYTES = 512 * 1024;
const WORD_BYTES = 4;
const WORDS_PER_CHUNK = CHUNK_BYTES / WORD_BYTES;
/** Before each text: its length in bytes, negative once it is removed. */
const HEADER_BYTES = 4;
/** Emptied when less than this share of it is in use. */
const SPARSE_SHARE = 0.5;

interface Chunk {
  readonly bytes: Buffer;
  /** Up to where it has been written. */
  end: number;
  /** Bytes of texts that are still there, headers and padding included. */
  used: number;
}

/** Told of a text that lies elsewhere from now on. */
type OnMoved = (text: string, from: number, to: number) => void;

export class PackedTexts {
  readonly #onMoved: OnMoved;
  readonly #chunks: (Chunk | undefined)[] = [];
  readonly #freeNumbers: number[] = [];
  /** Number of the chunk that is written to. */
  #current = -1;

  constructor(onMoved: OnMoved) {
    this.#onMoved = onMoved;
  }

  /** Keeps a text; returns the number that leads to it, always above 0. */
  add(text: string): number {
    const length = Buffer.byteLength(text);
    const size = HEADER_BYTES + Math.ceil(length / WORD_BYTES) * WORD_BYTES;
    const number = this.#chunkFor(size);
    const chunk = this.#chunkOf(number);
    const start = chunk.end;
    chunk.bytes.writeInt32LE(length, start);
    chunk.bytes.write(text, start + HEADER_BYTES, 'utf8');
    chunk.end += size;
    chunk.used += size;
    return number * WORDS_PER_CHUNK + start / WORD_BYTES + 1;
  }

  read(reference: number): string {
    const { bytes } = this.#chunkOf(chunkNumber(reference));
    const start = offsetIn(reference);
    return bytes.toString('utf8', start + HEADER_BYTES, start + HEADER_BYTES + bytes.readInt32LE(start));
  }

  /** Forgets a text. Others may move. */
  remove(reference: number): void {
    const number = chunkNumber(reference);
    const chunk = this.#chunkOf(number);
    const start = offsetIn(reference);
    const length = chunk.bytes.readInt32LE(start);
    chunk.bytes.writeInt32LE(-length, start);
    chunk.used -= HEADER_BYTES + Math.ceil(length / WORD_BYTES) * WORD_BYTES;
    if (number !== this.#current && chunk.used < chunk.bytes.length * SPARSE_SHARE)
      this.#empty(number, chunk);
  }

  /**
   * All texts as bytes that `textsIn` reads, in portions. Each is a copy, good until the next one is taken. Texts may come and
   * go meanwhile: what was there all the time is in one of the portions at least.
   */
  *portions(): Generator<Buffer> {
    let copy = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    // The chunks of this moment: one that is emptied meanwhile still holds what it held.
    for (const { bytes, end } of this.#chunks.filter((existing) => existing !== undefined)) {
      if (copy.length < end) copy = Buffer.allocUnsafeSlow(end);
      bytes.copy(copy, 0, 0, end);
      yield copy.subarray(0, end);
    }
  }

  #chunkOf(number: number): Chunk {
    const chunk = this.#chunks[number];
    if (chunk === undefined) throw new Error('There is no text at this number');
    return chunk;
  }

  /** Where a text of so many bytes goes: what is larger than a chunk gets one of its own. */
  #chunkFor(size: number): number {
    const current = this.#chunks[this.#current];
    if (current !== undefined && current.end + size <= current.bytes.length) return this.#current;
    const number = this.#freeNumbers.pop() ?? this.#chunks.length;
    const bytes = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, size));
    this.#chunks[number] = { bytes, end: 0, used: 0 };
    this.#current = number;
    return number;
  }

  #empty(number: number, { bytes, end }: Chunk): void {
    for (const { text, start } of placedTexts(bytes.subarray(0, end)))
      this.#onMoved(text, number * WORDS_PER_CHUNK + start / WORD_BYTES + 1, this.add(text));
    this.#chunks[number] = undefined;
    this.#freeNumbers.push(number);
  }
}

function chunkNumber(reference: number): number {
  return Math.floor((reference - 1) / WORDS_PER_CHUNK);
}

function offsetIn(reference: number): number {
  return ((reference - 1) % WORDS_PER_CHUNK) * WORD_BYTES;
}

/** The texts of a portion. */
export function* textsIn(portion: Buffer): Generator<string> {
  for (const { text } of placedTexts(portion)) yield text;
}

function* placedTexts(bytes: Buffer): Generator<{ text: string; start: number }> {
  for (let start = 0; start < bytes.length; ) {
    const length = bytes.readInt32LE(start);
    const from = start + HEADER_BYTES;
    if (length > 0) yield { text: bytes.toString('utf8', from, from + length), start };
    start = from + Math.ceil(Math.abs(length) / WORD_BYTES) * WORD_BYTES;
  }
}
