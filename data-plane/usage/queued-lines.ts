const INITIAL_BYTES = 64 * 1024;
const KEPT_BYTES = 1024 * 1024;
/** The most bytes that a UTF-16 unit can come to. */
const BYTES_PER_UNIT = 3;
const NEWLINE = 0x0a;

/** The lines of one tick, gathered as bytes: they go to the disk and to the shipper without becoming a string again. */
export class QueuedLines {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #size = 0;
  count = 0;

  /** Adds a line; its newline comes by itself. */
  add(line: string): void {
    const most = this.#size + line.length * BYTES_PER_UNIT + 1;
    if (most > this.#bytes.length) this.#grow(most);
    this.#size += this.#bytes.write(line, this.#size);
    this.#bytes[this.#size] = NEWLINE;
    this.#size += 1;
    this.count += 1;
  }

  /** Adds the lines of another queue. */
  addAll(other: QueuedLines): void {
    const lines = other.view();
    const needed = this.#size + lines.length;
    if (needed > this.#bytes.length) this.#grow(needed);
    lines.copy(this.#bytes, this.#size);
    this.#size = needed;
    this.count += other.count;
  }

  /** What was gathered; valid until the next line is added. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#size);
  }

  clear(): void {
    this.#size = 0;
    this.count = 0;
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(needed * 2);
    this.#bytes.copy(grown, 0, 0, this.#size);
    this.#bytes = grown;
  }
}
