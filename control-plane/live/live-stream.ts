import type { Clock } from '#shared/clock.ts';
import type { LiveFeed } from './live-feed.ts';

/** What a live subscription sends, and to whom. */
export interface LiveSource<Event> {
  readonly feed: LiveFeed;
  readonly clock: Clock;
  readonly caller: string;
  readonly accountId: string;
  /** What is new since the last call; `undefined`: nothing. */
  read(): Promise<Event | undefined>;
  /** Whether the caller may still read this. */
  stillAllowed(): Promise<boolean>;
  /** Reading has failed; the stream ends, and the client comes back. */
  onFault(error: unknown): void;
}

/** However often an account moves, its subscribers read this far apart. */
const READ_GAP_MS = 500;
/** What was lent or lost without a word is found by a look of our own. */
const LOOK_MS = 15_000;
/** So long after a token was revoked, a session ended or a right was taken, nothing is sent any more. */
const CHECK_MS = 3_000;

/**
 * A stream of events about one account for one subscriber, read when the subscriber takes them: one that is slow misses
 * states in between and holds nothing up. `undefined`: the caller has as many subscriptions as it may have.
 */
export function openLiveStream<Event>(source: LiveSource<Event>): AsyncIterableIterator<Event> | undefined {
  const stream = new LiveStream(source);
  return stream.isOpen ? stream : undefined;
}

class LiveStream<Event> implements AsyncIterableIterator<Event> {
  readonly #source: LiveSource<Event>;
  readonly #release: (() => void) | undefined;
  #isOpen: boolean;
  #hasMoved = true;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #checkedAtMs: number;
  #wake = (): void => undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(source: LiveSource<Event>) {
    this.#source = source;
    this.#checkedAtMs = source.clock.monotonicMs();
    const { caller, accountId } = source;
    this.#release = source.feed.take({
      caller,
      accountId,
      moved: () => {
        this.#hasMoved = true;
        this.#wake();
      },
      end: () => this.#end(),
    });
    this.#isOpen = this.#release !== undefined;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next event; the end after `return`, when the caller may no longer read, and when reading fails. */
  next(): Promise<IteratorResult<Event, undefined>> {
    const next = this.#last.then(() => this.#nextEvent());
    this.#last = next;
    return next;
  }

  async return(): Promise<IteratorResult<Event, undefined>> {
    this.#end();
    return { value: undefined, done: true };
  }

  async #nextEvent(): Promise<IteratorResult<Event, undefined>> {
    try {
      while (this.#isOpen) {
        const event = await this.#step();
        if (event !== undefined && this.#isOpen) return { value: event, done: false };
      }
    } catch (error) {
      this.#source.onFault(error);
      this.#end();
    }
    return { value: undefined, done: true };
  }

  /** Waits for, or does, whatever comes next. */
  async #step(): Promise<Event | undefined> {
    const nowMs = this.#source.clock.monotonicMs();
    const checkAtMs = this.#checkedAtMs + CHECK_MS;
    const readAtMs = this.#readAtMs + (this.#hasMoved ? READ_GAP_MS : LOOK_MS);
    const waitMs = Math.min(checkAtMs, readAtMs) - nowMs;
    if (waitMs > 0) {
      await this.#sleep(waitMs);
      return undefined;
    }
    if (nowMs >= checkAtMs) {
      this.#checkedAtMs = nowMs;
      if (!(await this.#source.stillAllowed())) this.#end();
      return undefined;
    }
    this.#hasMoved = false;
    this.#readAtMs = nowMs;
    return await this.#source.read();
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#release?.();
    this.#wake();
  }
}
