import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { DatabaseClients } from '#db/client.ts';
import type { Clock } from '#shared/clock.ts';
import { redisKeys, USAGE_CONSUMER_GROUP } from '#shared/redis-keys.ts';
import { executePipeline, type RedisLink } from '#shared/redis-link.ts';
import type { UsageBatch } from '#shared/usage-record.ts';
import type { WalletPublisher } from '../ledger/publish-wallets.ts';
import { type IngestOutcome, ingestUsage } from './ingest-usage.ts';
import { PoisonRecord } from './parse-usage-record.ts';
import type { UsageTotalsPublisher } from './publish-usage-totals.ts';

export interface UsageConsumerOptions {
  readonly clients: DatabaseClients;
  /** For acknowledging and publishing. */
  readonly link: RedisLink;
  /** For blocking reads. */
  readonly readingLink: RedisLink;
  readonly wallets: WalletPublisher;
  readonly totals: UsageTotalsPublisher;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Name of this worker in the consumer group, the same after a restart. */
  readonly consumer: string;
}

interface StreamEntry {
  readonly id: string;
  readonly batch: UsageBatch;
}

const READ_COUNT = 20;
const READ_BLOCK_MS = 500;
const RETRY_MS = 100;
/** Batches that wait for an earlier one, and batches of a worker that died, are offered again this often. */
const REVISIT_INTERVAL_MS = 250;
const TAKE_OVER_IDLE_MS = 10_000;
const CONFIRMATIONS_KEPT = 1_000;
const ZERO_ID = '0-0';

/**
 * Reads the usage stream, books each batch and acknowledges it after the commit. An entry stays in Redis until then, and in
 * its spool until the data plane has seen the confirmation.
 */
export class UsageConsumer {
  readonly #options: UsageConsumerOptions;
  readonly #waiting = new Map<string, StreamEntry>();
  #groupRunId: string | undefined;
  #revisitAtMs = 0;
  #closed = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: UsageConsumerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const { readingLink, logger } = this.#options;
    while (!this.#closed) {
      const runId = readingLink.runId();
      if (runId === undefined || this.#options.link.runId() !== runId) {
        await delay(RETRY_MS);
        continue;
      }
      try {
        if (runId !== this.#groupRunId) await this.#joinGroup(runId);
        await this.#revisit();
        for (const entry of await this.#readNew()) await this.#book(entry);
      } catch (error) {
        if (this.#closed) return;
        // Also a wiped Redis: its consumer group is made anew before the next read.
        this.#groupRunId = undefined;
        logger.warn({ reason: String(error) }, 'Usage ingest interrupted, trying again');
        await delay(RETRY_MS);
      }
    }
  }

  /** Makes the group if needed, tells data planes how far Postgres is, and takes up what this consumer left unfinished. */
  async #joinGroup(runId: string): Promise<void> {
    const { client } = this.#options.link;
    try {
      await client.xgroup('CREATE', redisKeys.usageStream, USAGE_CONSUMER_GROUP, ZERO_ID, 'MKSTREAM');
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('BUSYGROUP'))) throw error;
    }
    const spools = await this.#options.clients.sql<{ id: string; high_water: string }[]>`
      select id, high_water::text from usage_spools
      order by closed_at desc nulls first limit ${CONFIRMATIONS_KEPT}`;
    const pipeline = client.pipeline();
    for (const spool of spools) pipeline.hset(redisKeys.usageConfirmed, spool.id, spool.high_water);
    await executePipeline(pipeline);
    this.#waiting.clear();
    const unfinished = await this.#read(ZERO_ID);
    for (const entry of unfinished) this.#waiting.set(entry.id, entry);
    this.#revisitAtMs = 0;
    this.#groupRunId = runId;
  }

  #readNew(): Promise<StreamEntry[]> {
    return this.#read('>');
  }

  async #read(after: string): Promise<StreamEntry[]> {
    const found = (await this.#options.readingLink.client.xreadgroup(
      'GROUP',
      USAGE_CONSUMER_GROUP,
      this.#options.consumer,
      'COUNT',
      after === '>' ? READ_COUNT : Number.MAX_SAFE_INTEGER,
      'BLOCK',
      READ_BLOCK_MS,
      'STREAMS',
      redisKeys.usageStream,
      after,
    )) as [string, [string, string[]][]][] | null;
    return (found ?? []).flatMap(([, entries]) => entries.map(([id, fields]) => readEntry(id, fields ?? [])));
  }

  /** Offers waiting batches again, and takes over those of a worker that has not finished them for long. */
  async #revisit(): Promise<void> {
    const { clock, link, consumer } = this.#options;
    if (clock.monotonicMs() < this.#revisitAtMs) return;
    this.#revisitAtMs = clock.monotonicMs() + REVISIT_INTERVAL_MS;
    const [, claimed] = (await link.client.xautoclaim(
      redisKeys.usageStream,
      USAGE_CONSUMER_GROUP,
      consumer,
      TAKE_OVER_IDLE_MS,
      ZERO_ID,
      'COUNT',
      READ_COUNT,
    )) as [string, [string, string[] | null][]];
    for (const [id, fields] of claimed) this.#waiting.set(id, readEntry(id, fields ?? []));
    const byPlace = [...this.#waiting.values()].sort(
      (left, right) => left.batch.from - right.batch.from || (left.batch.spool < right.batch.spool ? -1 : 1),
    );
    for (const entry of byPlace) await this.#book(entry);
  }

  async #book(entry: StreamEntry): Promise<void> {
    const { clients, logger } = this.#options;
    let outcome: IngestOutcome;
    try {
      outcome = await ingestUsage(clients.database, entry.batch);
    } catch (error) {
      if (!(error instanceof PoisonRecord)) throw error;
      // Not one of our batches at all; the spool still has the real records and sends them again.
      logger.error(
        { entry: entry.id, reason: error.message },
        'Malformed usage batch dropped from the stream',
      );
      await this.#acknowledge(entry, undefined);
      return;
    }
    if (outcome.gap) {
      this.#waiting.set(entry.id, entry);
      return;
    }
    if (outcome.quarantined > 0)
      logger.error({ spool: entry.batch.spool, records: outcome.quarantined }, 'Usage records quarantined');
    for (const { accountId } of outcome.settled) this.#options.totals.markChanged(accountId);
    await this.#options.wallets.publishSettled(outcome.settled, outcome.budgets);
    if (outcome.closed) await this.#forgetSpool(entry.batch.spool);
    await this.#acknowledge(entry, outcome.highWater);
  }

  async #acknowledge(entry: StreamEntry, highWater: number | undefined): Promise<void> {
    const pipeline = this.#options.link.client.pipeline();
    if (highWater !== undefined) pipeline.hset(redisKeys.usageConfirmed, entry.batch.spool, highWater);
    pipeline.xack(redisKeys.usageStream, USAGE_CONSUMER_GROUP, entry.id);
    pipeline.xdel(redisKeys.usageStream, entry.id);
    await executePipeline(pipeline);
    this.#waiting.delete(entry.id);
  }

  async #forgetSpool(spool: string): Promise<void> {
    const { client } = this.#options.link;
    const wallets = await client.smembers(redisKeys.spoolWallets(spool));
    const keys = [redisKeys.spoolWallets(spool), ...wallets.map((wallet) => redisKeys.wallet(wallet))];
    await client.eval(CLOSE_SPOOL_SCRIPT, keys.length, ...keys, spool);
  }
}

const CLOSE_SPOOL_SCRIPT = readFileSync(new URL('./close-spool.lua', import.meta.url), 'utf8');

function readEntry(id: string, fields: readonly string[]): StreamEntry {
  const field = (name: string): string => {
    const index = fields.indexOf(name);
    return index === -1 ? '' : (fields[index + 1] ?? '');
  };
  return {
    id,
    batch: {
      spool: field('spool'),
      from: Number(field('from')),
      to: Number(field('to')),
      lines: field('lines'),
    },
  };
}
