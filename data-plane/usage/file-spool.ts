import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Clock } from '#shared/clock.ts';
import { createIdMinter } from '#shared/identifiers.ts';
import { openRedisLink, type RedisLink } from '#shared/redis-link.ts';
import type { UsageRecord } from '#shared/usage-record.ts';
import { claimSpool, SpoolAdoption } from './adopt-spools.ts';
import { BacklogAge } from './backlog-age.ts';
import { encodeRecord } from './encode-record.ts';
import { QueuedLines } from './queued-lines.ts';
import { RequestCounts } from './request-counts.ts';
import { UsageShipper } from './ship-usage.ts';
import { SpoolFiles } from './spool-files.ts';
import type { UsageSpool } from './usage-spool.ts';

export interface FileSpoolOptions {
  readonly redisUrl: string;
  /** State folder; spools live in `spool/` below it. */
  readonly home: string;
  /** Which supervisor slot this process fills; slot 0 also adopts the spools of slots that no longer exist. */
  readonly slot: number;
  readonly slotCount: number;
  /** Unconfirmed bytes above which new requests are refused. */
  readonly capacityBytes: number;
  /** `fdatasync` each write: survives power loss, costs a disk flush per tick. */
  readonly durable: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface FileSpool extends UsageSpool {
  /** Names this run of this process in usage batches and quota counters. */
  readonly id: string;
  /** Queues a line that is no usage record, as `append` does with records. */
  appendLine(line: string, onSpooled: () => void): void;
  /** Records not yet committed by Postgres. */
  readonly backlog: number;
  /** How long the oldest of them has waited, ms; 0 when there is none. */
  readonly backlogAgeMs: number;
  /** Records not yet committed, of this process and of those whose spools it has adopted. */
  readonly adoptedBacklog: number;
  /** On disk, this process's own. */
  readonly bytes: number;
  readonly counts: RequestCounts;
  /** Writes what is queued, ships for at most `deadlineMs`, and lets go of the directory. */
  close(deadlineMs: number): Promise<void>;
}

const SEGMENT_BYTES = 4 * 1024 * 1024;
const RETRY_WRITE_MS = 1_000;

/** Opens a new spool for this process and starts shipping it, and those that earlier processes of its slot left behind. */
export function openFileSpool(options: FileSpoolOptions): FileSpool {
  return new SlotSpool(options);
}

class SlotSpool implements FileSpool {
  readonly id: string;
  readonly #options: FileSpoolOptions;
  readonly #files: SpoolFiles;
  readonly #link: RedisLink;
  readonly #shipper: UsageShipper;
  readonly #adoption: SpoolAdoption;
  readonly #queued = new QueuedLines();
  #queuedCallbacks: (() => void)[] = [];
  #flushScheduled: NodeJS.Immediate | undefined;
  /** Lines that the disk would not take; new requests are refused until it does. */
  readonly #unwritten = new QueuedLines();
  #retryTimer: NodeJS.Timeout | undefined;
  readonly #age = new BacklogAge();
  readonly counts = new RequestCounts();

  constructor(options: FileSpoolOptions) {
    this.#options = options;
    const { clock, logger, home, slot, slotCount } = options;
    const root = join(home, 'spool');
    this.id = `slot-${slot}-${createIdMinter(clock)()}`;
    const directory = join(root, this.id);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    claimSpool(directory);
    this.#files = new SpoolFiles(directory, SEGMENT_BYTES);
    this.#link = openRedisLink(options.redisUrl, 'usage', logger);
    this.#shipper = new UsageShipper(this.id, this.#files, this.#link, clock, logger);
    this.#adoption = new SpoolAdoption({ root, slot, slotCount, link: this.#link, clock, logger });
    this.#shipper.start();
    this.#adoption.start();
  }

  get accepting(): boolean {
    return this.#unwritten.count === 0 && this.#files.bytes < this.#options.capacityBytes;
  }

  get backlog(): number {
    return this.#shipper.backlog;
  }

  get backlogAgeMs(): number {
    return this.#age.ageMs(this.#shipper.confirmed, this.#files.last, this.#options.clock.monotonicMs());
  }

  get adoptedBacklog(): number {
    return this.#adoption.backlog;
  }

  get bytes(): number {
    return this.#files.bytes;
  }

  append(record: UsageRecord, onSpooled: () => void): void {
    this.counts.add(record);
    this.appendLine(encodeRecord(record), onSpooled);
  }

  appendLine(line: string, onSpooled: () => void): void {
    this.#queued.add(line);
    this.#queuedCallbacks.push(onSpooled);
    this.#flushScheduled ??= setImmediate(this.#flush);
  }

  async close(deadlineMs: number): Promise<void> {
    if (this.#flushScheduled !== undefined) this.#flush();
    clearInterval(this.#retryTimer);
    this.#retryUnwritten();
    await Promise.all([this.#shipper.drain(deadlineMs), this.#adoption.close()]);
    this.#files.close();
    this.#link.close();
  }

  readonly #flush = (): void => {
    if (this.#flushScheduled !== undefined) clearImmediate(this.#flushScheduled);
    this.#flushScheduled = undefined;
    const callbacks = this.#queuedCallbacks;
    this.#queuedCallbacks = [];
    if (this.#unwritten.count > 0) this.#unwritten.addAll(this.#queued);
    else if (this.#queued.count > 0) this.#write();
    this.#queued.clear();
    for (const callback of callbacks) callback();
  };

  #write(): void {
    try {
      this.#writeOut(this.#queued);
    } catch (error) {
      this.#hold(error);
    }
  }

  /** Throws what the file system throws. */
  #writeOut(lines: QueuedLines): void {
    const first = this.#files.last + 1;
    const bytes = lines.view();
    this.#files.append(bytes, lines.count, this.#options.durable);
    this.#age.added(first, this.#options.clock.monotonicMs());
    this.#shipper.remember(first, bytes, lines.count);
  }

  /** A full disk is no reason to lose what requests under way have cost: it is written as soon as there is room again. */
  #hold(error: unknown): void {
    this.#unwritten.addAll(this.#queued);
    this.#options.logger.fatal(
      { reason: String(error), records: this.#unwritten.count },
      'The usage spool cannot be written: new requests are refused until it can',
    );
    this.#retryTimer ??= setInterval(() => this.#retryUnwritten(), RETRY_WRITE_MS);
  }

  #retryUnwritten(): void {
    const records = this.#unwritten.count;
    if (records === 0) return;
    try {
      this.#writeOut(this.#unwritten);
    } catch {
      // It was reported when it began.
      return;
    }
    this.#unwritten.clear();
    clearInterval(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#options.logger.info({ records }, 'The usage spool can be written again');
  }
}
