import { and, eq, isNull, sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { billingProfiles, savedCards, topUps } from '#db/schema/billing.ts';
import { formatUsd, parseUsd } from '#shared/money.ts';
import { bindJob, type RunnableBinding } from '../jobs/job-workers.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { beginTopUp } from './begin-top-up.ts';
import type { BillingContext } from './billing-context.ts';
import type { BillingSettings } from './billing-settings.ts';
import { payWithSavedCard } from './pay-with-saved-card.ts';
import { nanoOfCents, readTopUpAmount, usdOfCents } from './top-up-amount.ts';

export interface AutoTopUpChange {
  readonly accountId: string;
  readonly enabled: boolean;
  /** Needed where `enabled`. */
  readonly thresholdUsd: string | null;
  readonly amountUsd: string | null;
  readonly monthlyCapUsd: string | null;
}

/** Switches automatic top-up on or off. Switching it on needs a saved card and forgets earlier declines. */
export async function updateAutoTopUp(
  tx: Transaction,
  settings: BillingSettings,
  change: AutoTopUpChange,
): Promise<Outcome<{ accountId: string }>> {
  const { accountId } = change;
  if (!change.enabled) {
    await tx
      .insert(billingProfiles)
      .values({ accountId })
      .onConflictDoUpdate({
        target: billingProfiles.accountId,
        set: { autoTopUpEnabled: false, autoDisabledReason: null },
      });
    return succeeded({ accountId });
  }
  const threshold = parseUsd(change.thresholdUsd ?? '');
  if (threshold === undefined || threshold < 0n)
    return refused([userError('INVALID_INPUT', 'The threshold is USD, 0 or more.', 'thresholdUsd')]);
  const amount = readTopUpAmount(change.amountUsd ?? '', settings, 'amountUsd');
  if (!amount.ok) return amount;
  const cap = parseUsd(change.monthlyCapUsd ?? '');
  if (cap === undefined || cap < nanoOfCents(amount.value.creditCents) || cap > nanoOfCents(2 ** 31 - 1)) {
    const least = usdOfCents(amount.value.creditCents);
    return refused([
      userError('INVALID_INPUT', `The monthly cap is USD, at least one top-up (${least}).`, 'monthlyCapUsd'),
    ]);
  }
  const [card] = await tx
    .select({ id: savedCards.id })
    .from(savedCards)
    .where(and(eq(savedCards.accountId, accountId), savedCards.isDefault));
  if (card === undefined)
    return refused([
      userError('NOT_FOUND', 'Automatic top-up needs a saved card. Pay through Checkout and keep the card.'),
    ]);
  const values = {
    autoTopUpEnabled: true,
    autoThresholdNano: threshold,
    autoAmountCents: amount.value.creditCents,
    autoMonthlyCapCents: Number(cap / nanoOfCents(1)),
    autoDeclines: 0,
    autoNextAttemptAt: null,
    autoDisabledReason: null,
  };
  await tx
    .insert(billingProfiles)
    .values({ accountId, ...values })
    .onConflictDoUpdate({ target: billingProfiles.accountId, set: values });
  return succeeded({ accountId });
}

const FOUND_AT_ONCE = 500;

/** Accounts that are due: below their threshold, not paused, nothing in flight, and the month's cap not reached. */
export async function findLowBalances({ database }: Pick<BillingContext, 'database'>): Promise<string[]> {
  const rows = await database.execute<{ account_id: string }>(sql`
    select profile.account_id
    from billing_profiles profile
    join accounts on accounts.id = profile.account_id and accounts.status = 'active'
    where ${isDue}
    limit ${FOUND_AT_ONCE}`);
  return rows.map((row) => row.account_id);
}

const isDue = sql`
  profile.auto_top_up_enabled
  and (profile.auto_next_attempt_at is null or profile.auto_next_attempt_at <= now())
  and coalesce((
    select sum(balance_nano) from ledger_balances
    join ledger_accounts on ledger_accounts.id = ledger_balances.ledger_account_id
    where ledger_accounts.account_id = profile.account_id), 0) < profile.auto_threshold_nano
  and not exists (
    select 1 from top_ups
    where top_ups.account_id = profile.account_id and channel = 'automatic'
      and top_ups.status in ('pending', 'requires_action', 'processing'))
  and profile.auto_amount_cents + coalesce((
    select sum(credit_cents) from top_ups
    where top_ups.account_id = profile.account_id and channel = 'automatic' and top_ups.status = 'succeeded'
      and top_ups.created_at >= date_trunc('month', now(), 'UTC')), 0) <= profile.auto_monthly_cap_cents`;

/** Tops one account up, if that is still due. The table allows one automatic top-up in flight per account. */
export function autoTopUpJob(context: BillingContext): RunnableBinding {
  const { database } = context;
  return bindJob({
    queue: 'auto-top-ups',
    concurrency: 4,
    run: async ({ accountId }) => {
      const topUpId = (await findInterrupted(database, accountId)) ?? (await beginIfDue(context, accountId));
      if (topUpId !== undefined) await payWithSavedCard(context, topUpId);
    },
  });
}

/** An automatic top-up that was written down before its worker died or Stripe went away: it is carried on. */
async function findInterrupted(
  database: BillingContext['database'],
  accountId: string,
): Promise<string | undefined> {
  const [topUp] = await database
    .select({ id: topUps.id })
    .from(topUps)
    .where(
      and(
        eq(topUps.accountId, accountId),
        eq(topUps.channel, 'automatic'),
        eq(topUps.status, 'pending'),
        isNull(topUps.stripePaymentIntentId),
      ),
    );
  return topUp?.id;
}

async function beginIfDue(
  { database, settings }: BillingContext,
  accountId: string,
): Promise<string | undefined> {
  return await database.transaction(async (tx) => {
    const [profile] = await tx.execute<{ amount_cents: number }>(sql`
      select auto_amount_cents as amount_cents from billing_profiles profile
      where profile.account_id = ${accountId} and ${isDue}
      for update`);
    if (profile === undefined) return undefined;
    const begun = await beginTopUp(tx, settings, {
      accountId,
      amountUsd: formatUsd(nanoOfCents(profile.amount_cents)),
      channel: 'automatic',
      savedCardId: null,
    });
    if (begun.ok) return begun.value.topUpId;
    const reason = begun.errors[0]?.message ?? 'It cannot be made.';
    await tx
      .update(billingProfiles)
      .set({ autoNextAttemptAt: sql`now() + interval '1 hour'`, autoDisabledReason: reason })
      .where(eq(billingProfiles.accountId, accountId));
    return undefined;
  });
}
