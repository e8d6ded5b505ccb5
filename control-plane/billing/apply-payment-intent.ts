import { eq, or, sql } from 'drizzle-orm';
import type Stripe from 'stripe';
import type { Transaction } from '#db/client.ts';
import { topUps } from '#db/schema/billing.ts';
import { postTransactions } from '../ledger/post-transaction.ts';
import { topUpCompleted } from '../webhooks/event-types.ts';
import { recordEvents } from '../webhooks/record-events.ts';
import { noteAutoTopUpResult } from './auto-top-up-result.ts';
import type { TopUp } from './begin-top-up.ts';
import type { BillingContext } from './billing-context.ts';
import { adviceFor } from './decline-advice.ts';
import { rememberCard } from './saved-cards.ts';
import { idOf } from './stripe-client.ts';
import { nanoOfCents } from './top-up-amount.ts';
import { topUpPosting } from './top-up-postings.ts';

/** A payment at Stripe that is not what our own row says: a person has to look before anything is credited. */
export class PaymentMismatch extends Error {
  override readonly name = 'PaymentMismatch';
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Brings the top-up of a payment intent to the state that Stripe shows now, and credits it once it has succeeded: once per
 * payment intent, ever. Reads Stripe itself, so events may arrive late, twice or in any order.
 */
export async function applyPaymentIntent(context: BillingContext, paymentIntentId: string): Promise<void> {
  const { database, stripe } = context;
  const intent = await stripe.paymentIntents.retrieve(paymentIntentId, {
    expand: ['payment_method', 'latest_charge'],
  });
  await database.transaction(async (tx) => {
    const topUp = await lockTopUp(tx, intent);
    if (topUp !== undefined) await applyToTopUp(tx, topUp, intent);
  });
}

/** The row of a payment; `undefined` for payments that this installation did not begin. */
async function lockTopUp(tx: Transaction, intent: Stripe.PaymentIntent): Promise<TopUp | undefined> {
  const named = intent.metadata.top_up_id ?? '';
  const [topUp] = await tx
    .select()
    .from(topUps)
    .where(
      or(eq(topUps.stripePaymentIntentId, intent.id), UUID.test(named) ? eq(topUps.id, named) : undefined),
    )
    .limit(1)
    .for('update');
  return topUp;
}

async function applyToTopUp(tx: Transaction, topUp: TopUp, intent: Stripe.PaymentIntent): Promise<void> {
  if (topUp.creditedAt !== null) return;
  if (intent.status === 'succeeded') return await credit(tx, topUp, intent);
  const status = openStatus(topUp, intent);
  const failure = intent.last_payment_error;
  await tx
    .update(topUps)
    .set({
      status,
      stripePaymentIntentId: intent.id,
      failureCode: failure?.decline_code ?? failure?.code ?? null,
      failureMessage: failure ? adviceFor(failure.decline_code ?? failure.code) : null,
      updatedAt: sql`now()`,
    })
    .where(eq(topUps.id, topUp.id));
  // Once per payment: the answer to the charge and its webhook both come here.
  if (topUp.channel === 'automatic' && status === 'failed' && topUp.status !== 'failed')
    await noteAutoTopUpResult(tx, topUp, 'declined');
}

function openStatus(topUp: TopUp, intent: Stripe.PaymentIntent): TopUp['status'] {
  switch (intent.status) {
    case 'requires_action':
      return 'requires_action';
    case 'processing':
      return 'processing';
    case 'canceled':
      return topUp.status === 'expired' ? 'expired' : 'canceled';
    default:
      // On the Checkout page the customer may try another card; a saved card that is declined has failed.
      if (topUp.channel === 'checkout') return topUp.status === 'expired' ? 'expired' : 'pending';
      return intent.last_payment_error ? 'failed' : 'pending';
  }
}

async function credit(tx: Transaction, topUp: TopUp, intent: Stripe.PaymentIntent): Promise<void> {
  const charged = topUp.creditCents + topUp.feeCents;
  if (intent.currency !== 'usd' || intent.amount_received !== charged)
    throw new PaymentMismatch(`${intent.id} received another amount than top-up ${topUp.id} expects`);
  await postTransactions(tx, [topUpPosting(topUp, intent.id)]);
  await recordEvents(tx, [topUpCompleted(topUp.accountId, topUp.id, nanoOfCents(topUp.creditCents))]);
  const method = typeof intent.payment_method === 'object' ? intent.payment_method : null;
  const card = method?.card ?? null;
  await tx
    .update(topUps)
    .set({
      status: 'succeeded',
      stripePaymentIntentId: intent.id,
      paymentMethodType: method?.type ?? null,
      paymentMethodLabel: card ? `${card.brand} …${card.last4}` : (method?.type ?? null),
      cardFingerprint: card?.fingerprint ?? topUp.cardFingerprint,
      failureCode: null,
      failureMessage: null,
      receiptNumber: receiptNumberOf(topUp),
      creditedAt: sql`now()`,
      updatedAt: sql`now()`,
    })
    .where(eq(topUps.id, topUp.id));
  if (method && intent.setup_future_usage === 'off_session') await rememberCard(tx, topUp.accountId, method);
  else if (method && keptOnCheckout(intent)) await rememberCard(tx, topUp.accountId, method);
  if (topUp.channel === 'automatic') await noteAutoTopUpResult(tx, topUp, 'succeeded');
}

/** Checkout sets the wish on the card's own options. */
function keptOnCheckout(intent: Stripe.PaymentIntent): boolean {
  const options = intent.payment_method_options?.card;
  return options !== undefined && options !== null && options.setup_future_usage === 'off_session';
}

/** Printed on receipts: the year, then what sets this top-up apart from all others. */
function receiptNumberOf(topUp: TopUp): string {
  return `CM-${topUp.createdAt.getUTCFullYear()}-${topUp.id.replaceAll('-', '').slice(-12).toUpperCase()}`;
}

/** The payment intent of a session, once the customer has chosen how to pay; then its state, or the session's end. */
export async function applyCheckoutSession(context: BillingContext, sessionId: string): Promise<void> {
  const { database, stripe } = context;
  const session = await stripe.checkout.sessions.retrieve(sessionId);
  const paymentIntentId = idOf(session.payment_intent);
  if (paymentIntentId !== null) await applyPaymentIntent(context, paymentIntentId);
  if (session.status !== 'expired') return;
  await database
    .update(topUps)
    .set({ status: 'expired', updatedAt: sql`now()` })
    .where(
      sql`${topUps.stripeSessionId} = ${session.id} and ${topUps.status} in ('pending', 'requires_action')`,
    );
}
