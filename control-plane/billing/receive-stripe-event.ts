import type Stripe from 'stripe';
import { stripeEvents } from '#db/schema/billing.ts';
import type { JobQueues } from '../jobs/job-queues.ts';
import { APPLIED_EVENT_TYPES } from './apply-stripe-event.ts';
import type { BillingContext } from './billing-context.ts';

export type ReceivedEvent = 'stored' | 'bad_signature' | 'other_mode';

/**
 * Takes a webhook: checks the signature on the raw bytes and the mode, stores the event once and wakes the job that applies it. Throws
 * when it cannot be stored; Stripe then sends it again.
 */
export async function receiveStripeEvent(
  { database, stripe, settings }: BillingContext,
  queues: JobQueues,
  rawBody: Buffer,
  signature: string,
): Promise<ReceivedEvent> {
  let event: Stripe.Event;
  try {
    event = await stripe.webhooks.constructEventAsync(rawBody, signature, settings.stripeWebhookSecret);
  } catch {
    return 'bad_signature';
  }
  // The endpoint of the test mode with the secret of the live one, or the other way round: nothing in it concerns us.
  if (event.livemode !== isLiveKey(settings.stripeSecretKey)) return 'other_mode';
  await storeStripeEvents({ database }, queues, [event]);
  return 'stored';
}

function isLiveKey(secretKey: string): boolean {
  return /^[sr]k_live_/.test(secretKey);
}

/** Stores events that are not known yet, and wakes a job for each. Types that move nothing here are not worth a row. */
export async function storeStripeEvents(
  { database }: Pick<BillingContext, 'database'>,
  queues: JobQueues,
  events: readonly Stripe.Event[],
): Promise<void> {
  const rows = events.flatMap((event) => {
    const object = event.data.object as { readonly id?: unknown };
    if (!APPLIED_EVENT_TYPES.has(event.type) || typeof object.id !== 'string') return [];
    return [
      {
        id: event.id,
        type: event.type as string,
        objectId: object.id,
        stripeCreatedAt: new Date(event.created * 1000),
      },
    ];
  });
  if (rows.length === 0) return;
  const stored = await database
    .insert(stripeEvents)
    .values(rows)
    .onConflictDoNothing()
    .returning({ id: stripeEvents.id });
  for (const { id } of stored) await queues.add('stripe-events', { eventId: id }, { id });
}
