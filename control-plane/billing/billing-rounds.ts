import type { JobQueues } from '../jobs/job-queues.ts';
import { bindJob, type RunnableBinding } from '../jobs/job-workers.ts';
import { findLowBalances } from './auto-top-up.ts';
import type { BillingContext } from './billing-context.ts';
import { reconcileWithStripe } from './reconcile-with-stripe.ts';
import { writeDueStatements } from './write-statements.ts';

const RECONCILE_EVERY_MS = 60_000;
const STATEMENTS_EVERY_MS = 3_600_000;

/** The repeating work of billing, once over all workers. */
export function billingRoundsJob(
  context: BillingContext,
  queues: JobQueues,
  lowBalanceEveryMs: number,
): RunnableBinding {
  return bindJob({
    queue: 'billing-rounds',
    concurrency: 3,
    repeats: [
      {
        id: 'reconcile-with-stripe',
        everyMs: RECONCILE_EVERY_MS,
        payload: { round: 'reconcile_with_stripe' },
      },
      { id: 'find-low-balances', everyMs: lowBalanceEveryMs, payload: { round: 'find_low_balances' } },
      { id: 'write-statements', everyMs: STATEMENTS_EVERY_MS, payload: { round: 'write_statements' } },
    ],
    run: async ({ round }) => {
      switch (round) {
        case 'reconcile_with_stripe':
          return await reconcileWithStripe(context, queues);
        case 'find_low_balances':
          for (const accountId of await findLowBalances(context))
            await queues.add('auto-top-ups', { accountId }, { id: accountId });
          return;
        case 'write_statements':
          return await writeDueStatements(context.database);
      }
    },
  });
}
