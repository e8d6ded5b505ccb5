const INITIAL_BYTES = 256 * 1024;
const KEPT_BYTES = 2 * 1024 * 1024;

/**
 * Gathers what one upstream read turns into, so that it leaves in one write. One buffer serves the whole process: it is
 * filled and taken within one synchronous call.
 */
class OutgoingBytes {
  #buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  reset(): void {
    this.#size = 0;
    if (this.#buffer.length > KEPT_BYTES) this.#buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  }

  add(bytes: Buffer, start: number, end: number): void {
    const size = this.#size + end - start;
    if (size > this.#buffer.length) this.#grow(size);
    bytes.copy(this.#buffer, this.#size, start, end);
    this.#size = size;
  }

  /** A view of what was gathered, valid until the next {@link reset}. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.#size);
  }

  /** A copy of what was gathered, for keeping. */
  copy(): Buffer {
    return Buffer.from(this.view());
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(needed * 2);
    this.#buffer.copy(grown, 0, 0, this.#size);
    this.#buffer = grown;
  }
}

export const outgoing = new OutgoingBytes();
