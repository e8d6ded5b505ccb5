import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ChainableCommander } from 'ioredis';
import type { Logger } from 'pino';
import type { Sql } from '#db/client.ts';
import { type Listening, listenForever } from '#db/listen.ts';
import type { Clock } from '#shared/clock.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { executePipeline, type RedisLink } from '#shared/redis-link.ts';
import { BALANCE_CHANGED_CHANNEL } from './post-transaction.ts';

const MARKER_CHECK_MS = 500;
const ACCOUNTS_PER_ROUND = 1_000;
const DECLARATION_WAIT_MS = 3_000;
const DECLARATION_POLL_MS = 50;

interface PublishWallet {
  publishWallet(wallet: string, sequence: string, balance: string, spool: string, settled: string): unknown;
}

export interface SettledWallet {
  readonly accountId: string;
  readonly spool: string;
  /** All that was ever settled from this spool for this account, nano-USD. */
  readonly settledNano: string;
}

interface BalanceRow {
  account_id: string;
  balance_nano: string;
  sequence: string;
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
    link.client.defineCommand('publishWallet', {
      lua: readFileSync(new URL('./publish-wallet.lua', import.meta.url), 'utf8'),
      numberOfKeys: 1,
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
      () => {
        this.#openRunId = undefined;
        this.#wake();
      },
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

  /** Publishes balances together with what was settled from spools, right after the commit that settled it. */
  async publishSettled(settled: readonly SettledWallet[]): Promise<void> {
    if (settled.length === 0) return;
    const balances = await this.#readBalances([...new Set(settled.map((row) => row.accountId))]);
    const pipeline = this.#link.client.pipeline();
    for (const { accountId, spool, settledNano } of settled) {
      const balance = balances.get(accountId);
      if (balance) addPublication(pipeline, balance, spool, settledNano);
    }
    await executePipeline(pipeline);
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
    const accountIds = [...this.#dirty].slice(0, ACCOUNTS_PER_ROUND);
    for (const accountId of accountIds) this.#dirty.delete(accountId);
    try {
      const balances = await this.#readBalances(accountIds);
      const pipeline = this.#link.client.pipeline();
      for (const balance of balances.values()) addPublication(pipeline, balance, '', '0');
      await executePipeline(pipeline);
    } catch (error) {
      for (const accountId of accountIds) this.#dirty.add(accountId);
      throw error;
    }
  }

  /** Writes all balances and settled figures, waits for the spools to declare their counters, then opens the quotas. */
  async #seed(): Promise<void> {
    const runId = this.#link.runId();
    if (runId === undefined) return;
    const { client } = this.#link;
    await this.#publishAllBalances();
    const settled = await this.#sql<{ spool_id: string; account_id: string; settled_nano: string }[]>`
      select spool_id, account_id, settled_nano::text from usage_spool_wallets
      join usage_spools on usage_spools.id = spool_id where closed_at is null`;
    for (let first = 0; first < settled.length; first += ACCOUNTS_PER_ROUND)
      await this.publishSettled(
        settled.slice(first, first + ACCOUNTS_PER_ROUND).map((row) => ({
          accountId: row.account_id,
          spool: row.spool_id,
          settledNano: row.settled_nano,
        })),
      );
    await this.#awaitDeclarations(runId);
    if (this.#link.runId() !== runId) return;
    await client.set(redisKeys.quotaOpen, runId);
    this.#openRunId = runId;
    this.#onSeeded();
    this.#logger.info({ runId }, 'Wallets seeded, quotas open');
  }

  async #publishAllBalances(): Promise<void> {
    let after = '00000000-0000-0000-0000-000000000000';
    for (;;) {
      const rows = await this.#sql<BalanceRow[]>`
        select account_id, sum(balance_nano)::text as balance_nano, sum(sequence)::text as sequence
        from ledger_balances join ledger_accounts on ledger_accounts.id = ledger_account_id
        where account_id > ${after} group by account_id order by account_id limit ${ACCOUNTS_PER_ROUND}`;
      const last = rows.at(-1);
      if (last === undefined) return;
      const pipeline = this.#link.client.pipeline();
      for (const row of rows) addPublication(pipeline, row, '', '0');
      await executePipeline(pipeline);
      after = last.account_id;
    }
  }

  /** Live data planes tell a restarted Redis their counters on connecting; a silent spool is waited for a bounded time. */
  async #awaitDeclarations(runId: string): Promise<void> {
    const startedMs = this.#clock.monotonicMs();
    const open = await this.#sql<{ id: string }[]>`select id from usage_spools where closed_at is null`;
    while (this.#clock.monotonicMs() - startedMs < DECLARATION_WAIT_MS) {
      const declared = new Set(await this.#link.client.smembers(redisKeys.quotaDeclared(runId)));
      if (open.every((spool) => declared.has(spool.id))) return;
      await delay(DECLARATION_POLL_MS);
    }
  }

  async #readBalances(accountIds: readonly string[]): Promise<Map<string, BalanceRow>> {
    const rows = await this.#sql<BalanceRow[]>`
      select account_id, sum(balance_nano)::text as balance_nano, sum(sequence)::text as sequence
      from ledger_balances join ledger_accounts on ledger_accounts.id = ledger_account_id
      where account_id = any(${[...accountIds]}::uuid[]) group by account_id`;
    return new Map(rows.map((row) => [row.account_id, row]));
  }
}

function addPublication(
  pipeline: ChainableCommander,
  row: BalanceRow,
  spool: string,
  settledNano: string,
): void {
  const commands = pipeline as ChainableCommander & PublishWallet;
  commands.publishWallet(
    redisKeys.wallet(row.account_id),
    row.sequence,
    row.balance_nano,
    spool,
    settledNano,
  );
}
