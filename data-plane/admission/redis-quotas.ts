import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Clock } from '#shared/clock.ts';
import { type Fault, fault, isFault } from '#shared/fault.ts';
import type { NanoUsd } from '#shared/money.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { openRedisLink, type RedisLink } from '#shared/redis-link.ts';
import { type AdmittedSize, isMoney, type KeyQuota, needOf, type WalletUse } from './key-quota.ts';
import { LeaseDesk } from './lease-desk.ts';
import { OutageAllowance } from './outage-allowance.ts';
import {
  cannotCheck,
  noWallet,
  requestRateRefusal,
  shortRefusal,
  tokenRateRefusal,
} from './quota-refusals.ts';
import { type LeaseAnswer, QuotaScripts } from './quota-scripts.ts';
import { QuotaState } from './quota-state.ts';
import type { Extension, Hold, HoldRequest, QuotaRefusal, Quotas, WalletFigures } from './quotas.ts';
import { RedisPulse } from './redis-pulse.ts';
import { TakenHold } from './taken-hold.ts';
import { readWalletFigures } from './wallet-figures.ts';

export interface RedisQuotasOptions {
  readonly redisUrl: string;
  /** Id of this process's spool: whose counters are moved. */
  readonly spoolId: string;
  /** Writes a grant line to the spool and calls back once it is there. */
  readonly noteGrant: (line: string, onWritten: () => void) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How much an account may spend on this process while quotas cannot be checked, nano-USD. */
  readonly outageAllowanceNano: NanoUsd;
  /** Normally {@link HOLD_TIMEOUT_MS}. */
  readonly holdTimeoutMs: number;
}

/** How requests were admitted and refused since the start, for metrics. */
export interface QuotaCounts {
  /** Admitted from slices, without asking Redis. */
  sliced: number;
  asked: number;
  /** Admitted while Redis could not be asked, from slices or the allowance. */
  alone: number;
  refused: number;
  /** Requests that cost more than was held for them, and by how much in all. */
  excesses: number;
  excessNano: bigint;
}

export interface RedisQuotas extends Quotas {
  /** False while Redis cannot be asked. */
  readonly reachable: boolean;
  readonly counts: Readonly<QuotaCounts>;
  /** Gives back what lies idle, if Redis is quick, and lets go of it. */
  close(): Promise<void>;
}

/** After this a request no longer waits for Redis. */
export const HOLD_TIMEOUT_MS = 5;
/** The one longer wait: for slices that others give back, before a request is refused for money. */
const RECALL_WAIT_MS = 100;
const RECALL_POLL_MS = 10;
/** After a recall a wallet is not sliced for so long. */
const RECALL_REST_MS = 1_000;
const WALLET_TIMEOUT_MS = 20;
const WALLET_MAX_AGE_MS = 60_000;
const WALLETS_REMEMBERED = 100_000;
const TICK_MS = 250;
const CLOSE_TIMEOUT_MS = 500;
const MS_PER_SECOND = 1_000;
/** A balance that is so many times what the request holds is not at its edge. */
const PLENTIFUL_HOLDS = 20n;

export function openRedisQuotas(options: RedisQuotasOptions): RedisQuotas {
  return new LentQuotas(options);
}

/**
 * Busy keys are served from slices that Redis has lent this process; all others ask once per request. While Redis is away,
 * slices in hand keep working, then a small allowance.
 */
class LentQuotas implements RedisQuotas {
  readonly counts: QuotaCounts = { sliced: 0, asked: 0, alone: 0, refused: 0, excesses: 0, excessNano: 0n };
  readonly #options: RedisQuotasOptions;
  readonly #clock: Clock;
  readonly #link: RedisLink;
  readonly #recallLink: RedisLink;
  readonly #scripts: QuotaScripts;
  readonly #pulse: RedisPulse;
  readonly #state = new QuotaState();
  readonly #desk: LeaseDesk;
  readonly #allowance: OutageAllowance;
  readonly #figures = new Map<
    string,
    { readonly atMs: number; readonly figures: WalletFigures | undefined }
  >();
  readonly #tickTimer: NodeJS.Timeout;
  #tickedAtMs: number;

  constructor(options: RedisQuotasOptions) {
    const { redisUrl, spoolId, clock, logger, holdTimeoutMs: quickMs } = options;
    this.#options = options;
    this.#clock = clock;
    this.#allowance = new OutageAllowance(options.outageAllowanceNano);
    this.#link = openRedisLink(redisUrl, 'quotas', logger);
    this.#scripts = new QuotaScripts(this.#link, spoolId);
    this.#desk = new LeaseDesk({
      ...options,
      scripts: this.#scripts,
      onTooSlow: () => {
        this.#pulse.doubt();
        return this.#pulse.whenDecided();
      },
      onClosed: () => this.#pulse.shut(),
    });
    this.#pulse = new RedisPulse({
      link: this.#link,
      quickMs,
      readMarker: () => this.#scripts.readMarker(),
      declareAll: (runId) => this.#desk.declareAll(this.#state.slices(), runId),
      onQuick: () => this.#resume(),
      clock,
      logger,
    });
    this.#recallLink = openRedisLink(redisUrl, 'recalls', logger);
    this.#listenForRecalls();
    this.#tickedAtMs = clock.monotonicMs();
    this.#tickTimer = setInterval(() => this.#tick(), TICK_MS);
  }

  get reachable(): boolean {
    return this.#pulse.state === 'quick';
  }

  async close(): Promise<void> {
    clearInterval(this.#tickTimer);
    this.#recallLink.close();
    const lent = [...this.#state.slices()].filter((slice) => slice.recall(Number.POSITIVE_INFINITY));
    if (this.#pulse.state === 'quick')
      await Promise.race([this.#desk.declareSlices(lent), delay(CLOSE_TIMEOUT_MS)]);
    this.#pulse.close();
    this.#link.close();
  }

  hold(request: HoldRequest): Hold | QuotaRefusal | Promise<Hold | QuotaRefusal> {
    const key = this.#state.keyOf(request.key, this.#clock.nowMs());
    const size: AdmittedSize = {
      // Nothing is free of a check: even a request that costs nothing needs a wallet that is not empty.
      nano: request.worstCaseNano > 0n ? request.worstCaseNano : 1n,
      leastNano: request.leastNano,
      tokens: Math.min(request.reservedTokens, request.key.config.tpmLimit),
      rpmLimit: request.key.config.rpmLimit,
      tpmLimit: request.key.config.tpmLimit,
    };
    key.noteDemand(size.nano, size.tokens);
    const { state } = this.#pulse;
    if (state === 'away') return this.#holdAway(key, size, true);
    if (key.isSliced) {
      const nowMs = this.#clock.monotonicMs();
      const held = takeSliced(key, size, nowMs);
      if (state === 'quick' && key.needsRenewal(nowMs)) void this.#desk.renew(key, size);
      if (held !== undefined) {
        this.counts.sliced += 1;
        return held;
      }
    }
    return state === 'quick' ? this.#ask(key, size, true) : this.#holdAway(key, size, true);
  }

  /** True when a request may be admitted without an answer of Redis that is only late: so much is left of everything. */
  #hasPlenty({ uses, window }: KeyQuota, { nano, tokens, rpmLimit, tpmLimit }: AdmittedSize): boolean {
    const isAmple = uses.every(({ kind, slice, limit }) =>
      isMoney(kind)
        ? (slice.lastFreeNano ?? 0n) >= nano * PLENTIFUL_HOLDS
        : (slice.lastFreeNano ?? 0n) * 2n >= BigInt(limit),
    );
    return isAmple && window.isMostlyFree(this.#clock.nowMs(), tokens, rpmLimit, tpmLimit);
  }

  async #ask(key: KeyQuota, size: AdmittedSize, mayWait: boolean): Promise<Hold | QuotaRefusal> {
    const startedMs = this.#clock.monotonicMs();
    for (;;) {
      const leasing = this.#desk.begin(key, size, mayWait && !this.#hasPlenty(key, size));
      const answer = await leasing.answer;
      if (answer === undefined) return await this.#holdAway(key, size, mayWait);
      if (answer.verdict === 'held') {
        this.counts.asked += 1;
        return leasing.conclude(answer);
      }
      const mayRecall = answer.verdict === 'short' && answer.recalled;
      if (!mayRecall || this.#clock.monotonicMs() - startedMs >= RECALL_WAIT_MS)
        return await this.#refuse(key, size, answer);
      await delay(RECALL_POLL_MS);
    }
  }

  #refuse(
    key: KeyQuota,
    size: AdmittedSize,
    answer: Exclude<LeaseAnswer, { verdict: 'held' }>,
  ): QuotaRefusal | Hold | Promise<Hold | QuotaRefusal> {
    if (answer.verdict === 'closed' || answer.verdict === 'blocked') return this.#holdAway(key, size, false);
    this.counts.refused += 1;
    switch (answer.verdict) {
      case 'rpm':
        return requestRateRefusal(size.rpmLimit, answer.retryAfterMs, answer.standing);
      case 'tpm':
        return tokenRateRefusal(size.tpmLimit, answer.retryAfterMs, answer.standing);
      case 'short':
        answer.use.slice.lastFreeNano = answer.free;
        return shortRefusal(key, answer.use);
      case 'none':
        return noWallet();
    }
  }

  /**
   * Redis cannot be asked: slices in hand, then the allowance, and the key's limits inside this process decide. Where it is
   * only doubtful whether it is away, a request waits for that to be decided unless plenty is left.
   */
  #holdAway(
    key: KeyQuota,
    size: AdmittedSize,
    mayWait: boolean,
  ): Hold | QuotaRefusal | Promise<Hold | QuotaRefusal> {
    if (mayWait && this.#pulse.state === 'doubtful' && !this.#hasPlenty(key, size))
      return this.#pulse
        .whenDecided()
        .then(() =>
          this.#pulse.state === 'quick' ? this.#ask(key, size, false) : this.#holdAway(key, size, false),
        );
    const outcome = this.#holdAlone(key, size);
    if (isFault(outcome)) this.counts.refused += 1;
    else this.counts.alone += 1;
    return outcome;
  }

  #holdAlone(key: KeyQuota, size: AdmittedSize): Hold | QuotaRefusal {
    const nano = size.leastNano ?? size.nano;
    const { uses, window } = key;
    const amounts = uses.map(({ kind }) => needOf(kind, nano));
    if (!this.#allowance.covers(uses, amounts)) return cannotCheck();
    const nowMs = this.#clock.nowMs();
    const refusal = window.take(nowMs, size.tokens, size.rpmLimit, size.tpmLimit);
    const standing = key.standingAlone(size, nowMs);
    if (refusal?.limit === 'rpm') return requestRateRefusal(size.rpmLimit, refusal.retryAfterMs, standing);
    if (refusal?.limit === 'tpm') return tokenRateRefusal(size.tpmLimit, refusal.retryAfterMs, standing);
    const allowed = this.#allowance.take(uses, amounts);
    const second = Math.floor(nowMs / MS_PER_SECOND);
    // Redis counts it too once it can be told.
    key.rate.correct(second, 1, size.tokens);
    const hold = new TakenHold(key, uses, nano, size.tokens, second, standing);
    hold.noteAllowed(this.#allowance.outage, allowed);
    return hold;
  }

  extend(hold: Hold, additionalNano: NanoUsd): Extension | Promise<Extension> {
    const taken = asTaken(hold);
    const money = taken.uses.filter(({ kind }) => isMoney(kind));
    if (money.every(({ slice }) => slice.idleNano >= additionalNano)) {
      for (const { slice } of money) slice.take(additionalNano);
      taken.heldNano += additionalNano;
      return 'held';
    }
    return this.#pulse.state === 'quick'
      ? this.#borrowExtension(taken, money, additionalNano)
      : this.#extendAlone(taken, additionalNano);
  }

  async #borrowExtension(
    hold: TakenHold,
    money: readonly WalletUse[],
    additionalNano: bigint,
  ): Promise<Extension> {
    const answer = await this.#desk.extend(hold, money, additionalNano);
    if (answer?.verdict === 'short') return 'short';
    if (answer?.verdict !== 'held') return this.#extendAlone(hold, additionalNano);
    hold.heldNano += additionalNano;
    return 'held';
  }

  /** Redis cannot be asked: slices in hand, then the allowance; of one outage only, because each has its own. */
  #extendAlone(hold: TakenHold, additionalNano: bigint): Extension {
    const { uses, outage } = hold;
    if (outage !== undefined && outage.number !== this.#allowance.outage) return 'unknown';
    const amounts = uses.map(({ kind }) => (isMoney(kind) ? additionalNano : 0n));
    if (!this.#allowance.covers(uses, amounts)) return 'unknown';
    hold.noteAllowed(this.#allowance.outage, this.#allowance.take(uses, amounts));
    hold.heldNano += additionalNano;
    return 'held';
  }

  settle(hold: Hold, costNano: NanoUsd, usedTokens: number): NanoUsd {
    const taken = asTaken(hold);
    const { key, uses, outage, heldNano } = taken;
    let returned = false;
    for (const [index, use] of uses.entries()) {
      const { kind, slice } = use;
      const held = needOf(kind, heldNano);
      const cost = isMoney(kind) ? costNano : 0n;
      const allowed = outage?.allowed[index] ?? 0n;
      if (outage !== undefined && allowed > 0n)
        this.#allowance.settle(use, { lent: held - allowed, allowed, cost }, outage.number);
      else slice.settle(held, cost);
      if (slice.targetNano === 0n && slice.giveBack(0n)) returned = true;
    }
    const counted = Math.min(usedTokens, Number.MAX_SAFE_INTEGER) - taken.reservedTokens;
    key.correctTokens(taken.bucketSecond, counted);
    this.#state.activate(key);
    if ((returned || !key.isSliced) && this.#pulse.state === 'quick') this.#desk.declare(key, uses);
    return this.#noteExcess(taken, costNano - heldNano);
  }

  #noteExcess({ key }: TakenHold, excessNano: bigint): NanoUsd {
    if (excessNano <= 0n) return 0n;
    this.counts.excesses += 1;
    this.counts.excessNano += excessNano;
    this.#options.logger.warn(
      { accountId: key.accountId, apiKeyId: key.id, excessNano: excessNano.toString() },
      'A request cost more than was held for it',
    );
    return excessNano;
  }

  async readWallet(accountId: string): Promise<WalletFigures | undefined | Fault> {
    const runId = this.#link.runId();
    if (runId !== undefined) {
      const timeout = delay(WALLET_TIMEOUT_MS).then(() => undefined);
      const read = this.#scripts.readAccount(accountId).catch(() => undefined);
      const found = await Promise.race([read, timeout]);
      if (found?.marker === runId) {
        const own = this.#state.slice(accountId);
        const spool = this.#options.spoolId;
        // What lies idle here changes with every request; Redis hears of it now and then.
        if (own !== undefined && found.fields[`g:${spool}`] === own.granted.toString())
          found.fields[`i:${spool}`] = (own.idleNano + own.unwrittenNano).toString();
        const figures = readWalletFigures(found.fields);
        if (this.#figures.size >= WALLETS_REMEMBERED) this.#figures.clear();
        this.#figures.set(accountId, { atMs: this.#clock.monotonicMs(), figures });
        return figures;
      }
    }
    const last = this.#figures.get(accountId);
    if (last !== undefined && this.#clock.monotonicMs() - last.atMs <= WALLET_MAX_AGE_MS) return last.figures;
    return fault('db_error', 'The balance cannot be read right now. Please retry in a moment.');
  }

  #resume(): void {
    this.#allowance.endOutage();
  }

  #listenForRecalls(): void {
    const { client } = this.#recallLink;
    client.on('message', (_, wallet: string) => {
      const slice = this.#state.slice(wallet);
      if (slice?.recall(this.#clock.monotonicMs() + RECALL_REST_MS)) void this.#desk.declareSlices([slice]);
    });
    // Renewed by the client itself after each reconnection.
    this.#recallLink.onConnected(() => {
      client.subscribe(redisKeys.quotaRecall).catch((error: unknown) => {
        this.#options.logger.debug({ reason: String(error) }, 'Recalls are not heard');
      });
    });
  }

  /** Observes how busy keys are, gives back what they no longer need and tells Redis what has changed. */
  #tick(): void {
    const nowMs = this.#clock.monotonicMs();
    const elapsedMs = nowMs - this.#tickedAtMs;
    if (elapsedMs <= 0) return;
    this.#tickedAtMs = nowMs;
    const isQuick = this.#pulse.state === 'quick';
    this.#state.observe(elapsedMs, nowMs, isQuick);
    if (isQuick) for (const key of this.#state.activeKeys) this.#desk.declareChanged(key);
    void this.#pulse.check();
  }
}

function asTaken(hold: Hold): TakenHold {
  if (hold instanceof TakenHold) return hold;
  throw new Error('A hold of other quotas');
}

/** Takes the request from the slices of its key, or nothing. */
function takeSliced(key: KeyQuota, size: AdmittedSize, nowMs: number): TakenHold | undefined {
  const { uses, rate } = key;
  for (const { kind, slice } of uses) if (slice.idleNano < needOf(kind, size.nano)) return undefined;
  if (!rate.take(nowMs, size.tokens)) return undefined;
  for (const { kind, slice } of uses) slice.take(needOf(kind, size.nano));
  key.window.count(rate.second, 1, size.tokens);
  return new TakenHold(key, uses, size.nano, size.tokens, rate.second, key.standingSliced(size));
}
