/** How much the newest interval counts in the observed rate. */
const NEWEST_WEIGHT = 0.3;
/** A slice that shrinks keeps this much more than its target, so that it does not swing. */
const KEPT_OVER_TARGET = 2n;
const MS_PER_SECOND = 1_000;

/**
 * What this process has been lent by one wallet: the process's own ledger, without I/O or clock. `granted` and `returned`
 * are the counters that Redis keeps for this spool; of the difference, `idleNano` may be held by the next request and
 * `unwrittenNano` may not until the spool knows of it. The rest is held by requests or spent. Amounts are nano-USD, or
 * requests for wallets that count those.
 */
export class WalletSlice {
  readonly name: string;
  granted = 0n;
  returned = 0n;
  idleNano = 0n;
  unwrittenNano = 0n;
  /** What the slice is to hold idle; 0: each request asks Redis. */
  targetNano = 0n;
  /** A hold of the usual size. */
  typicalNano = 0n;
  /** What was free in Redis at its last answer; `undefined` before the first. */
  lastFreeNano: bigint | undefined;
  /** Lease calls without an answer yet. */
  pendingLeases = 0;
  /** The counters have moved since Redis was last told. */
  changed = false;
  /** Answers of the lease script may have got lost: what Redis knows as granted is to be compared. */
  doubtfulRounds = 0;
  /** Monotonic ms until which nothing is kept idle, because another process needs it. */
  restsUntilMs = 0;
  #heldInInterval = 0;
  #holdsInInterval = 0;
  #heldPerSecond = 0;
  #askedInInterval = false;
  readonly #horizonSeconds: number;

  /** A slice is to cover what the observed rate holds in `horizonSeconds`. */
  constructor(name: string, horizonSeconds: number) {
    this.name = name;
    this.#horizonSeconds = horizonSeconds;
  }

  /** Nothing is held, idle or on its way, and nobody has asked for a while. */
  get atRest(): boolean {
    return this.#heldPerSecond === 0 && this.idleNano === 0n && this.unwrittenNano === 0n && !this.changed;
  }

  /** A wallet that lends less than is wanted is not asked again and again. */
  noteAsked(): void {
    this.#askedInInterval = true;
  }

  noteDemand(amount: bigint): void {
    this.#heldInInterval += Number(amount);
    this.#holdsInInterval += 1;
  }

  /** Takes `amount` from what is idle, or nothing. */
  take(amount: bigint): boolean {
    if (this.idleNano < amount) return false;
    this.idleNano -= amount;
    return true;
  }

  /** Takes at most `amount` from what is idle and says how much. */
  takeUpTo(amount: bigint): bigint {
    const taken = this.idleNano < amount ? this.idleNano : amount;
    if (taken <= 0n) return 0n;
    this.idleNano -= taken;
    return taken;
  }

  /** Books an answer of the lease script: `used` goes to a request, the rest is idle once `written` is called. */
  lend(lent: bigint, used: bigint, freeNano: bigint): { readonly unwritten: bigint; written(): void } {
    this.granted += lent;
    this.lastFreeNano = freeNano;
    const unwritten = lent - used;
    this.unwrittenNano += unwritten;
    const written = (): void => {
      this.unwrittenNano -= unwritten;
      this.idleNano += unwritten;
    };
    return { unwritten, written };
  }

  /** Ends a hold: what it did not cost is idle again. A cost above the hold is taken from what is idle, or just owed. */
  settle(held: bigint, cost: bigint): void {
    this.idleNano += held - cost;
    if (this.idleNano < 0n) {
      this.granted -= this.idleNano;
      this.idleNano = 0n;
    }
    this.changed = true;
  }

  /** Books a cost that nothing was lent for: Redis learns of it with the next declaration. */
  owe(cost: bigint): void {
    this.granted += cost;
    this.changed = true;
  }

  /** Gives back what is idle beyond `keep`. Returns whether anything was. */
  giveBack(keep: bigint): boolean {
    const surplus = this.idleNano - keep;
    if (surplus <= 0n) return false;
    this.idleNano -= surplus;
    this.returned += surplus;
    this.changed = true;
    return true;
  }

  /** Gives everything idle back and keeps nothing until `untilMs`. */
  recall(untilMs: number): boolean {
    this.restsUntilMs = untilMs;
    this.targetNano = 0n;
    return this.giveBack(0n);
  }

  /** Books what Redis says it granted beyond what was answered; only while no answer is on its way. */
  adopt(grantedInRedis: bigint): void {
    if (this.pendingLeases > 0 || grantedInRedis <= this.granted) return;
    this.idleNano += grantedInRedis - this.granted;
    this.granted = grantedInRedis;
    this.changed = true;
  }

  /** Observes the rate of holds and sets the target; `isSliced`: a key that draws on this wallet has slices. */
  observe(elapsedMs: number, isSliced: boolean, nowMs: number): void {
    const rate = (this.#heldInInterval * MS_PER_SECOND) / elapsedMs;
    if (this.#holdsInInterval > 0)
      this.typicalNano = BigInt(Math.ceil(this.#heldInInterval / this.#holdsInInterval));
    this.#heldPerSecond += NEWEST_WEIGHT * (rate - this.#heldPerSecond);
    if (this.#heldPerSecond < 1) this.#heldPerSecond = 0;
    this.#heldInInterval = 0;
    this.#holdsInInterval = 0;
    this.#askedInInterval = false;
    const isSlicedNow = isSliced && nowMs >= this.restsUntilMs;
    this.targetNano = isSlicedNow ? BigInt(Math.ceil(this.#heldPerSecond * this.#horizonSeconds)) : 0n;
    this.giveBack(this.targetNano * KEPT_OVER_TARGET);
  }

  /** How much to ask for on top: nothing while the slice is at least half full, or was asked for since the last observation. */
  wanted(): bigint {
    if (this.#askedInInterval) return 0n;
    const stock = this.idleNano + this.unwrittenNano;
    return stock * 2n >= this.targetNano ? 0n : this.targetNano - stock;
  }
}
