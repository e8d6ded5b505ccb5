import type { Logger } from 'pino';
import type { Clock } from '#shared/clock.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import type { RedisLink } from '#shared/redis-link.ts';
import { type LineRun, RecentLines } from './recent-lines.ts';
import type { SpoolFiles } from './spool-files.ts';

const BATCH_LINES = 500;
/** How far shipping may run ahead of what Postgres has committed. */
const WINDOW_LINES = 20_000;
const BUSY_INTERVAL_MS = 25;
const IDLE_INTERVAL_MS = 250;
/** After so long without progress what was shipped counts as lost and goes out again; the ingest skips repeats. */
const RESHIP_AFTER_MS = 10_000;

/**
 * Ships one spool to the usage stream and trims it up to what Postgres has committed: the acknowledgement is end to end,
 * so Redis may lose anything at any time. Nothing waits for it.
 */
export class UsageShipper {
  readonly #spoolId: string;
  readonly #files: SpoolFiles;
  readonly #link: RedisLink;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #recent = new RecentLines();
  #confirmed: number;
  #shipped: number;
  #progressAtMs: number;
  #runId: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(spoolId: string, files: SpoolFiles, link: RedisLink, clock: Clock, logger: Logger) {
    this.#spoolId = spoolId;
    this.#files = files;
    this.#link = link;
    this.#clock = clock;
    this.#logger = logger;
    this.#confirmed = files.first - 1;
    this.#shipped = this.#confirmed;
    this.#progressAtMs = clock.monotonicMs();
  }

  get confirmed(): number {
    return this.#confirmed;
  }

  /** Lines that Postgres has not committed yet. */
  get backlog(): number {
    return this.#files.last - this.#confirmed;
  }

  start(): void {
    this.#schedule(0);
  }

  /** Tells the shipper of lines just appended, so that they need not be read back. */
  remember(first: number, lines: Buffer, count: number): void {
    this.#recent.add(first, lines, count);
  }

  /** Ships until everything is confirmed or `deadlineMs` is over, then stops. What is left is shipped by the next start. */
  async drain(deadlineMs: number): Promise<void> {
    const startedMs = this.#clock.monotonicMs();
    while (this.backlog > 0 && this.#clock.monotonicMs() - startedMs < deadlineMs) {
      await this.#round();
      if (this.backlog > 0) await new Promise((resolve) => setTimeout(resolve, BUSY_INTERVAL_MS));
    }
    await this.close();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #schedule(delayMs: number): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      void this.#round().then(() => this.#schedule(this.backlog > 0 ? BUSY_INTERVAL_MS : IDLE_INTERVAL_MS));
    }, delayMs);
  }

  /** One round of shipping and confirming; concurrent callers share it. Never rejects. */
  #round(): Promise<void> {
    this.#running ??= this.#shipAndConfirm()
      .catch((error: unknown) => {
        // Redis broke off: what it has of the last batches is unknown, so all that is unconfirmed goes out again.
        this.#shipped = this.#confirmed;
        this.#logger.debug({ reason: String(error) }, 'Usage not shipped, trying again');
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  async #shipAndConfirm(): Promise<void> {
    const runId = this.#link.runId();
    if (runId === undefined || this.backlog === 0) return;
    const stalled = this.#clock.monotonicMs() - this.#progressAtMs > RESHIP_AFTER_MS;
    if (runId !== this.#runId || (stalled && this.#shipped > this.#confirmed)) {
      this.#runId = runId;
      this.#shipped = this.#confirmed;
      this.#progressAtMs = this.#clock.monotonicMs();
    }
    await this.#readConfirmation();
    while (
      !this.#closed &&
      this.#shipped < this.#files.last &&
      this.#shipped - this.#confirmed < WINDOW_LINES
    ) {
      const batch = this.#nextBatch();
      if (batch === undefined) return;
      await this.#link.client.xadd(
        redisKeys.usageStream,
        '*',
        'spool',
        this.#spoolId,
        'from',
        batch.first,
        'to',
        batch.last,
        'lines',
        batch.text,
      );
      this.#shipped = batch.last;
    }
  }

  async #readConfirmation(): Promise<void> {
    const { client } = this.#link;
    const [text, streamExists] = await Promise.all([
      client.hget(redisKeys.usageConfirmed, this.#spoolId),
      client.exists(redisKeys.usageStream),
    ]);
    // The stream is never deleted, only emptied: without it Redis was wiped, and what it carried with it.
    if (streamExists === 0) this.#shipped = this.#confirmed;
    const confirmed = Number(text ?? 0);
    if (confirmed <= this.#confirmed) return;
    this.#confirmed = Math.min(confirmed, this.#files.last);
    this.#shipped = Math.max(this.#shipped, this.#confirmed);
    this.#progressAtMs = this.#clock.monotonicMs();
    this.#recent.dropThrough(this.#confirmed);
    this.#files.trim(this.#confirmed);
  }

  #nextBatch(): LineRun | undefined {
    const from = this.#shipped + 1;
    const recent = this.#recent.take(from);
    if (recent !== undefined) return recent;
    const lines = this.#files.read(from, BATCH_LINES);
    const last = lines.at(-1);
    if (last === undefined) return undefined;
    const text = Buffer.from(lines.map((line) => line.text).join('\n'));
    return { first: from, last: last.sequence, text };
  }
}
