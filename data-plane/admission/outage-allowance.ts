import type { WalletUse } from './key-quota.ts';
import type { WalletSlice } from './wallet-slice.ts';

/**
 * What this process may admit on its own while wallets cannot be asked, beyond its slices: per wallet a small amount, only
 * where money was left at the last answer and never more than that. Begins anew with every outage.
 */
export class OutageAllowance {
  /** Counts outages: a hold of an earlier one no longer weighs on the allowance. */
  outage = 0;
  readonly #allowanceNano: bigint;
  readonly #used = new Map<WalletSlice, bigint>();

  constructor(allowanceNano: bigint) {
    this.#allowanceNano = allowanceNano;
  }

  /** True when each amount is idle in its wallet's slice, or within the allowance. */
  covers(uses: readonly WalletUse[], amounts: readonly bigint[]): boolean {
    return uses.every((use, index) => {
      const amount = amounts[index] ?? 0n;
      return use.slice.idleNano >= amount || this.#allows(use, amount);
    });
  }

  #allows({ kind, slice, limit }: WalletUse, amount: bigint): boolean {
    const used = this.#used.get(slice) ?? 0n;
    if (kind === 'balance' || kind === 'budget') {
      const known = slice.lastFreeNano ?? 0n;
      return used + amount <= (known < this.#allowanceNano ? known : this.#allowanceNano);
    }
    const inFlight = slice.granted - slice.returned - slice.idleNano - slice.unwrittenNano;
    return inFlight + used + amount <= BigInt(limit);
  }

  /** Takes amounts that are covered, from slices where they have them. Returns how much of each the allowance gave. */
  take(uses: readonly WalletUse[], amounts: readonly bigint[]): bigint[] {
    return uses.map(({ slice }, index) => {
      const amount = amounts[index] ?? 0n;
      if (slice.take(amount)) return 0n;
      this.#used.set(slice, (this.#used.get(slice) ?? 0n) + amount);
      return amount;
    });
  }

  /**
   * Ends a hold of which the allowance gave `allowed` in outage number `outage`, and the slice the rest, `lent`. What the cost
   * is beyond that stays used.
   */
  settle({ slice }: WalletUse, part: { lent: bigint; allowed: bigint; cost: bigint }, outage: number): void {
    const { lent, allowed, cost } = part;
    const ofLent = cost < lent ? cost : lent;
    const owed = cost - ofLent;
    if (outage === this.outage) this.#used.set(slice, (this.#used.get(slice) ?? 0n) - allowed + owed);
    slice.settle(lent, ofLent);
    slice.owe(owed);
  }

  /** Redis answers again. */
  endOutage(): void {
    this.outage += 1;
    this.#used.clear();
  }
}
