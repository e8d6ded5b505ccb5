import { pino } from 'pino';
import { SpendingWatch } from '#control-plane/alerts/watch-spending.ts';
import { executorOf } from '#control-plane/ledger/sql-executor.ts';
import { insertUsageRows } from '#control-plane/usage/insert-usage-rows.ts';
import { parseUsageRecord } from '#control-plane/usage/parse-usage-record.ts';
import { startUsageWorkers } from '#control-plane/workers.ts';
import { type DatabaseClients, openDatabase } from '#db/client.ts';
import { systemClock } from '#shared/clock.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { openRedisLink, type RedisLink } from '#shared/redis-link.ts';
import {
  type BillableAccount,
  billedRecord,
  createBillableAccount,
  mintTestId,
} from '#test/setup/billing-fixtures.ts';

const BATCH_RECORDS = 500;
const BARE_BATCH_RECORDS = 5_000;
const POLL_MS = 20;
/** As many as the product's workers have. */
const WORKER_CONNECTIONS = 5;
const logger = pino({ level: 'warn' });

export interface BacklogOptions {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly accounts: number;
  readonly spools: number;
}

/** A database and a Redis with accounts, and the ingest that the workers of the product run. */
export class IngestBench {
  readonly #options: BacklogOptions;
  readonly #clients: DatabaseClients;
  readonly #link: RedisLink;
  readonly #accounts: BillableAccount[] = [];

  constructor(options: BacklogOptions) {
    this.#options = options;
    this.#clients = openDatabase(options.databaseUrl, {
      max: WORKER_CONNECTIONS,
      applicationName: 'ingest-bench',
    });
    this.#link = openRedisLink(options.redisUrl, 'ingest-bench', logger);
  }

  async prepare(): Promise<void> {
    while (this.#link.runId() === undefined) await pause();
    for (let index = 0; index < this.#options.accounts; index += 1)
      this.#accounts.push(await createBillableAccount(this.#clients.sql));
  }

  async close(): Promise<void> {
    this.#link.close();
    await this.#clients.close();
  }

  /** Ingests `records` that wait in the stream, as after an outage of the workers; returns rows per second. */
  async ingest(records: number): Promise<number> {
    const spools = Array.from({ length: this.#options.spools }, () => `slot-0-${mintTestId()}`);
    const perSpool = Math.ceil(records / spools.length);
    for (let from = 1; from <= perSpool; from += BATCH_RECORDS)
      for (const spool of spools) {
        const lines = this.#lines(Math.min(BATCH_RECORDS, perSpool - from + 1));
        const batch = [
          'spool',
          spool,
          'from',
          from,
          'to',
          from + lines.length - 1,
          'lines',
          lines.join('\n'),
        ];
        await this.#link.client.xadd(redisKeys.usageStream, '*', ...batch);
      }
    const startedMs = systemClock.monotonicMs();
    const watch = new SpendingWatch({
      ...this.#clients,
      redis: this.#link.client,
      clock: systemClock,
      logger,
    });
    const workers = startUsageWorkers({
      clients: this.#clients,
      redisUrl: this.#options.redisUrl,
      logger,
      clock: systemClock,
      watch,
    });
    while ((await this.#ingested(spools)) < perSpool * spools.length) await pause();
    const elapsedMs = systemClock.monotonicMs() - startedMs;
    await workers.close();
    await watch.close();
    return (perSpool * spools.length * 1_000) / elapsedMs;
  }

  /** Inserts rows and nothing else, from records already read and kept in memory; returns rows per second. */
  async insertBare(records: number): Promise<number> {
    const spool = `bare-${mintTestId()}`;
    const batches: { record: ReturnType<typeof parseUsageRecord>; settlementId: null }[][] = [];
    for (let done = 0; done < records; done += BARE_BATCH_RECORDS)
      batches.push(
        this.#lines(Math.min(BARE_BATCH_RECORDS, records - done)).map((line) => ({
          record: parseUsageRecord(line),
          settlementId: null,
        })),
      );
    const startedMs = systemClock.monotonicMs();
    for (const batch of batches)
      await this.#clients.sql.begin((tx) => insertUsageRows(executorOf(tx), spool, batch));
    return (records * 1_000) / (systemClock.monotonicMs() - startedMs);
  }

  #lines(count: number): string[] {
    return Array.from({ length: count }, (_, index) => {
      const account = this.#accounts[(index * 7) % this.#accounts.length];
      if (account === undefined) throw new Error('The bench has no accounts');
      return JSON.stringify(billedRecord(account, { input: 1_000 + index, output: 10 + (index % 90) }));
    });
  }

  async #ingested(spools: readonly string[]): Promise<number> {
    const confirmed = await this.#link.client.hmget(redisKeys.usageConfirmed, ...spools);
    return confirmed.reduce((sum, text) => sum + Number(text ?? 0), 0);
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
