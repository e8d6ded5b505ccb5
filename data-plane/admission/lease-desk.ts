import type { Logger } from 'pino';
import type { Clock } from '#shared/clock.ts';
import { encodeGrantLine, type GrantTotal } from '#shared/usage-record.ts';
import { type AdmittedSize, type KeyQuota, needOf, type WalletUse } from './key-quota.ts';
import type { LeaseAnswer, LeasePlan, QuotaScripts } from './quota-scripts.ts';
import { RATE_SLICE_MS } from './rate-slice.ts';
import { TakenHold } from './taken-hold.ts';
import type { WalletSlice } from './wallet-slice.ts';

export interface LeaseDeskOptions {
  readonly scripts: QuotaScripts;
  readonly noteGrant: (line: string, onWritten: () => void) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly holdTimeoutMs: number;
  /** A call has no answer after `holdTimeoutMs`. Resolves when it is known whether Redis is busy or away. */
  readonly onTooSlow: () => Promise<void>;
  /** The figures in Redis are being seeded. */
  readonly onClosed: () => void;
}

type Held = Extract<LeaseAnswer, { verdict: 'held' }>;

/** One call of the lease script on behalf of a waiting request. */
export interface Leasing {
  /** `undefined`: no answer in time. Unless it is `held`, nothing is taken from the process's own slices either. */
  readonly answer: Promise<LeaseAnswer | undefined>;
  /** The hold that the answer makes. */
  conclude(answer: Held): TakenHold;
}

const SLICES_PER_DECLARATION = 200;
const DOUBTFUL_ROUNDS = 2;
/** As in the lease script. */
const TYPICAL_HOLDS_KEPT_FREE = 20n;
const SCARCE_REST_MS = 500;
const NO_CORRECTIONS: readonly number[] = [];

/** Where this process borrows and gives back: sends the quota scripts and books their answers in its slices. */
export class LeaseDesk {
  readonly #options: LeaseDeskOptions;

  constructor(options: LeaseDeskOptions) {
    this.#options = options;
  }

  /**
   * Asks for a request: takes what it can from the process's own slices and borrows the rest. A patient request waits for a
   * busy Redis until it is known not to be away.
   */
  begin(key: KeyQuota, size: AdmittedSize, isPatient: boolean): Leasing {
    const { nano, leastNano } = size;
    const ordinary = key.uses;
    const uses = leastNano === undefined ? ordinary : [...ordinary, key.unstatedUse()];
    const amounts = uses.map(({ kind }) => (kind === 'unstated' ? 0n : needOf(kind, nano)));
    const leasts = leastNano === undefined ? undefined : uses.map(({ kind }) => needOf(kind, leastNano));
    const answer = this.#borrow(
      { ...planFor(key, size), uses, requests: 1, tokens: size.tokens },
      amounts,
      leasts,
      isPatient,
    );
    const conclude = ({ tookLeast, second, standing }: Held): TakenHold =>
      tookLeast
        ? new TakenHold(key, uses, leastNano ?? nano, size.tokens, second, standing)
        : new TakenHold(key, ordinary, nano, size.tokens, second, standing);
    return { answer, conclude };
  }

  /** Asks for more money for a request in flight. */
  extend({ key }: TakenHold, uses: readonly WalletUse[], nano: bigint): Promise<LeaseAnswer | undefined> {
    const unrated = { rpmLimit: 0, tpmLimit: 0, requests: 0, tokens: 0, requestsOnTop: 0, tokensOnTop: 0 };
    return this.#borrow(
      { key, uses, ...unrated },
      uses.map(() => nano),
      undefined,
    );
  }

  /** Renews the slices of a busy key ahead of need. Never rejects. */
  async renew(key: KeyQuota, size: AdmittedSize): Promise<void> {
    const { uses } = key;
    const none = uses.map(() => 0n);
    await this.#borrow({ ...planFor(key, size), uses, requests: 0, tokens: 0 }, none, undefined);
  }

  async #borrow(
    asked: Omit<LeasePlan, 'needs' | 'leasts' | 'onTop'>,
    amounts: readonly bigint[],
    leasts: readonly bigint[] | undefined,
    isPatient = false,
  ): Promise<LeaseAnswer | undefined> {
    const { key, uses, requestsOnTop } = asked;
    const own = uses.map(({ slice }, index) => slice.takeUpTo(amounts[index] ?? 0n));
    const rest = (wanted: readonly bigint[]): bigint[] =>
      wanted.map((amount, index) => most(0n, amount - (own[index] ?? 0n)));
    const plan = {
      ...asked,
      needs: rest(amounts),
      leasts: leasts && rest(leasts),
      onTop: uses.map(({ slice }) => askOnTop(slice)),
    };
    if (requestsOnTop > 0) key.renewing = true;
    const answer = await this.#ask(plan, amounts, leasts, own, isPatient);
    if (requestsOnTop > 0) key.renewing = false;
    return answer;
  }

  /** Sends the call and waits for it a bounded time; an answer that comes later is booked all the same. */
  #ask(
    plan: LeasePlan,
    amounts: readonly bigint[],
    leasts: readonly bigint[] | undefined,
    own: readonly bigint[],
    isPatient: boolean,
  ): Promise<LeaseAnswer | undefined> {
    const { scripts, clock, logger, holdTimeoutMs, onTooSlow, onClosed } = this.#options;
    const askedAtMs = clock.monotonicMs();
    for (const { slice } of plan.uses) slice.pendingLeases += 1;
    return new Promise((resolve) => {
      let waiting = true;
      const giveUp = (): void => {
        if (!waiting) return;
        waiting = false;
        putBack(plan.uses, own);
        resolve(undefined);
      };
      const doubt = (): void => {
        if (!waiting) return;
        const decided = onTooSlow();
        // Probes follow this call on its connection, so a Redis that answers them has answered it as well.
        if (isPatient) void decided.then(() => setImmediate(giveUp));
        else giveUp();
      };
      // An answer that already waits in the socket when the timer fires still counts: a busy loop is no slow Redis.
      const timer = setTimeout(() => setImmediate(doubt), holdTimeoutMs);
      scripts.lease(plan, clock.nowMs()).then(
        (answer) => {
          clearTimeout(timer);
          for (const { slice } of plan.uses) slice.pendingLeases -= 1;
          if (answer.verdict === 'held') {
            const used = !waiting ? undefined : answer.tookLeast ? leasts : amounts;
            this.#book(plan, answer, used, own, askedAtMs);
          } else if (waiting) putBack(plan.uses, own);
          if ('standing' in answer && plan.requests + plan.requestsOnTop > 0)
            plan.key.learnRates(answer.standing, clock.nowMs());
          if (answer.verdict === 'closed') onClosed();
          if (!waiting) return;
          waiting = false;
          resolve(answer);
        },
        (error: unknown) => {
          clearTimeout(timer);
          for (const { slice } of plan.uses) {
            slice.pendingLeases -= 1;
            slice.changed = true;
            slice.doubtfulRounds = DOUBTFUL_ROUNDS;
          }
          logger.debug({ reason: String(error) }, 'Nothing could be borrowed');
          if (waiting) void onTooSlow();
          giveUp();
        },
      );
    });
  }

  /** Books what was lent. `used` is what the waiting request takes per wallet; `undefined`: nobody waits any more. */
  #book(
    plan: LeasePlan,
    answer: Held,
    used: readonly bigint[] | undefined,
    own: readonly bigint[],
    askedAtMs: number,
  ): void {
    const { key, uses } = plan;
    const totals: GrantTotal[] = [];
    const written: (() => void)[] = [];
    const scarce: WalletSlice[] = [];
    for (const [index, { kind, slice }] of uses.entries()) {
      const { amount = 0n, free = 0n } = answer.lent[index] ?? {};
      const taken = used?.[index] ?? 0n;
      const ownPart = own[index] ?? 0n;
      const lentPart = used === undefined ? 0n : most(0n, taken - ownPart);
      if (used !== undefined && ownPart > taken) slice.idleNano += ownPart - taken;
      const booked = slice.lend(amount, lentPart, free);
      if (
        isScarce(slice, free, plan.onTop[index] ?? 0n, booked.unwritten) &&
        slice.recall(askedAtMs + SCARCE_REST_MS)
      )
        scarce.push(slice);
      if (booked.unwritten === 0n) continue;
      if (used === undefined) slice.changed = true;
      if (kind !== 'balance' && kind !== 'budget') booked.written();
      else {
        written.push(booked.written);
        totals.push({
          wallet: slice.name,
          grantedNano: slice.granted.toString(),
          returnedNano: slice.returned.toString(),
        });
      }
    }
    if (totals.length > 0)
      this.#options.noteGrant(encodeGrantLine(totals), () => {
        for (const done of written) done();
      });
    if (scarce.length > 0) void this.declareSlices(scarce);
    if (plan.requests + plan.requestsOnTop === 0) return;
    if (used === undefined && plan.requests > 0)
      key.rate.correct(answer.second, -plan.requests, -plan.tokens);
    if (used !== undefined && plan.requests > 0) key.window.count(answer.second, plan.requests, plan.tokens);
    key.rate.remainingRequests = answer.standing.remainingRequests;
    key.rate.remainingTokens = answer.standing.remainingTokens;
    if (answer.requestsOnTop > 0)
      key.rate.replace(
        answer.second + 1,
        answer.requestsOnTop,
        answer.tokensOnTop,
        askedAtMs + RATE_SLICE_MS,
      );
  }

  /** Tells Redis the counters of the wallets just used, and the key's corrections. */
  declare(key: KeyQuota, uses: readonly WalletUse[]): void {
    void this.#declare(
      uses.map(({ slice }) => slice),
      key.id,
      key.rate.takeCorrections(),
    );
  }

  /** Tells Redis what has changed of a key since it was last told. */
  declareChanged(key: KeyQuota): void {
    const slices: WalletSlice[] = [];
    for (const { slice } of key.allUses()) if (slice.changed || slice.doubtfulRounds > 0) slices.push(slice);
    if (slices.length > 0 || key.rate.hasCorrections)
      void this.#declare(slices, key.id, key.rate.takeCorrections());
  }

  /** Tells Redis the counters of many wallets. Never rejects. */
  async declareSlices(slices: readonly WalletSlice[]): Promise<void> {
    for (let first = 0; first < slices.length; first += SLICES_PER_DECLARATION)
      await this.#declare(slices.slice(first, first + SLICES_PER_DECLARATION), '', NO_CORRECTIONS);
  }

  /** Tells a Redis that may have forgotten them all counters, and says so. */
  async declareAll(slices: Iterable<WalletSlice>, runId: string): Promise<void> {
    const all = [...slices].filter((slice) => slice.granted > 0n);
    for (let first = 0; first < all.length; first += SLICES_PER_DECLARATION)
      await this.#tell(all.slice(first, first + SLICES_PER_DECLARATION), '', NO_CORRECTIONS);
    await this.#options.scripts.announce(runId);
  }

  async #declare(
    slices: readonly WalletSlice[],
    keyId: string,
    corrections: readonly number[],
  ): Promise<void> {
    try {
      await this.#tell(slices, keyId, corrections);
    } catch (error) {
      this.#options.logger.debug({ reason: String(error) }, 'Quota counters not declared');
    }
  }

  async #tell(slices: readonly WalletSlice[], keyId: string, corrections: readonly number[]): Promise<void> {
    for (const slice of slices) slice.changed = false;
    try {
      const granted = await this.#options.scripts.declare(slices, keyId, corrections);
      for (const [index, slice] of slices.entries()) {
        if (slice.doubtfulRounds > 0) slice.doubtfulRounds -= 1;
        slice.adopt(granted[index] ?? 0n);
      }
    } catch (error) {
      // The counters are absolute: the next declaration carries this one too.
      for (const slice of slices) slice.changed = true;
      throw error;
    }
  }
}

/** The part of a plan that a request and a renewal have in common. One call at a time asks for slices. */
function planFor(key: KeyQuota, { rpmLimit, tpmLimit }: AdmittedSize) {
  const requestsOnTop = key.renewing ? 0 : key.requestsWanted;
  return { key, rpmLimit, tpmLimit, requestsOnTop, tokensOnTop: requestsOnTop > 0 ? key.tokensWanted : 0 };
}

/** How much a call asks for as a slice; one call at a time does. */
function askOnTop(slice: WalletSlice): bigint {
  const wanted = slice.pendingLeases > 0 ? 0n : slice.wanted();
  if (wanted > 0n) slice.noteAsked();
  return wanted;
}

/** Too little is left for slices: each request asks again, and what lies idle here is for everybody. */
function isScarce(slice: WalletSlice, free: bigint, wanted: bigint, lentOnTop: bigint): boolean {
  return free < slice.typicalNano * TYPICAL_HOLDS_KEPT_FREE || (wanted > 0n && lentOnTop === 0n);
}

function putBack(uses: readonly WalletUse[], own: readonly bigint[]): void {
  for (const [index, { slice }] of uses.entries()) slice.idleNano += own[index] ?? 0n;
}

function most(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
