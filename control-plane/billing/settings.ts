import { existsSync } from 'node:fs';
import { parseUsd } from '#shared/money.ts';
import type { BillingSettings } from './billing-settings.ts';
import { NANO_PER_CENT } from './top-up-amount.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const MAIL_ADDRESS = /^[^\s@<>,]+@[^\s@<>,]+$/;
const MAX_CENTS = 99_999_999;

/**
 * Reads how payments are taken; `null`: they are off, because `STRIPE_SECRET_KEY` is not set. Adds what is wrong to
 * `problems`.
 */
export function readBillingSettings(
  environment: Environment,
  publicUrl: string,
  problems: string[],
): BillingSettings | null {
  const text = (name: string): string | undefined => environment[name]?.trim() || undefined;
  const stripeSecretKey = text('STRIPE_SECRET_KEY');
  if (stripeSecretKey === undefined) return null;
  const stripeWebhookSecret = text('STRIPE_WEBHOOK_SECRET');
  if (stripeWebhookSecret === undefined)
    problems.push(
      'STRIPE_WEBHOOK_SECRET must be the signing secret (whsec_…) of the webhook endpoint /webhooks/stripe',
    );
  const cents = (name: string, fallback: number): number => {
    const given = text(name);
    if (given === undefined) return fallback;
    const nano = parseUsd(given) ?? -1n;
    const value = Number(nano / NANO_PER_CENT);
    if (nano % NANO_PER_CENT === 0n && value >= 50 && value <= MAX_CENTS) return value;
    problems.push(`${name} must be an amount of USD in whole cents, at least 0.50`);
    return fallback;
  };
  const whole = (name: string, range: { from: number; to: number }, fallback: number): number => {
    const given = text(name);
    if (given === undefined) return fallback;
    const value = Number(given);
    if (Number.isInteger(value) && value >= range.from && value <= range.to) return value;
    problems.push(`${name} must be a whole number from ${range.from} to ${range.to}`);
    return fallback;
  };
  const yes = (name: string): boolean => {
    const given = text(name) ?? 'no';
    if (given !== 'yes' && given !== 'no') problems.push(`${name} must be yes or no`);
    return given === 'yes';
  };
  const mailAddresses = (name: string): string[] => {
    const given = (text(name) ?? '').split(',').flatMap((address) => address.trim() || []);
    if (given.some((address) => !MAIL_ADDRESS.test(address)))
      problems.push(`${name} must be mail addresses, separated by commas`);
    return given;
  };
  const settings: BillingSettings = {
    stripeSecretKey,
    stripeWebhookSecret: stripeWebhookSecret ?? '',
    stripeApiBase: text('STRIPE_API_BASE') ?? null,
    publicUrl,
    minTopUpCents: cents('TOP_UP_MIN_USD', 1_000),
    maxTopUpCents: cents('TOP_UP_MAX_USD', 500_000),
    feeBasisPoints: whole('TOP_UP_FEE_BASIS_POINTS', { from: 0, to: 10_000 }, 550),
    refundWindowDays: whole('REFUND_WINDOW_DAYS', { from: 0, to: 3_650 }, 14),
    dailyAccountLimitCents: cents('TOP_UP_DAILY_LIMIT_USD', 1_000_000),
    disputeSuspendsAccount: yes('DISPUTE_SUSPENDS_ACCOUNT'),
    operatorMail: mailAddresses('OPERATOR_MAIL'),
    receiptFont: text('RECEIPT_FONT') ?? null,
    seller: (text('RECEIPT_SELLER') ?? 'CrossModel').split(';').map((line) => line.trim()),
    dailyCardLimit: whole('TOP_UP_DAILY_CARD_USES', { from: 1, to: 10_000 }, 10),
  };
  if (settings.minTopUpCents > settings.maxTopUpCents)
    problems.push('TOP_UP_MIN_USD must not be above TOP_UP_MAX_USD');
  if (settings.stripeApiBase !== null && !URL.canParse(settings.stripeApiBase))
    problems.push('STRIPE_API_BASE must be an http or https URL');
  if (settings.receiptFont !== null && !existsSync(settings.receiptFont))
    problems.push('RECEIPT_FONT must be a font file that can be read');
  return settings;
}
