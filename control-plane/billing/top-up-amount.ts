import { formatUsd, type NanoUsd, parseUsd } from '#shared/money.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import type { BillingSettings } from './billing-settings.ts';

export const NANO_PER_CENT = 10_000_000n;
const BASIS_POINTS = 10_000;

export interface TopUpAmount {
  /** What reaches the balance, cents. */
  readonly creditCents: number;
  /** What comes on top, cents. */
  readonly feeCents: number;
}

export function nanoOfCents(cents: number): NanoUsd {
  return BigInt(cents) * NANO_PER_CENT;
}

/** `1055` → `10.55`. */
export function usdOfCents(cents: number): string {
  return formatUsd(nanoOfCents(cents));
}

/** The service fee: rounded to the nearest cent, half up, without a minimum. */
export function feeOf(creditCents: number, feeBasisPoints: number): number {
  return Math.floor((creditCents * feeBasisPoints + BASIS_POINTS / 2) / BASIS_POINTS);
}

/** Reads an amount that a customer entered: whole cents within the installation's limits. */
export function readTopUpAmount(
  amountUsd: string,
  settings: BillingSettings,
  path: string,
): Outcome<TopUpAmount> {
  const nano = parseUsd(amountUsd);
  const { minTopUpCents, maxTopUpCents } = settings;
  const cents = nano === undefined || nano % NANO_PER_CENT !== 0n ? undefined : Number(nano / NANO_PER_CENT);
  if (cents === undefined || cents < minTopUpCents || cents > maxTopUpCents) {
    const range = `from ${usdOfCents(minTopUpCents)} to ${usdOfCents(maxTopUpCents)}`;
    return refused([userError('INVALID_INPUT', `The amount is USD in whole cents, ${range}.`, path)]);
  }
  return succeeded({ creditCents: cents, feeCents: feeOf(cents, settings.feeBasisPoints) });
}
