import type { Database } from '#db/client.ts';
import type { JobQueues } from '../jobs/job-queues.ts';
import type { RunnableBinding } from '../jobs/job-workers.ts';
import { stripeEventJob } from './apply-stripe-event.ts';
import { autoTopUpJob } from './auto-top-up.ts';
import type { BillingContext } from './billing-context.ts';
import { billingRoundsJob } from './billing-rounds.ts';
import type { BillingSettings } from './billing-settings.ts';
import { openStripe } from './stripe-client.ts';

/** What payments need in a process; nothing is sent before the first payment. */
export function openBilling(database: Database, settings: BillingSettings): BillingContext {
  return { database, stripe: openStripe(settings), settings };
}

/** The jobs of billing, for the worker process. */
export function billingJobs(
  context: BillingContext,
  queues: JobQueues,
  lowBalanceEveryMs: number,
): RunnableBinding[] {
  return [
    stripeEventJob(context),
    autoTopUpJob(context),
    billingRoundsJob(context, queues, lowBalanceEveryMs),
  ];
}
