import { and, eq, inArray, isNull, lt, max, sql } from 'drizzle-orm';
import Stripe from 'stripe';
import { billingProfiles, refunds, stripeEvents, topUps } from '#db/schema/billing.ts';
import { systemClock } from '#shared/clock.ts';
import type { JobQueues } from '../jobs/job-queues.ts';
import { applyCheckoutSession, applyPaymentIntent } from './apply-payment-intent.ts';
import { APPLIED_EVENT_TYPES } from './apply-stripe-event.ts';
import type { TopUp } from './begin-top-up.ts';
import type { BillingContext } from './billing-context.ts';
import { PaymentMismatch } from './credit-top-up.ts';
import { storeStripeEvents } from './receive-stripe-event.ts';
import { sendRefund } from './refund-top-up.ts';
import { ignoreStripeRefusal } from './stripe-client.ts';

/** Events may arrive this much after younger ones. */
const OVERLAP_S = 3_600;
/** Stripe keeps events for 30 days. */
const FIRST_LOOK_S = 29 * 86_400;
const MAX_EVENTS = 20_000;
const AGE_BEFORE_ASKING_MINUTES = 2;
const ROWS_AT_ONCE = 200;
/** A confirmation that nobody gave the bank, or a Checkout row that never got its page: given up after an hour. */
const ABANDONED_AFTER_MS = 3_600_000;
/** A charge that Stripe does not know by then was never asked for: longer than all retries of one request. */
const LOST_AFTER_MS = 300_000;
const CLOCK_TOLERANCE_S = 300;

/**
 * Asks Stripe for what webhooks did not bring: events that were never delivered, open top-ups, and refunds that were not
 * sent. Everything it finds goes the way that a webhook would, so doing it again changes nothing.
 */
export async function reconcileWithStripe(context: BillingContext, queues: JobQueues): Promise<void> {
  await fetchMissedEvents(context, queues);
  await settleOpenTopUps(context);
  await sendOpenRefunds(context);
}

async function fetchMissedEvents(context: BillingContext, queues: JobQueues): Promise<void> {
  const { database, stripe } = context;
  const [latest] = await database.select({ at: max(stripeEvents.stripeCreatedAt) }).from(stripeEvents);
  const nowS = Math.floor(systemClock.nowMs() / 1000);
  const latestS = latest?.at ? Math.floor(latest.at.getTime() / 1000) : 0;
  const since = Math.max(latestS - OVERLAP_S, nowS - FIRST_LOOK_S);
  const types = { types: [...APPLIED_EVENT_TYPES] };
  let batch: Stripe.Event[] = [];
  let seen = 0;
  for await (const event of stripe.events.list({ ...types, created: { gte: since }, limit: 100 })) {
    batch.push(event);
    seen += 1;
    if (batch.length >= 100) {
      await storeStripeEvents(context, queues, batch);
      batch = [];
    }
    if (seen >= MAX_EVENTS) break;
  }
  await storeStripeEvents(context, queues, batch);
}

async function settleOpenTopUps(context: BillingContext): Promise<void> {
  const open = await context.database
    .select()
    .from(topUps)
    .where(
      and(
        inArray(topUps.status, ['pending', 'requires_action', 'processing']),
        lt(topUps.updatedAt, sql`now() - make_interval(mins => ${AGE_BEFORE_ASKING_MINUTES})`),
      ),
    )
    .orderBy(topUps.updatedAt)
    .limit(ROWS_AT_ONCE);
  for (const topUp of open) await settleOne(context, topUp);
}

/** One that cannot be settled must not keep the others waiting: it is touched, so that it comes last in the next round. */
async function settleOne(context: BillingContext, topUp: TopUp): Promise<void> {
  try {
    await settleOpenTopUp(context, topUp);
  } catch (error) {
    // A mismatch is a dead letter of its event already.
    if (!(error instanceof PaymentMismatch || error instanceof Stripe.errors.StripeInvalidRequestError))
      throw error;
  }
  await context.database.update(topUps).set({ updatedAt: sql`now()` }).where(eq(topUps.id, topUp.id));
}

async function settleOpenTopUp(context: BillingContext, topUp: TopUp): Promise<void> {
  if (topUp.stripeSessionId !== null) return await applyCheckoutSession(context, topUp.stripeSessionId);
  const paymentIntentId = topUp.stripePaymentIntentId ?? (await findLostPayment(context, topUp));
  if (paymentIntentId === undefined) return await giveUp(context, topUp);
  if (topUp.status === 'requires_action' && ageMs(topUp) > ABANDONED_AFTER_MS)
    await context.stripe.paymentIntents.cancel(paymentIntentId).catch(ignoreStripeRefusal);
  await applyPaymentIntent(context, paymentIntentId);
}

/** A payment that was made while we were killed between asking and writing the answer down. */
async function findLostPayment(
  { database, stripe }: BillingContext,
  topUp: TopUp,
): Promise<string | undefined> {
  const [profile] = await database
    .select({ customer: billingProfiles.stripeCustomerId })
    .from(billingProfiles)
    .where(eq(billingProfiles.accountId, topUp.accountId));
  if (!profile?.customer) return undefined;
  const gte = Math.floor(topUp.createdAt.getTime() / 1000) - CLOCK_TOLERANCE_S;
  for await (const intent of stripe.paymentIntents.list({
    customer: profile.customer,
    created: { gte },
    limit: 100,
  }))
    if (intent.metadata.top_up_id === topUp.id) return intent.id;
  return undefined;
}

function ageMs(topUp: TopUp): number {
  return systemClock.nowMs() - topUp.createdAt.getTime();
}

/**
 * Stripe has no payment of this top-up. It is not asked for again: the customer was told to repeat the request, and a charge
 * that comes when nobody expects it any more is worse than none.
 */
async function giveUp({ database }: BillingContext, topUp: TopUp): Promise<void> {
  const patienceMs = topUp.channel === 'checkout' ? ABANDONED_AFTER_MS : LOST_AFTER_MS;
  if (ageMs(topUp) < patienceMs) return;
  await database
    .update(topUps)
    .set({ status: topUp.channel === 'checkout' ? 'expired' : 'canceled', updatedAt: sql`now()` })
    .where(
      and(
        eq(topUps.id, topUp.id),
        eq(topUps.status, 'pending'),
        isNull(topUps.stripePaymentIntentId),
        isNull(topUps.stripeSessionId),
      ),
    );
}

async function sendOpenRefunds(context: BillingContext): Promise<void> {
  const open = await context.database
    .select({ id: refunds.id })
    .from(refunds)
    .where(
      and(
        eq(refunds.status, 'pending'),
        isNull(refunds.stripeRefundId),
        lt(refunds.createdAt, sql`now() - make_interval(mins => ${AGE_BEFORE_ASKING_MINUTES})`),
      ),
    )
    .limit(ROWS_AT_ONCE);
  for (const { id } of open) await sendRefund(context, id);
}
