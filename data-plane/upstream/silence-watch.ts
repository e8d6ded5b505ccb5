/** Something that waits for others and must act when they stay silent. */
export interface Watched {
  /** Where the watch keeps it; {@link NOT_WATCHED} at first. The watch's own. */
  watchPlace: number;
  /** `elapsedMs` have passed since the last tick. It may end its own watch. */
  tick(elapsedMs: number): void;
}

export const NOT_WATCHED = -1;

/**
 * One timer for all requests under way: with thousands of open streams, a timer that is re-armed per chunk would cost more
 * than the chunk. Deadlines are therefore met to within one interval.
 *
 * A list in which each knows its place, and no Set: a Set through which many pass is replaced again and again, each one that
 * is left behind points to the next with what it held then, and so young garbage is taken for alive until old space is
 * collected. Requests were once copied into old space that way.
 */
export class SilenceWatch {
  readonly #watched: Watched[] = [];
  readonly #intervalMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  add(watched: Watched): void {
    if (watched.watchPlace === NOT_WATCHED) {
      watched.watchPlace = this.#watched.length;
      this.#watched.push(watched);
    }
    this.#timer ??= setInterval(() => this.#tick(), this.#intervalMs).unref();
  }

  /** Does nothing for one that is not watched. */
  remove(watched: Watched): void {
    const place = watched.watchPlace;
    if (place === NOT_WATCHED) return;
    watched.watchPlace = NOT_WATCHED;
    const last = this.#watched.pop();
    if (last === undefined || last === watched) return;
    last.watchPlace = place;
    this.#watched[place] = last;
  }

  /** From the end, so that one that leaves is replaced by one that has had its tick, and newcomers wait for the next. */
  #tick(): void {
    for (let place = this.#watched.length - 1; place >= 0; place -= 1)
      this.#watched[place]?.tick(this.#intervalMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
