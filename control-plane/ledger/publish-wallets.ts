import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ChainableCommander } from 'ioredis';
import type { Logger } from 'pino';
import type { Sql } from '#db/client.ts';
import { type Listening, listenForever } from '#db/listen.ts';
import type { Clock } from '#shared/clock.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { executePipeline, type RedisLink } from '#shared/redis-link.ts';
import { forgetSpool } from '../usage/forget-spool.ts';
import type { SettledBudget } from '../usage/settle-budgets.ts';
import { BALANCE_CHANGED_CHANNEL } from './post-transaction.ts';
import {
  type BalanceRow,
  reachOfSilentSpools,
  readBalances,
  readBalancesAfter,
  readCurrentBudgets,
  readOpenSpoolBudgets,
  readOpenSpools,
  readSettledWallets,
  type SettledWallet,
} from './read-wallet-seeds.ts';

const MARKER_CHECK_MS = 500;
const ROWS_PER_ROUND = 1_000;
const DECLARATION_WAIT_MS = 3_000;
const DECLARATION_POLL_MS = 50;

const SCRIPTS = {
  publishWallet: ['./publish-wallet.lua', 3],
  guardSilentSpool: ['./guard-silent-spool.lua', 4],
} as const;

interface WalletCommands {
  publishWallet(...keysAndArguments: string[]): unknown;
  guardSilentSpool(wallet: string, ...args: string[]): unknown;
}

/**
 * Keeps the wallets in Redis equal to the ledger: the balance of an account right after each commit, everything again after
 * Redis restarted. Until that reseeding is done the quota marker stays shut and data planes lend nothing.
 */
export class WalletPublisher {
  readonly #sql: Sql;
  readonly #link: RedisLink;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #dirty = new Set<string>();
  readonly #onSeeded: () => void;
  #listening: Listening | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #openRunId: string | undefined;
  #closed = false;

  /** `onSeeded` runs after each seeding: other figures in Redis are gone too. */
  constructor(sql: Sql, link: RedisLink, clock: Clock, logger: Logger, onSeeded: () => void) {
    this.#onSeeded = onSeeded;
    this.#sql = sql;
    this.#link = link;
    this.#clock = clock;
    this.#logger = logger;
    for (const [name, [file, numberOfKeys]] of Object.entries(SCRIPTS))
      link.client.defineCommand(name, {
        lua: readFileSync(new URL(file, import.meta.url), 'utf8'),
        numberOfKeys,
      });
  }

  start(): void {
    this.#listening = listenForever(
      this.#sql,
      BALANCE_CHANGED_CHANNEL,
      (accountId) => {
        this.#dirty.add(accountId);
        this.#wake();
      },
      // A lost connection may have lost notifications too: seed again.
      () => this.#seedAgain(),
    );
    this.#timer = setInterval(() => this.#wake(), MARKER_CHECK_MS);
    this.#link.onConnected(() => this.#wake());
    this.#wake();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#listening?.stop();
    await this.#running;
  }

  /**
   * Publishes balances and budgets together with what was settled from spools, right after the commit that settled it. When
   * Redis fails in the middle, everything is seeded again.
   */
  async publishSettled(
    settled: readonly SettledWallet[],
    budgets: readonly SettledBudget[] = [],
  ): Promise<void> {
    if (settled.length + budgets.length === 0) return;
    const pipeline = this.#link.client.pipeline();
    try {
      const balances = await readBalances(this.#sql, [...new Set(settled.map((row) => row.accountId))]);
      for (const { accountId, spool, settledNano } of settled) {
        const balance = balances.get(accountId);
        if (balance) addBalance(pipeline, balance, spool, settledNano);
      }
      for (const budget of budgets) addBudget(pipeline, budget);
      await executePipeline(pipeline);
    } catch (error) {
      this.#seedAgain();
      throw error;
    }
  }

  #seedAgain(): void {
    this.#openRunId = undefined;
    this.#wake();
  }

  #wake(): void {
    if (this.#closed || this.#running !== undefined || this.#link.runId() === undefined) return;
    this.#running = this.#publish()
      .catch((error: unknown) => {
        this.#logger.warn({ reason: String(error) }, 'Balances not published, trying again');
      })
      .finally(() => {
        this.#running = undefined;
        if (this.#dirty.size > 0) this.#wake();
      });
  }

  async #publish(): Promise<void> {
    // A wiped Redis keeps its run id but not the marker.
    const marker = await this.#link.client.get(redisKeys.quotaOpen);
    if (marker === null || marker !== this.#openRunId || marker !== this.#link.runId()) {
      await this.#seed();
      return;
    }
    await this.#forgetClosedSpools();
    const accountIds = [...this.#dirty].slice(0, ROWS_PER_ROUND);
    for (const accountId of accountIds) this.#dirty.delete(accountId);
    try {
      const balances = await readBalances(this.#sql, accountIds);
      await this.#send([...balances.values()], (pipeline, balance) => addBalance(pipeline, balance, '', '0'));
    } catch (error) {
      for (const accountId of accountIds) this.#dirty.add(accountId);
      throw error;
    }
  }

  /** Writes all balances and settled figures, waits for the spools to declare their counters, then opens the quotas. */
  async #seed(): Promise<void> {
    const runId = this.#link.runId();
    if (runId === undefined) return;
    const sql = this.#sql;
    await this.#publishAllBalances();
    const settled = await readSettledWallets(sql);
    for (let first = 0; first < settled.length; first += ROWS_PER_ROUND)
      await this.publishSettled(settled.slice(first, first + ROWS_PER_ROUND));
    await this.#send(await readCurrentBudgets(sql, this.#clock.nowMs()), addBudget);
    await this.#send(await readOpenSpoolBudgets(sql), addBudget);
    await this.#guardSilent(runId, await this.#awaitDeclarations(runId));
    if (this.#link.runId() !== runId) return;
    await this.#link.client.set(redisKeys.quotaOpen, runId);
    this.#openRunId = runId;
    this.#onSeeded();
    this.#logger.info({ runId }, 'Wallets seeded, quotas open');
  }

  async #publishAllBalances(): Promise<void> {
    let after = '00000000-0000-0000-0000-000000000000';
    for (;;) {
      const rows = await readBalancesAfter(this.#sql, after, ROWS_PER_ROUND);
      const last = rows.at(-1);
      if (last === undefined) return;
      await this.#send(rows, (pipeline, balance) => addBalance(pipeline, balance, '', '0'));
      after = last.account_id;
    }
  }

  /**
   * Live data planes tell a restarted Redis their counters on connecting, and those that adopted a spool what is still in it.
   * A silent spool is waited for a bounded time. Returns those that stayed silent.
   */
  async #awaitDeclarations(runId: string): Promise<string[]> {
    const startedMs = this.#clock.monotonicMs();
    const open = await readOpenSpools(this.#sql);
    for (;;) {
      const declared = new Set(await this.#link.client.smembers(redisKeys.quotaDeclared(runId)));
      const silent = open.filter((spool) => !declared.has(spool));
      if (silent.length === 0 || this.#clock.monotonicMs() - startedMs >= DECLARATION_WAIT_MS) return silent;
      await delay(DECLARATION_POLL_MS);
    }
  }

  /** Of a silent spool, what it was last known to have been lent stays reserved; where that is unknown, nothing is lent. */
  async #guardSilent(runId: string, spools: readonly string[]): Promise<void> {
    if (spools.length === 0) return;
    this.#logger.warn(
      { spools },
      'Spools are silent: what they may hold stays reserved until they speak or are closed',
    );
    await this.#send(
      await reachOfSilentSpools(this.#sql, spools),
      (pipeline, { spool, wallet, reachNano }) => {
        const commands = pipeline as ChainableCommander & WalletCommands;
        commands.guardSilentSpool(
          redisKeys.wallet(wallet),
          redisKeys.spoolWallets(spool),
          redisKeys.quotaDeclared(runId),
          redisKeys.quotaSpools,
          ...[spool, wallet, reachNano ?? ''],
        );
      },
    );
  }

  /**
   * What wallets say of a spool ends with it: its successor has closed it, or an operator has written it off. Also where a
   * figure was published in the moment in which the spool was closed, or Redis was wiped while a guard was written.
   */
  async #forgetClosedSpools(): Promise<void> {
    const { client } = this.#link;
    const known = await client.smembers(redisKeys.quotaSpools);
    if (known.length === 0) return;
    const open = new Set(await readOpenSpools(this.#sql));
    for (const spool of known.filter((each) => !open.has(each))) {
      // In this order: what is published meanwhile makes the spool known again.
      await client.srem(redisKeys.quotaSpools, spool);
      await forgetSpool(client, spool);
    }
  }

  async #send<Row>(
    rows: readonly Row[],
    add: (pipeline: ChainableCommander, row: Row) => void,
  ): Promise<void> {
    for (let first = 0; first < rows.length; first += ROWS_PER_ROUND) {
      const pipeline = this.#link.client.pipeline();
      for (const row of rows.slice(first, first + ROWS_PER_ROUND)) add(pipeline, row);
      await executePipeline(pipeline);
    }
  }
}

function walletKeys(wallet: string, spool: string): string[] {
  return [redisKeys.wallet(wallet), redisKeys.quotaSpools, redisKeys.spoolWallets(spool)];
}

function addBalance(pipeline: ChainableCommander, row: BalanceRow, spool: string, settledNano: string): void {
  const commands = pipeline as ChainableCommander & WalletCommands;
  commands.publishWallet(
    ...walletKeys(row.account_id, spool),
    ...[row.sequence, row.balance_nano, spool, settledNano, row.account_id, redisKeys.quotaRecall],
  );
}

/** A budget's wallet carries what is spent; the data planes bring the limit, so that a change of it holds at once. */
function addBudget(pipeline: ChainableCommander, budget: SettledBudget): void {
  const commands = pipeline as ChainableCommander & WalletCommands;
  const { wallet, sequence, spentNano, spool, settledNano } = budget;
  const balance = (-BigInt(spentNano)).toString();
  commands.publishWallet(
    ...walletKeys(wallet, spool),
    ...[sequence, balance, spool, settledNano, wallet, ''],
  );
}
