import { asc, eq, sql } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { stripeEvents } from '#db/schema/billing.ts';
import { bindJob, type RunnableBinding } from '../jobs/job-workers.ts';
import { applyDispute } from './apply-dispute.ts';
import { applyCheckoutSession, applyPaymentIntent } from './apply-payment-intent.ts';
import type { BillingContext } from './billing-context.ts';
import { applyRefund } from './refund-top-up.ts';
import { noteDetachedCard } from './saved-cards.ts';

type ApplyObject = (context: BillingContext, objectId: string) => Promise<void>;

/** What each event type makes us read again at Stripe. The event itself is only a hint: it may be late, repeated or old. */
const APPLIERS: Readonly<Record<string, ApplyObject>> = {
  'checkout.session.completed': applyCheckoutSession,
  'checkout.session.async_payment_succeeded': applyCheckoutSession,
  'checkout.session.async_payment_failed': applyCheckoutSession,
  'checkout.session.expired': applyCheckoutSession,
  'payment_intent.succeeded': applyPaymentIntent,
  'payment_intent.processing': applyPaymentIntent,
  'payment_intent.requires_action': applyPaymentIntent,
  'payment_intent.payment_failed': applyPaymentIntent,
  'payment_intent.canceled': applyPaymentIntent,
  'refund.created': applyRefund,
  'refund.updated': applyRefund,
  'refund.failed': applyRefund,
  'charge.dispute.created': applyDispute,
  'charge.dispute.updated': applyDispute,
  'charge.dispute.closed': applyDispute,
  'charge.dispute.funds_withdrawn': applyDispute,
  'charge.dispute.funds_reinstated': applyDispute,
  'payment_method.detached': ({ database }, id) => noteDetachedCard(database, id),
};
export const APPLIED_EVENT_TYPES: ReadonlySet<string> = new Set(Object.keys(APPLIERS));

const CONCURRENCY = 8;
const SWEEP_LIMIT = 500;

/** Applies stored webhook events. Running one again is harmless. */
export function stripeEventJob(context: BillingContext): RunnableBinding {
  const { database } = context;
  return bindJob({
    queue: 'stripe-events',
    concurrency: CONCURRENCY,
    run: async ({ eventId }) => {
      const [event] = await database.select().from(stripeEvents).where(eq(stripeEvents.id, eventId));
      if (event === undefined || event.status === 'applied') return;
      await APPLIERS[event.type]?.(context, event.objectId);
      await mark(database, eventId, 'applied');
    },
    unfinished: async () => {
      const waiting = await database
        .select({ id: stripeEvents.id })
        .from(stripeEvents)
        .where(eq(stripeEvents.status, 'received'))
        .orderBy(asc(stripeEvents.receivedAt))
        .limit(SWEEP_LIMIT);
      return waiting.map(({ id }) => ({ id, payload: { eventId: id } }));
    },
    buried: ({ eventId }) => mark(database, eventId, 'dead'),
  });
}

async function mark(database: Database, eventId: string, status: 'applied' | 'dead'): Promise<void> {
  await database
    .update(stripeEvents)
    .set({ status, appliedAt: status === 'applied' ? sql`now()` : null })
    .where(eq(stripeEvents.id, eventId));
}
