import type { CompiledKey } from '#data-plane/snapshot/compiled-snapshot.ts';
import { type BudgetPeriod, budgetPeriodAt, budgetWallet } from '#shared/budget-period.ts';
import type { SnapshotKey } from '#shared/snapshot.ts';
import type { RateStanding } from './quotas.ts';
import { RateSlice } from './rate-slice.ts';
import { RateWindow } from './rate-window.ts';
import type { WalletSlice } from './wallet-slice.ts';

/** Keys below this are asked for one by one: Redis can bear it, and slices would only blur their limits. */
const SLICED_REQUESTS_PER_SECOND = 10;
const SECONDS_PER_MINUTE = 60;
const NEWEST_WEIGHT = 0.3;
const MS_PER_SECOND = 1_000;
const RENEWAL_INTERVAL_MS = 100;
/** How long a request counts against the limits per minute. */
const WINDOW_MS = 61_000;
/** A slice of requests and tokens is asked for with this much room over the observed rate. */
const RATE_HEADROOM = 1.3;
/** The wallet of a past budget period is of no use to anybody after this. */
const BUDGET_KEPT_SECONDS = 2 * 86_400;

/** What a request asks of the quotas, in the terms of its key's limits. */
export interface AdmittedSize {
  readonly nano: bigint;
  readonly leastNano: bigint | undefined;
  readonly tokens: number;
  readonly rpmLimit: number;
  readonly tpmLimit: number;
}

export type WalletKind = 'balance' | 'budget' | 'inFlight' | 'unstated';

/** One wallet that requests of a key take from. */
export interface WalletUse {
  readonly kind: WalletKind;
  readonly slice: WalletSlice;
  /** What may be lent in all where no balance says so; '' for an account's balance. */
  readonly limit: string;
  /** Of a budget, the label of its period. */
  readonly budgetLabel?: string;
  /** How long Redis keeps the wallet, seconds from now; 0: for ever. */
  keepSeconds(nowMs: number): number;
}

/** False for wallets of requests in flight. */
export function isMoney(kind: WalletKind): boolean {
  return kind === 'balance' || kind === 'budget';
}

/** How much a request takes from a wallet of that kind. */
export function needOf(kind: WalletKind, nano: bigint): bigint {
  return isMoney(kind) ? nano : 1n;
}

const forEver = () => 0;

/** What this process knows of one key's limits: its wallets, its slice of the rates and how busy it is. */
export class KeyQuota {
  readonly id: string;
  readonly accountId: string;
  readonly rate = new RateSlice();
  /** The limits inside this process, for while Redis is away. */
  readonly window = new RateWindow();
  /** True while the key is busy enough to be lent slices. */
  isSliced = false;
  /** A call that asks for slices is under way. */
  renewing = false;
  /** Observed by the ticks of the quotas. */
  isActive = false;
  /** The wallets of the current configuration and budget period. */
  uses: readonly WalletUse[] = [];
  /** Taken only by requests that hold less than their worst case. */
  #unstated: WalletUse | undefined;
  #budgetPeriod: BudgetPeriod | undefined;
  #config: SnapshotKey | undefined;
  #requestsPerSecond = 0;
  #requestsInInterval = 0;
  #tokensInInterval = 0;
  #tokensPerRequest = 0;
  #renewsFromMs = 0;
  readonly #sliceOf: (name: string, kind: WalletKind) => WalletSlice;

  constructor({ config }: CompiledKey, sliceOf: (name: string, kind: WalletKind) => WalletSlice) {
    this.id = config.id;
    this.accountId = config.accountId;
    this.#sliceOf = sliceOf;
  }

  /** True when nothing was asked for a while. */
  get atRest(): boolean {
    if (this.#requestsPerSecond > 0 || this.rate.hasCorrections || this.renewing) return false;
    for (const { slice } of this.allUses()) if (!slice.atRest) return false;
    return true;
  }

  /**
   * Brings the wallets up to date with the key's configuration and the Unix time. Returns the name of a budget's wallet that
   * is no longer taken from.
   */
  refresh({ config }: CompiledKey, nowMs: number): string | undefined {
    const endsAtMs = this.#budgetPeriod?.endsAtMs ?? Number.POSITIVE_INFINITY;
    if (config === this.#config && nowMs < endsAtMs) return undefined;
    const formerBudget = this.uses.find(({ kind }) => kind === 'budget')?.slice.name;
    this.#config = config;
    const balance = this.#sliceOf(config.accountId, 'balance');
    const uses: WalletUse[] = [{ kind: 'balance', slice: balance, limit: '', keepSeconds: forEver }];
    const { budget, concurrencyLimit } = config;
    this.#budgetPeriod = budget === undefined ? undefined : budgetPeriodAt(budget.period, nowMs);
    if (budget !== undefined && this.#budgetPeriod !== undefined)
      uses.push(this.#budgetUse(budget.limitNano, this.#budgetPeriod));
    if (concurrencyLimit !== undefined) {
      const slice = this.#sliceOf(`key:${config.id}:inflight`, 'inFlight');
      uses.push({ kind: 'inFlight', slice, limit: String(concurrencyLimit), keepSeconds: forEver });
    }
    this.uses = uses;
    return uses.some(({ slice }) => slice.name === formerBudget) ? undefined : formerBudget;
  }

  /** Every wallet that requests of this key may hold something from. */
  *allUses(): Generator<WalletUse> {
    yield* this.uses;
    if (this.#unstated !== undefined) yield this.#unstated;
  }

  /** The wallet of the account's one request that may cost more than it holds. */
  unstatedUse(): WalletUse {
    this.#unstated ??= {
      kind: 'unstated',
      slice: this.#sliceOf(`${this.accountId}:unstated`, 'unstated'),
      limit: '1',
      keepSeconds: forEver,
    };
    return this.#unstated;
  }

  #budgetUse(limit: string, { label, endsAtMs }: BudgetPeriod): WalletUse {
    const slice = this.#sliceOf(budgetWallet(this.id, label), 'budget');
    const keepSeconds = (nowMs: number): number =>
      endsAtMs === Number.POSITIVE_INFINITY
        ? 0
        : Math.ceil((endsAtMs - nowMs) / MS_PER_SECOND) + BUDGET_KEPT_SECONDS;
    return { kind: 'budget', slice, limit, budgetLabel: label, keepSeconds };
  }

  noteDemand(nano: bigint, tokens: number): void {
    this.#requestsInInterval += 1;
    this.#tokensInInterval += tokens;
    for (const { kind, slice } of this.uses) slice.noteDemand(needOf(kind, nano));
  }

  /** Observes how busy the key is; `nowMs` is monotonic. */
  observe(elapsedMs: number, nowMs: number): void {
    const rate = (this.#requestsInInterval * MS_PER_SECOND) / elapsedMs;
    if (this.#requestsInInterval > 0)
      this.#tokensPerRequest = this.#tokensInInterval / this.#requestsInInterval;
    this.#requestsPerSecond += NEWEST_WEIGHT * (rate - this.#requestsPerSecond);
    if (this.#requestsPerSecond < 0.1) this.#requestsPerSecond = 0;
    this.#requestsInInterval = 0;
    this.#tokensInInterval = 0;
    const mayBeSliced = (this.#config?.rpmLimit ?? 0) >= SLICED_REQUESTS_PER_SECOND * SECONDS_PER_MINUTE;
    this.isSliced = mayBeSliced && this.#requestsPerSecond >= SLICED_REQUESTS_PER_SECOND;
    if (this.rate.hasExpired(nowMs)) this.rate.dropUnused();
  }

  /** Learns from Redis how much of the limits other processes have taken. */
  learnRates(
    { requestLimit, tokenLimit, remainingRequests, remainingTokens }: RateStanding,
    nowMs: number,
  ): void {
    const { requests, tokens } = this.rate;
    this.window.learn(
      nowMs,
      requestLimit - remainingRequests - requests,
      tokenLimit - remainingTokens - tokens,
    );
  }

  /** Adds to the tokens of a request what they were more (or less) than reserved, in Redis and here. */
  correctTokens(second: number, tokens: number): void {
    this.rate.correct(second, 0, tokens);
    this.window.count(second, 0, tokens);
  }

  /** Where the key stands after a request from its slice. */
  standingSliced({ rpmLimit, tpmLimit }: AdmittedSize): RateStanding {
    const { rate } = this;
    return {
      requestLimit: rpmLimit,
      tokenLimit: tpmLimit,
      remainingRequests: rate.remainingRequests + rate.requests,
      remainingTokens: rate.remainingTokens + rate.tokens,
      requestResetMs: WINDOW_MS,
      tokenResetMs: WINDOW_MS,
    };
  }

  /** Where the key stands within this process alone; `nowMs` is Unix time. */
  standingAlone({ rpmLimit, tpmLimit }: AdmittedSize, nowMs: number): RateStanding {
    return {
      requestLimit: rpmLimit,
      tokenLimit: tpmLimit,
      remainingRequests: this.window.remaining('requests', nowMs, rpmLimit),
      remainingTokens: this.window.remaining('tokens', nowMs, tpmLimit),
      requestResetMs: WINDOW_MS,
      tokenResetMs: WINDOW_MS,
    };
  }

  /** Requests of the next slice. */
  get requestsWanted(): number {
    return this.isSliced ? Math.ceil(this.#requestsPerSecond * RATE_HEADROOM) : 0;
  }

  get tokensWanted(): number {
    return Math.ceil(this.requestsWanted * this.#tokensPerRequest * RATE_HEADROOM);
  }

  /** True when the slices should be renewed before a request has to wait for them. */
  needsRenewal(nowMs: number): boolean {
    if (this.renewing || !this.isSliced || nowMs < this.#renewsFromMs) return false;
    const isLow = this.rate.isLow(nowMs) || this.uses.some(({ slice }) => slice.wanted() > 0n);
    // Near its limit a key gets no slice however often it asks.
    if (isLow) this.#renewsFromMs = nowMs + RENEWAL_INTERVAL_MS;
    return isLow;
  }
}
