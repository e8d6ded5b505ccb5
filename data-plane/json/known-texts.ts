/** Recognises a few known texts among the strings of a JSON text by their bytes, without building strings. */
export class KnownTexts {
  readonly #quoted: readonly Buffer[];

  constructor(texts: readonly string[]) {
    this.#quoted = texts.map((text) => Buffer.from(JSON.stringify(text)));
  }

  /** Position of the text that the JSON string between `start` and `end`, quotes included, spells plainly; else -1. */
  find(bytes: Buffer, start: number, end: number): number {
    const size = end - start;
    for (let index = 0; index < this.#quoted.length; index += 1) {
      const quoted = this.#quoted[index];
      if (quoted?.length === size && bytes.compare(quoted, 0, size, start, end) === 0) return index;
    }
    return -1;
  }
}
