/** Something that waits for others and must act when they stay silent. */
export interface Watched {
  /** `elapsedMs` have passed since the last tick. */
  tick(elapsedMs: number): void;
}

/**
 * One timer for all requests under way: with thousands of open streams, a timer that is re-armed per chunk would cost more
 * than the chunk. Deadlines are therefore met to within one interval.
 */
export class SilenceWatch {
  readonly #watched = new Set<Watched>();
  readonly #intervalMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  add(watched: Watched): void {
    this.#watched.add(watched);
    this.#timer ??= setInterval(() => this.#tick(), this.#intervalMs).unref();
  }

  remove(watched: Watched): void {
    this.#watched.delete(watched);
  }

  #tick(): void {
    for (const watched of this.#watched) watched.tick(this.#intervalMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
