import { eq, sql } from 'drizzle-orm';
import type Stripe from 'stripe';
import type { Transaction } from '#db/client.ts';
import { billingProfiles, topUps } from '#db/schema/billing.ts';
import { postTransactions } from '../ledger/post-transaction.ts';
import { topUpCompleted } from '../webhooks/event-types.ts';
import { recordEvents } from '../webhooks/record-events.ts';
import { noteAutoTopUpResult } from './auto-top-up-result.ts';
import type { TopUp } from './begin-top-up.ts';
import { noticeReceipt } from './billing-notices.ts';
import type { BillingSettings } from './billing-settings.ts';
import { rememberCard } from './saved-cards.ts';
import { nanoOfCents } from './top-up-amount.ts';
import { topUpPosting } from './top-up-postings.ts';

/** A payment at Stripe that is not what our own row says: a person has to look before anything is credited. */
export class PaymentMismatch extends Error {
  override readonly name = 'PaymentMismatch';
}

/**
 * Turns a payment that has succeeded into credit: ledger, receipt, kept card and notice, all in the caller's transaction,
 * which holds the lock of the row. Throws {@link PaymentMismatch} for another amount or currency than the row's.
 */
export async function creditTopUp(
  tx: Transaction,
  settings: BillingSettings,
  topUp: TopUp,
  intent: Stripe.PaymentIntent,
): Promise<void> {
  const charged = topUp.creditCents + topUp.feeCents;
  if (intent.currency !== 'usd' || intent.amount_received !== charged)
    throw new PaymentMismatch(`${intent.id} received another amount than top-up ${topUp.id} expects`);
  await postTransactions(tx, [topUpPosting(topUp, intent.id)]);
  await recordEvents(tx, [topUpCompleted(topUp.accountId, topUp.id, nanoOfCents(topUp.creditCents))]);
  const method = typeof intent.payment_method === 'object' ? intent.payment_method : null;
  const card = method?.card ?? null;
  const paid = {
    paymentMethodType: method?.type ?? null,
    paymentMethodLabel: card ? `${card.brand} …${card.last4}` : (method?.type ?? null),
    receiptNumber: await nextReceiptNumber(tx, topUp.accountId),
  };
  await tx
    .update(topUps)
    .set({
      ...paid,
      status: 'succeeded',
      stripePaymentIntentId: intent.id,
      cardFingerprint: card?.fingerprint ?? topUp.cardFingerprint,
      failureCode: null,
      failureMessage: null,
      creditedAt: sql`now()`,
      updatedAt: sql`now()`,
    })
    .where(eq(topUps.id, topUp.id));
  if (method && keepsCard(intent)) await rememberCard(tx, topUp.accountId, method);
  if (topUp.channel === 'automatic') await noteAutoTopUpResult(tx, topUp, 'succeeded');
  await noticeReceipt(tx, settings, { ...topUp, ...paid });
}

/** Checkout sets the wish on the card's own options. */
function keepsCard(intent: Stripe.PaymentIntent): boolean {
  const wish = intent.setup_future_usage ?? intent.payment_method_options?.card?.setup_future_usage;
  return wish === 'off_session';
}

/** Numbers of one account have no gaps: `CM-`, what sets the account apart, and the count of its receipts. */
async function nextReceiptNumber(tx: Transaction, accountId: string): Promise<string> {
  const [profile] = await tx
    .insert(billingProfiles)
    .values({ accountId, receiptCount: 1 })
    .onConflictDoUpdate({
      target: billingProfiles.accountId,
      set: { receiptCount: sql`${billingProfiles.receiptCount} + 1` },
    })
    .returning({ count: billingProfiles.receiptCount });
  const account = accountId.replaceAll('-', '').slice(-12).toUpperCase();
  return `CM-${account}-${String(profile?.count ?? 1).padStart(4, '0')}`;
}
