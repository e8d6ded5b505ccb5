import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { Database, Sql } from '#db/client.ts';
import { type Listening, listenForever } from '#db/listen.ts';
import type { Clock } from '#shared/clock.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { BALANCE_CHANGED_CHANNEL } from '../ledger/post-transaction.ts';
import { type PeriodicWork, startPeriodicWork } from '../periodic-work.ts';
import { markLowBalances } from './mark-low-balances.ts';
import { markSpendLimits } from './mark-spend-limits.ts';

/** What the ingest has just booked. */
export interface BookedUsage {
  readonly accountIds: readonly string[];
  /** Names of budget wallets. */
  readonly wallets: readonly string[];
  /** Keys whose requests were refused for want of money. */
  readonly refusedKeyIds: readonly string[];
}

const LOOK_EVERY_MS = 500;
const LOOK_AT_ALL_EVERY_MS = 300_000;
const AT_ONCE = 2_000;

/**
 * Looks at balances and budgets right after they have moved, a few times a second for all of them together, so that the
 * ingest itself does nothing for it: warns of low balances and used-up budgets, and tells the API's processes, through
 * Redis, for whom live subscriptions have something new. What a crash left unlooked at is found by a look at everything,
 * at the start and every five minutes.
 */
export class SpendingWatch {
  readonly #database: Database;
  readonly #redis: Redis;
  readonly #clock: Clock;
  readonly #accounts = new Set<string>();
  readonly #wallets = new Set<string>();
  readonly #refused = new Set<string>();
  readonly #listening: Listening;
  readonly #works: readonly PeriodicWork[];

  constructor(options: {
    readonly database: Database;
    /** Plain client, to listen on. */
    readonly sql: Sql;
    readonly redis: Redis;
    readonly clock: Clock;
    readonly logger: Logger;
  }) {
    const { database, sql, redis, clock, logger } = options;
    this.#database = database;
    this.#redis = redis;
    this.#clock = clock;
    this.#listening = listenForever(
      sql,
      BALANCE_CHANGED_CHANNEL,
      (accountId) => this.#accounts.add(accountId),
      () => undefined,
    );
    this.#works = [
      startPeriodicWork('The look at balances and budgets', LOOK_EVERY_MS, () => this.#look(), logger),
      startPeriodicWork('The look at all balances', LOOK_AT_ALL_EVERY_MS, () => this.#lookAtAll(), logger),
    ];
  }

  /** Call it after the commit. Costs nothing but the memory of the names. */
  noteBooked({ accountIds, wallets, refusedKeyIds }: BookedUsage): void {
    for (const accountId of accountIds) this.#accounts.add(accountId);
    for (const wallet of wallets) this.#wallets.add(wallet);
    for (const apiKeyId of refusedKeyIds) this.#refused.add(apiKeyId);
  }

  async close(): Promise<void> {
    await this.#listening.stop();
    await Promise.all(this.#works.map((work) => work.close()));
    await this.#look().catch(() => undefined);
  }

  async #look(): Promise<void> {
    const accountIds = take(this.#accounts);
    const wallets = take(this.#wallets);
    const refusedKeyIds = take(this.#refused);
    if (accountIds.length + wallets.length + refusedKeyIds.length === 0) return;
    try {
      await this.#mark(accountIds, wallets, refusedKeyIds);
    } catch (error) {
      this.noteBooked({ accountIds, wallets, refusedKeyIds });
      throw error;
    }
    // Subscriptions also look by themselves now and then, so a lost word is a late one.
    if (accountIds.length > 0)
      await this.#redis.publish(redisKeys.accountsMoved, accountIds.join(' ')).catch(() => undefined);
  }

  async #lookAtAll(): Promise<void> {
    await this.#mark(null, null, []);
  }

  async #mark(
    accountIds: readonly string[] | null,
    wallets: readonly string[] | null,
    refusedKeyIds: readonly string[],
  ): Promise<void> {
    // Two transactions: neither waits for the locks of the other's rows.
    await this.#database.transaction((tx) => markLowBalances(tx, accountIds));
    await this.#database.transaction((tx) =>
      markSpendLimits(tx, { wallets, refusedKeyIds }, this.#clock.nowMs()),
    );
  }
}

function take(names: Set<string>): string[] {
  const taken = [...names].slice(0, AT_ONCE);
  for (const name of taken) names.delete(name);
  return taken;
}
