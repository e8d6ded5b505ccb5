import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { DatabaseClients } from '#db/client.ts';
import type { Clock } from '#shared/clock.ts';
import { redisKeys, USAGE_CONSUMER_GROUP } from '#shared/redis-keys.ts';
import { executePipeline, type RedisLink } from '#shared/redis-link.ts';
import type { UsageBatch } from '#shared/usage-record.ts';
import type { SpendingWatch } from '../alerts/watch-spending.ts';
import type { WalletPublisher } from '../ledger/publish-wallets.ts';
import { UsageExaminer } from './examine-usage.ts';
import { forgetSpool } from './forget-spool.ts';
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
  /** Told after each commit. */
  readonly watch?: Pick<SpendingWatch, 'noteBooked'> | undefined;
  /** Name of this worker in the consumer group, the same after a restart. */
  readonly consumer: string;
}

export interface StreamEntry {
  readonly id: string;
  readonly batch: UsageBatch;
}

/** Neighbouring batches of one spool, to be booked as one. */
interface Run {
  readonly entries: StreamEntry[];
  readonly spool: string;
  readonly from: number;
  to: number;
}

/** Batches taken from the stream at once; they come to at most 20,000 records, some 15 MB. */
const READ_COUNT = 40;
/** Neighbouring batches of a spool are booked together, up to so many records in one transaction. */
const MAX_RUN_RECORDS = 10_000;
/** Spools wait for nobody but themselves: while Postgres works for one, the records of another are read. */
const SPOOLS_AT_A_TIME = 2;
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
  readonly #examiner = new UsageExaminer();
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
        await this.#bookAll(await this.#readNew());
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
    await this.#bookAll([...this.#waiting.values()]);
  }

  async #bookAll(entries: readonly StreamEntry[]): Promise<void> {
    const spools = [...Map.groupBy(runsOf(entries), (run) => run.spool).values()];
    const takeSpools = async (): Promise<void> => {
      for (let runs = spools.pop(); runs !== undefined; runs = spools.pop())
        for (const run of runs) await this.#book(run);
    };
    const ends = await Promise.allSettled(Array.from({ length: SPOOLS_AT_A_TIME }, takeSpools));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  async #book(run: Run): Promise<void> {
    const { clients, logger } = this.#options;
    const { spool, from, to, entries } = run;
    const lines = entries.map(({ batch }) => batch.lines).join('\n');
    let outcome: IngestOutcome;
    try {
      outcome = await ingestUsage(clients.sql, { spool, from, to, lines }, this.#examiner);
    } catch (error) {
      if (!(error instanceof PoisonRecord)) throw error;
      await this.#dropMalformed(run, error);
      return;
    }
    if (outcome.gap) {
      for (const entry of entries) this.#waiting.set(entry.id, entry);
      return;
    }
    if (outcome.quarantined > 0)
      logger.error({ spool, records: outcome.quarantined }, 'Usage records quarantined');
    for (const { accountId } of outcome.settled) this.#options.totals.markChanged(accountId);
    const wallets = outcome.budgets.map((budget) => budget.wallet);
    const { accountIds, refusedKeyIds } = outcome;
    this.#options.watch?.noteBooked({ accountIds, wallets, refusedKeyIds });
    await this.#options.wallets.publishSettled(outcome.settled, outcome.budgets);
    if (outcome.closed) await forgetSpool(this.#options.link.client, spool);
    await this.#acknowledge(run, outcome.highWater);
  }

  /** Not a batch of ours at all; the spool still has the real records and sends them again. */
  async #dropMalformed(run: Run, { message: reason }: PoisonRecord): Promise<void> {
    const entries = run.entries.map(({ id }) => id);
    this.#options.logger.error({ entries, reason }, 'Malformed usage batch dropped from the stream');
    await this.#acknowledge(run, undefined);
  }

  async #acknowledge({ spool, entries }: Run, highWater: number | undefined): Promise<void> {
    const pipeline = this.#options.link.client.pipeline();
    if (highWater !== undefined) pipeline.hset(redisKeys.usageConfirmed, spool, highWater);
    const ids = entries.map(({ id }) => id);
    pipeline.xack(redisKeys.usageStream, USAGE_CONSUMER_GROUP, ...ids);
    pipeline.xdel(redisKeys.usageStream, ...ids);
    await executePipeline(pipeline);
    for (const id of ids) this.#waiting.delete(id);
  }
}

function runOf(entry: StreamEntry): Run {
  const { spool, from, to } = entry.batch;
  return { entries: [entry], spool, from, to };
}

/** Orders batches by their place in their spool and puts neighbours together. Overlapping batches stay apart. */
function runsOf(entries: readonly StreamEntry[]): Run[] {
  const runs: Run[] = [];
  for (const [, batches] of Map.groupBy(entries, ({ batch }) => batch.spool)) {
    batches.sort((left, right) => left.batch.from - right.batch.from);
    let run: Run | undefined;
    for (const entry of batches) {
      const { from, to } = entry.batch;
      if (run !== undefined && from === run.to + 1 && to - run.from < MAX_RUN_RECORDS && isWhole(entry)) {
        run.entries.push(entry);
        run.to = to;
      } else {
        const started = runOf(entry);
        runs.push(started);
        // A malformed batch travels alone, so that it takes no other with it.
        run = isWhole(entry) ? started : undefined;
      }
    }
  }
  return runs;
}

/** Whether a batch has as many lines as it says. */
function isWhole({ batch }: StreamEntry): boolean {
  let lines = 1;
  for (let at = batch.lines.indexOf('\n'); at !== -1; at = batch.lines.indexOf('\n', at + 1)) lines += 1;
  return lines === batch.to - batch.from + 1;
}

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
