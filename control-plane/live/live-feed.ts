import { Redis } from 'ioredis';
import { redisKeys } from '#shared/redis-keys.ts';

/** How many live subscriptions one caller, and all together, may have open in one process. */
export const MAX_SUBSCRIPTIONS_PER_CALLER = 20;
const MAX_SUBSCRIPTIONS = 1_000;

/** One open subscription. */
export interface FeedSeat {
  readonly caller: string;
  readonly accountId: string;
  /** The account may have moved. */
  moved(): void;
  /** The process is about to end. */
  end(): void;
}

/**
 * Tells the subscriptions of this process which accounts may have moved, from what the workers say over Redis. Connects at
 * the first subscription. A word that Redis loses is a late one: subscriptions also look by themselves.
 */
export class LiveFeed {
  readonly #redisUrl: string;
  readonly #seats = new Map<string, Set<FeedSeat>>();
  readonly #perCaller = new Map<string, number>();
  #count = 0;
  #connection: Redis | undefined;

  constructor(redisUrl: string) {
    this.#redisUrl = redisUrl;
  }

  /** How many subscriptions are open. */
  get count(): number {
    return this.#count;
  }

  /** Takes a place in the feed; returns how to give it back, once. `undefined`: there is none left. */
  take(seat: FeedSeat): (() => void) | undefined {
    const own = this.#perCaller.get(seat.caller) ?? 0;
    if (own >= MAX_SUBSCRIPTIONS_PER_CALLER || this.#count >= MAX_SUBSCRIPTIONS) return undefined;
    this.#connect();
    this.#perCaller.set(seat.caller, own + 1);
    this.#count += 1;
    const seats = this.#seats.get(seat.accountId) ?? new Set();
    this.#seats.set(seat.accountId, seats.add(seat));
    return () => this.#giveBack(seat);
  }

  /** Ends every subscription. */
  close(): void {
    for (const seats of [...this.#seats.values()]) for (const seat of [...seats]) seat.end();
    this.#connection?.disconnect();
    this.#connection = undefined;
  }

  #giveBack(seat: FeedSeat): void {
    const seats = this.#seats.get(seat.accountId);
    if (seats?.delete(seat) !== true) return;
    if (seats.size === 0) this.#seats.delete(seat.accountId);
    this.#count -= 1;
    const left = (this.#perCaller.get(seat.caller) ?? 1) - 1;
    if (left > 0) this.#perCaller.set(seat.caller, left);
    else this.#perCaller.delete(seat.caller);
  }

  #connect(): void {
    if (this.#connection) return;
    const connection = new Redis(this.#redisUrl, { connectionName: 'live', maxRetriesPerRequest: null });
    this.#connection = connection;
    connection.on('error', () => undefined);
    connection.on('message', (_channel, accountIds: string) => {
      for (const accountId of accountIds.split(' '))
        for (const seat of this.#seats.get(accountId) ?? []) seat.moved();
    });
    // After a lost connection the client subscribes again by itself; the first time it waits for Redis to be there.
    connection.subscribe(redisKeys.accountsMoved).catch(() => undefined);
  }
}
