import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { Clock } from '#shared/clock.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { openRedisLink, type RedisLink } from '#shared/redis-link.ts';
import { addSums, type FactorSums, NO_SUMS } from './factor-fit.ts';

/** How families of models count, known to this process and shared with the others. */
export interface TokenFactors {
  /** Adds one request; seen by this process at once and by the others within a second. */
  add(family: string, sums: FactorSums): void;
  /** How many requests of a family this process knows of, without asking anybody. */
  requestsKnown(family: string): number;
  /** What all processes know, as far as Redis tells in time. */
  read(family: string): Promise<FactorSums>;
  close(): void;
}

interface FactorScript {
  addFactorSums(key: string, ...sums: (number | string)[]): Promise<string[]>;
}

interface Family {
  /** What Redis had last time. */
  shared: FactorSums;
  /** Learned here and not yet sent. */
  pending: FactorSums;
  readAtMs: number;
}

const READ_TIMEOUT_MS = 20;
const FRESH_MS = 1_000;
const SEND_AFTER_MS = 200;
const HALVED_ABOVE = 1_000;
const KEPT_SECONDS = 90 * 24 * 3_600;
const MAX_FAMILIES = 1_000;

/** Keeps the sums in Redis, so that all processes learn together and a restart forgets nothing. Numbers only. */
export function openSharedFactors(options: {
  readonly redisUrl: string;
  readonly clock: Clock;
  readonly logger: Logger;
}): TokenFactors {
  return new SharedFactors(openRedisLink(options.redisUrl, 'token-factors', options.logger), options.clock);
}

class SharedFactors implements TokenFactors {
  readonly #link: RedisLink;
  readonly #client: Redis & FactorScript;
  readonly #clock: Clock;
  readonly #families = new Map<string, Family>();
  #sendTimer: NodeJS.Timeout | undefined;

  constructor(link: RedisLink, clock: Clock) {
    this.#link = link;
    this.#clock = clock;
    link.client.defineCommand('addFactorSums', {
      lua: readFileSync(new URL('./add-factor-sums.lua', import.meta.url), 'utf8'),
      numberOfKeys: 1,
    });
    this.#client = link.client as Redis & FactorScript;
    link.onConnected(() => this.#sendSoon());
  }

  add(family: string, sums: FactorSums): void {
    const entry = this.#family(family);
    entry.pending = addSums(entry.pending, sums);
    this.#sendSoon();
  }

  requestsKnown(family: string): number {
    const entry = this.#families.get(family);
    return entry === undefined ? 0 : entry.shared.count + entry.pending.count;
  }

  async read(family: string): Promise<FactorSums> {
    const entry = this.#family(family);
    if (this.#link.runId() !== undefined && this.#clock.monotonicMs() - entry.readAtMs > FRESH_MS)
      await Promise.race([
        this.#exchange(family, entry),
        new Promise<void>((resolve) => setTimeout(resolve, READ_TIMEOUT_MS)),
      ]);
    return addSums(entry.shared, entry.pending);
  }

  close(): void {
    clearTimeout(this.#sendTimer);
    this.#link.close();
  }

  #family(name: string): Family {
    let entry = this.#families.get(name);
    if (entry === undefined) {
      if (this.#families.size >= MAX_FAMILIES) this.#families.clear();
      entry = { shared: NO_SUMS, pending: NO_SUMS, readAtMs: Number.NEGATIVE_INFINITY };
      this.#families.set(name, entry);
    }
    return entry;
  }

  #sendSoon(): void {
    this.#sendTimer ??= setTimeout(() => {
      this.#sendTimer = undefined;
      if (this.#link.runId() === undefined) return;
      for (const [name, entry] of this.#families)
        if (entry.pending.count > 0) this.#exchange(name, entry).catch(() => undefined);
    }, SEND_AFTER_MS).unref();
  }

  /** Sends what is pending and takes what all know; what could not be sent stays pending. */
  async #exchange(name: string, entry: Family): Promise<void> {
    const sent = entry.pending;
    entry.pending = NO_SUMS;
    const { count, weight, ours, theirs, oursSquared, oursTheirs } = sent;
    const figures = [count, weight, ours, theirs, oursSquared, oursTheirs, HALVED_ABOVE, KEPT_SECONDS];
    // Until the answer is here, what was sent counts as known.
    const before = entry.shared;
    entry.shared = addSums(before, sent);
    try {
      entry.shared = sumsFrom(await this.#client.addFactorSums(redisKeys.tokenFactors(name), ...figures));
      entry.readAtMs = this.#clock.monotonicMs();
    } catch {
      entry.shared = before;
      entry.pending = addSums(entry.pending, sent);
    }
  }
}

function sumsFrom(shown: readonly string[]): FactorSums {
  const [count = 0, weight = 0, ours = 0, theirs = 0, oursSquared = 0, oursTheirs = 0] = shown.map(Number);
  return { count, weight, ours, theirs, oursSquared, oursTheirs };
}
