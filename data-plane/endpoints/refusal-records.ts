import type { UsageSpool } from '#data-plane/usage/usage-spool.ts';
import type { Clock } from '#shared/clock.ts';
import type { UsageRecord } from '#shared/usage-record.ts';

/** Refusals of one key with one code that get a record each, per second; the rest of that second share one. */
const LISTED_PER_SECOND = 10;
const SWEEP_MS = 1_000;

interface Tally {
  readonly second: number;
  listed: number;
  /** The first refusal that was only counted, and how many there were. */
  sample: UsageRecord | undefined;
  counted: number;
}

/** Records refusals of known keys, without letting a client in a tight loop fill the disk. */
export class RefusalRecords {
  readonly #spool: UsageSpool;
  readonly #clock: Clock;
  readonly #tallies = new Map<string, Tally>();
  #timer: NodeJS.Timeout | undefined;

  constructor(spool: UsageSpool, clock: Clock) {
    this.#spool = spool;
    this.#clock = clock;
  }

  /** Records one refusal; `onRecorded` runs once its answer may leave. */
  add(record: UsageRecord, onRecorded: () => void): void {
    const second = Math.floor(this.#clock.nowMs() / SWEEP_MS);
    const name = `${record.apiKeyId}:${record.errorCode}`;
    let tally = this.#tallies.get(name);
    if (tally === undefined || tally.second !== second) {
      if (tally !== undefined) this.#flush(tally);
      tally = { second, listed: 0, sample: undefined, counted: 0 };
      this.#tallies.set(name, tally);
      this.#timer ??= setInterval(() => this.sweep(), SWEEP_MS).unref();
    }
    if (tally.listed < LISTED_PER_SECOND) {
      tally.listed += 1;
      this.#spool.append(record, onRecorded);
      return;
    }
    tally.sample ??= record;
    tally.counted += 1;
    onRecorded();
  }

  /** Writes the counters of past seconds. */
  sweep(): void {
    const second = Math.floor(this.#clock.nowMs() / SWEEP_MS);
    for (const [name, tally] of this.#tallies) {
      if (tally.second === second) continue;
      this.#flush(tally);
      this.#tallies.delete(name);
    }
  }

  /** Writes all counters; for shutdown. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const tally of this.#tallies.values()) this.#flush(tally);
    this.#tallies.clear();
  }

  #flush(tally: Tally): void {
    if (tally.sample === undefined) return;
    this.#spool.append({ ...tally.sample, count: tally.counted }, () => {});
  }
}
