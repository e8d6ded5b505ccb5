import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Clock } from '#shared/clock.ts';
import type { RedisLink } from '#shared/redis-link.ts';
import { SPOOL_CLOSED_LINE } from '#shared/usage-record.ts';
import { EndedSpoolSpending } from './ended-spool-spending.ts';
import { forgetEndedSpool, reserveEndedSpool } from './reserve-ended-spool.ts';
import { UsageShipper } from './ship-usage.ts';
import { SpoolFiles } from './spool-files.ts';

const OWNER_FILE = 'owner';
const SPOOL_NAME = /^slot-(\d+)-/;
const LOOK_INTERVAL_MS = 2_000;
/** Further spools wait while those being shipped have so many records left: more would only fill Redis with what waits. */
const ENOUGH_RECORDS_SHIPPING = 40_000;
const SEGMENT_BYTES = 4 * 1024 * 1024;
const STAT_START_TIME_FIELD = 19;

/** Marks a spool directory as being written by this process. */
export function claimSpool(directory: string): void {
  writeFileSync(join(directory, OWNER_FILE), `${process.pid} ${processStartTime(process.pid)}`, {
    mode: 0o600,
  });
}

/** True while the process that claimed the directory lives; a recycled process id is told apart by its start time. */
function ownerLives(directory: string): boolean {
  const path = join(directory, OWNER_FILE);
  if (!existsSync(path)) return false;
  const [pidText, startTime = ''] = readFileSync(path, 'utf8').split(' ');
  const pid = Number(pidText);
  // Signal 0 to process 0 would ask about our own group: a half-written claim is nobody's.
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  return startTime === processStartTime(pid);
}

/** Start time in clock ticks from `/proc`; empty where there is no `/proc`, then the process id alone decides. */
function processStartTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[STAT_START_TIME_FIELD] ?? '';
  } catch {
    return '';
  }
}

export interface SpoolAdoptionOptions {
  readonly root: string;
  readonly slot: number;
  readonly slotCount: number;
  readonly link: RedisLink;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Adopted {
  readonly files: SpoolFiles;
  readonly spending: EndedSpoolSpending;
  readonly shipper: UsageShipper;
  isShipping: boolean;
}

/**
 * Ships the spools of dead processes of this slot (slot 0: also of slots that no longer exist) to the end, closes each with
 * a last line that frees what its process still held, and deletes it once Postgres has confirmed that line.
 */
export class SpoolAdoption {
  readonly #options: SpoolAdoptionOptions;
  readonly #adopted = new Map<string, Adopted>();
  readonly #declaring = new Set<string>();
  #lastDeclared: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isLooking = false;
  #closed = false;

  constructor(options: SpoolAdoptionOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.link.onConnected(() => this.#declareAll());
    this.#lookAround();
    this.#timer = setInterval(() => this.#lookAround(), LOOK_INTERVAL_MS);
  }

  /** Records of ended processes that Postgres has not committed yet. */
  get backlog(): number {
    let backlog = 0;
    for (const { shipper } of this.#adopted.values()) backlog += shipper.backlog;
    return backlog;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#looking;
    for (const { shipper, files } of this.#adopted.values()) {
      await shipper.close();
      files.close();
    }
  }

  #lookAround(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#looking = this.#look()
      .catch((error: unknown) => {
        this.#options.logger.error({ reason: String(error) }, 'Spools of ended processes cannot be adopted');
      })
      .finally(() => {
        this.#isLooking = false;
      });
  }

  /** Lets requests and the start of this process go on between two spools: reading a large one takes its time. */
  async #look(): Promise<void> {
    const { root } = this.#options;
    this.#removeSettled();
    // Redis may have been wiped without a new connection.
    this.#declareAll();
    // Names rise with time. What ended last holds the money of those who are asking now.
    for (const name of readdirSync(root).sort().reverse()) {
      if (!this.#isOurs(name) || this.#adopted.has(name) || ownerLives(join(root, name))) continue;
      await nextTurn();
      if (this.#closed) return;
      this.#adopt(name);
      this.#shipSome();
    }
    this.#shipSome();
  }

  #removeSettled(): void {
    for (const [name, { files, shipper }] of this.#adopted) {
      if (shipper.backlog > 0 || this.#declaring.has(name)) continue;
      this.#declaring.add(name);
      this.#remove(name, files, shipper)
        .catch((error: unknown) => {
          this.#options.logger.debug({ reason: String(error) }, 'Settled spool not removed, trying again');
        })
        .finally(() => this.#declaring.delete(name));
    }
  }

  /** In this order: as long as the directory is there, a successor lifts what is reserved for it. */
  async #remove(name: string, files: SpoolFiles, shipper: UsageShipper): Promise<void> {
    await forgetEndedSpool(this.#options.link, name);
    this.#adopted.delete(name);
    await shipper.close();
    files.remove();
    this.#options.logger.info({ spool: name }, 'Spool of an ended process is settled and removed');
  }

  #shipSome(): void {
    let records = 0;
    for (const adopted of this.#adopted.values()) {
      if (records >= ENOUGH_RECORDS_SHIPPING) return;
      records += adopted.shipper.backlog;
      if (adopted.isShipping) continue;
      adopted.isShipping = true;
      adopted.shipper.start();
    }
  }

  #declareAll(): void {
    for (const [name, { spending }] of this.#adopted) this.#declare(name, spending);
  }

  /**
   * An ended process is lent nothing any more: the publisher need only know what it has spent before it opens the balances.
   * One spool after the other, the newest first: together they would hold up requests, and the start of this process.
   */
  #declare(name: string, spending: EndedSpoolSpending): void {
    if (this.#declaring.has(name)) return;
    this.#declaring.add(name);
    this.#lastDeclared = this.#lastDeclared
      .then(() => {
        // It may have been settled while it waited for its turn.
        const isWaiting = (this.#adopted.get(name)?.shipper.backlog ?? 0) > 0;
        return this.#closed || !isWaiting ? undefined : reserveEndedSpool(this.#options.link, name, spending);
      })
      .catch((error: unknown) => {
        this.#options.logger.debug({ reason: String(error) }, 'Adopted spool not declared');
      })
      .finally(() => this.#declaring.delete(name));
  }

  #isOurs(name: string): boolean {
    const slot = Number(SPOOL_NAME.exec(name)?.[1] ?? Number.NaN);
    const { slot: own, slotCount } = this.#options;
    return slot === own || (own === 0 && slot >= slotCount);
  }

  #adopt(name: string): void {
    const { root, link, clock, logger } = this.#options;
    const directory = join(root, name);
    claimSpool(directory);
    const files = new SpoolFiles(directory, SEGMENT_BYTES);
    const [lastLine] = files.last >= files.first ? files.read(files.last, 1) : [];
    if (lastLine?.text !== SPOOL_CLOSED_LINE) files.append(Buffer.from(`${SPOOL_CLOSED_LINE}\n`), 1, false);
    files.close();
    const shipper = new UsageShipper(name, files, link, clock, logger);
    const spending = new EndedSpoolSpending(files);
    this.#adopted.set(name, { files, spending, shipper, isShipping: false });
    this.#declare(name, spending);
    logger.info({ spool: name, records: shipper.backlog }, 'Adopted the spool of an ended process');
  }
}
