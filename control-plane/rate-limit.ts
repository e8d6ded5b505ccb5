import type { Redis } from 'ioredis';
import type { Clock } from '#shared/clock.ts';
import { redisKeys } from '#shared/redis-keys.ts';

export interface RateVerdict {
  readonly allowed: boolean;
  /** What is left in this window. */
  readonly remaining: number;
  /** Seconds until the window ends. */
  readonly resetSeconds: number;
  /** Names the window for {@link RateLimiter.giveBack}. */
  readonly key: string;
}

const MAX_LOCAL_WINDOWS = 10_000;
/** A window that ended while its request ran is not to stay for ever. */
const FORGOTTEN_AFTER_MS = 60_000;

/**
 * Counts what callers spend in windows of fixed length, in Redis for all processes; while Redis is away each process counts
 * for itself, so that a limit never disappears. A count may exceed the limit: the call that does is refused.
 */
export class RateLimiter {
  readonly #redis: Redis;
  readonly #clock: Clock;
  readonly #local = new Map<string, { count: number; endsMs: number }>();

  constructor(redis: Redis, clock: Clock) {
    this.#redis = redis;
    this.#clock = clock;
  }

  /** Spends `cost` of the caller's limit. One Redis round trip. */
  async spend(
    caller: string,
    limit: { readonly max: number; readonly windowSeconds: number },
    cost = 1,
  ): Promise<RateVerdict> {
    const windowMs = limit.windowSeconds * 1_000;
    const nowMs = this.#clock.nowMs();
    const window = Math.floor(nowMs / windowMs);
    const endsMs = (window + 1) * windowMs;
    const key = redisKeys.apiRate(`${caller}:${window}`);
    const count =
      (await this.#countInRedis(key, cost, windowMs)) ?? this.#countHere(key, cost, endsMs, nowMs);
    return {
      allowed: count <= limit.max,
      remaining: Math.max(0, limit.max - count),
      resetSeconds: Math.max(1, Math.ceil((endsMs - nowMs) / 1_000)),
      key,
    };
  }

  /** Takes back a part of what was spent; what the window has forgotten meanwhile stays forgotten. */
  async giveBack({ key }: RateVerdict, cost: number): Promise<void> {
    const known = this.#local.get(key);
    if (known) known.count -= cost;
    if (this.#redis.status !== 'ready') return;
    try {
      await this.#redis.multi().decrby(key, cost).pexpire(key, FORGOTTEN_AFTER_MS).exec();
    } catch {
      // Without Redis the caller has spent too much of one minute, and no more.
    }
  }

  async #countInRedis(key: string, cost: number, windowMs: number): Promise<number | undefined> {
    if (this.#redis.status !== 'ready') return undefined;
    try {
      const answers = await this.#redis.multi().incrby(key, cost).pexpire(key, windowMs).exec();
      const count = answers?.[0]?.[1];
      return typeof count === 'number' ? count : undefined;
    } catch {
      return undefined;
    }
  }

  #countHere(key: string, cost: number, endsMs: number, nowMs: number): number {
    const known = this.#local.get(key);
    const count = (known?.count ?? 0) + cost;
    if (known) known.count = count;
    else {
      if (this.#local.size >= MAX_LOCAL_WINDOWS) this.#forgetPast(nowMs);
      this.#local.set(key, { count, endsMs });
    }
    return count;
  }

  #forgetPast(nowMs: number): void {
    for (const [key, { endsMs }] of this.#local) if (endsMs <= nowMs) this.#local.delete(key);
    // Still full of windows under way: begin anew rather than grow without end.
    if (this.#local.size >= MAX_LOCAL_WINDOWS) this.#local.clear();
  }
}
