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

  covers({ kind, slice, limit }: WalletUse, amount: bigint): boolean {
    const used = this.#used.get(slice) ?? 0n;
    if (kind === 'balance' || kind === 'budget') {
      const known = slice.lastFreeNano ?? 0n;
      return used + amount <= (known < this.#allowanceNano ? known : this.#allowanceNano);
    }
    const inFlight = slice.granted - slice.returned - slice.idleNano - slice.unwrittenNano;
    return inFlight + used + amount <= BigInt(limit);
  }

  take({ slice }: WalletUse, amount: bigint): void {
    this.#used.set(slice, (this.#used.get(slice) ?? 0n) + amount);
  }

  /** Ends what was taken in outage number `outage`: `cost` of it stays used. */
  settle({ slice }: WalletUse, held: bigint, cost: bigint, outage: number): void {
    if (outage === this.outage) this.#used.set(slice, (this.#used.get(slice) ?? 0n) - held + cost);
  }

  /** Redis answers again. */
  endOutage(): void {
    this.outage += 1;
    this.#used.clear();
  }
}
