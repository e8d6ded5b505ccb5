import type { KeyQuota, WalletUse } from './key-quota.ts';
import type { Hold, RateStanding } from './quotas.ts';

/** A hold with what it takes to end it. */
export class TakenHold implements Hold {
  readonly key: KeyQuota;
  readonly uses: readonly WalletUse[];
  heldNano: bigint;
  readonly reservedTokens: number;
  /** Unix second whose rate buckets carry the request. */
  readonly bucketSecond: number;
  readonly standing: RateStanding;
  readonly budgetPeriod: string | undefined;
  /** Set when part of it was taken without having been lent: in which outage, and how much of each wallet. */
  outage: { readonly number: number; readonly allowed: readonly bigint[] } | undefined;

  constructor(
    key: KeyQuota,
    uses: readonly WalletUse[],
    heldNano: bigint,
    reservedTokens: number,
    bucketSecond: number,
    standing: RateStanding,
  ) {
    this.key = key;
    this.uses = uses;
    this.heldNano = heldNano;
    this.reservedTokens = reservedTokens;
    this.bucketSecond = bucketSecond;
    this.standing = standing;
    this.budgetPeriod = labelOf(uses);
  }

  /** Notes what the allowance of an outage gave for it. */
  noteAllowed(outage: number, amounts: readonly bigint[]): void {
    if (amounts.every((amount) => amount === 0n)) return;
    const known = this.outage?.allowed ?? [];
    this.outage = { number: outage, allowed: amounts.map((amount, index) => amount + (known[index] ?? 0n)) };
  }
}

function labelOf(uses: readonly WalletUse[]): string | undefined {
  for (const { budgetLabel } of uses) if (budgetLabel !== undefined) return budgetLabel;
  return undefined;
}
