import type { Logger } from 'pino';
import type { Clock } from '#shared/clock.ts';
import type { RedisLink } from '#shared/redis-link.ts';

/** Nothing but a recall waits longer than this for Redis. */
const DOUBT_MS = 100;
const PROBE_INTERVAL_MS = 50;
/** While figures are shut, this process's counters are declared again this often: Redis may be wiped twice. */
const DECLARE_INTERVAL_MS = 1_000;

/**
 * `quick`: ask. `doubtful`: a call has just taken too long; a probe decides within 100 ms. `away`: do not ask; it is frozen,
 * unreachable or its figures are being seeded.
 */
export type PulseState = 'quick' | 'doubtful' | 'away';

export interface PulseOptions {
  readonly link: RedisLink;
  /** An answer that takes longer is none. */
  readonly quickMs: number;
  /** Reads the quota-open marker. */
  readonly readMarker: () => Promise<string | null>;
  /** Tells Redis this process's counters; called when it answers but its figures are shut. */
  readonly declareAll: (runId: string) => Promise<void>;
  readonly onQuick: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Whether Redis may be asked. After one call that was too slow nothing is asked until a probe finds it quick and its balances
 * open: a slow Redis is worse than a dead one.
 */
export class RedisPulse {
  readonly #options: PulseOptions;
  #state: PulseState = 'away';
  #probing = false;
  #closed = false;
  #decided: Promise<void> = Promise.resolve();
  #decide: () => void = () => {};
  #doubtTimer: NodeJS.Timeout | undefined;

  constructor(options: PulseOptions) {
    this.#options = options;
    options.link.onConnected((runId) => {
      this.#state = 'away';
      options.declareAll(runId).then(
        () => this.#probeOn(),
        () => this.#probeOn(),
      );
    });
  }

  get state(): PulseState {
    return this.#options.link.runId() === undefined ? 'away' : this.#state;
  }

  /** Resolves once a doubtful Redis is known to be quick or away; at most 100 ms from the first doubt. */
  whenDecided(): Promise<void> {
    return this.#decided;
  }

  /** A call took too long. */
  doubt(): void {
    if (this.#state !== 'quick') return;
    this.#state = 'doubtful';
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#decided = promise;
    this.#decide = resolve;
    clearTimeout(this.#doubtTimer);
    this.#doubtTimer = setTimeout(() => this.#settle('away'), DOUBT_MS).unref();
    this.#probeOn();
  }

  /** Redis answers, but its figures are shut. */
  shut(): void {
    this.#state = 'away';
    this.#decide();
    this.#probeOn();
  }

  /** Looks whether figures are still open: a process that need not ask would not notice that Redis was wiped. */
  async check(): Promise<void> {
    const runId = this.#options.link.runId();
    if (runId === undefined || this.#state !== 'quick') return;
    const marker = await this.#options.readMarker().catch(() => runId);
    if (marker !== runId) this.shut();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#doubtTimer);
    this.#decide();
  }

  #settle(state: PulseState): void {
    if (this.#state === 'doubtful') this.#state = state;
    this.#decide();
  }

  #probeOn(): void {
    if (this.#probing) return;
    this.#probing = true;
    void this.#probe().finally(() => {
      this.#probing = false;
    });
  }

  /** Probes one at a time until Redis is quick; a frozen one is not flooded with probes. Ends when the link breaks. */
  async #probe(): Promise<void> {
    const { link, clock } = this.#options;
    let declaredAtMs = Number.NEGATIVE_INFINITY;
    for (;;) {
      const runId = link.runId();
      if (runId === undefined || this.#closed) return;
      const startedMs = clock.monotonicMs();
      const marker = await this.#options.readMarker().catch(() => undefined);
      const nowMs = clock.monotonicMs();
      if (marker === runId && this.#isQuickEnough(nowMs - startedMs)) return;
      if (marker !== undefined && marker !== runId) {
        this.#settle('away');
        // Redis was wiped under us: the publisher waits for our counters before it opens the balances.
        if (nowMs - declaredAtMs >= DECLARE_INTERVAL_MS) {
          declaredAtMs = nowMs;
          await this.#options.declareAll(runId).catch(() => undefined);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, PROBE_INTERVAL_MS).unref());
    }
  }

  #isQuickEnough(tookMs: number): boolean {
    if (tookMs > this.#options.quickMs && this.#state !== 'doubtful') return false;
    if (this.#state === 'away') this.#options.logger.debug('Redis is quick and its balances are open');
    this.#state = 'quick';
    this.#decide();
    this.#options.onQuick();
    return true;
  }
}
