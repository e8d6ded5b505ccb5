import { and, eq, inArray, isNull, lt, max, sql } from 'drizzle-orm';
import type Stripe from 'stripe';
import { refunds, stripeEvents, topUps } from '#db/schema/billing.ts';
import { systemClock } from '#shared/clock.ts';
import type { JobQueues } from '../jobs/job-queues.ts';
import { applyCheckoutSession, applyPaymentIntent } from './apply-payment-intent.ts';
import { APPLIED_EVENT_TYPES } from './apply-stripe-event.ts';
import type { BillingContext } from './billing-context.ts';
import { payWithSavedCard } from './pay-with-saved-card.ts';
import { storeStripeEvents } from './receive-stripe-event.ts';
import { sendRefund } from './refund-top-up.ts';

/** Events may arrive this much after younger ones. */
const OVERLAP_S = 3_600;
/** Stripe keeps events for 30 days. */
const FIRST_LOOK_S = 29 * 86_400;
const MAX_EVENTS = 20_000;
const AGE_BEFORE_ASKING_MINUTES = 2;
const ROWS_AT_ONCE = 200;
/** A Checkout row that never got its page, or a payment that Stripe never heard of, is given up after this. */
const GIVE_UP_HOURS = 24;

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
  let batch: Stripe.Event[] = [];
  let seen = 0;
  for await (const event of stripe.events.list({ created: { gte: since }, limit: 100 })) {
    if (APPLIED_EVENT_TYPES.has(event.type)) batch.push(event);
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
  for (const topUp of open) {
    if (topUp.stripeSessionId !== null) await applyCheckoutSession(context, topUp.stripeSessionId);
    else if (topUp.stripePaymentIntentId !== null)
      await applyPaymentIntent(context, topUp.stripePaymentIntentId);
    else if (topUp.savedCardId !== null && isYoung(topUp.createdAt))
      await payWithSavedCard(context, topUp.id);
    else await giveUp(context, topUp.id);
  }
}

/** Stripe remembers idempotency keys for a day: within it, asking again cannot charge twice. */
function isYoung(createdAt: Date): boolean {
  return systemClock.nowMs() - createdAt.getTime() < (GIVE_UP_HOURS - 1) * 3_600_000;
}

async function giveUp({ database }: BillingContext, topUpId: string): Promise<void> {
  await database
    .update(topUps)
    .set({ status: 'expired', updatedAt: sql`now()` })
    .where(
      and(
        eq(topUps.id, topUpId),
        isNull(topUps.stripePaymentIntentId),
        isNull(topUps.stripeSessionId),
        lt(topUps.createdAt, sql`now() - make_interval(hours => ${GIVE_UP_HOURS})`),
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
