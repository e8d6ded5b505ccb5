import type { Logger } from 'pino';
import type { Database } from '#db/client.ts';
import type { SealingKey } from '#shared/sealed-secret.ts';
import type { HttpRoute } from '../http-route.ts';
import { JobQueues } from '../jobs/job-queues.ts';
import type { BillingContext } from './billing-context.ts';
import { openBilling } from './billing-part.ts';
import type { BillingSettings } from './billing-settings.ts';
import { billingRoutes } from './http-routes.ts';

/** What an API process needs for payments: resources for GraphQL, and routes of their own. */
export interface Payments {
  readonly resources: { readonly queues: JobQueues; readonly billing?: BillingContext };
  readonly routes: readonly HttpRoute[];
}

/** Without `settings` no payments are taken, and only the queues are there, for the operator's view. */
export function openPayments(
  around: {
    readonly database: Database;
    readonly redisUrl: string;
    readonly sealingKey: SealingKey;
    readonly logger: Logger;
  },
  settings: BillingSettings | null,
): Payments {
  const { database, redisUrl, sealingKey, logger } = around;
  const queues = new JobQueues(redisUrl, logger);
  if (settings === null) return { resources: { queues }, routes: [] };
  const billing = openBilling(database, settings);
  return {
    resources: { queues, billing },
    routes: billingRoutes({ billing, queues, sealingKey, logger }),
  };
}
