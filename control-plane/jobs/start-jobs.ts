import type { Logger } from 'pino';
import type { Database, Sql } from '#db/client.ts';
import { listenForever } from '#db/listen.ts';
import { systemClock } from '#shared/clock.ts';
import type { GuardedFetcher } from '#shared/guarded-fetch.ts';
import type { SealingKey } from '#shared/sealed-secret.ts';
import { billingJobs, openBilling } from '../billing/billing-part.ts';
import type { BillingSettings } from '../billing/billing-settings.ts';
import { exportJob } from '../exports/write-export.ts';
import type { Mailbox } from '../mail/open-mailbox.ts';
import { mailJob } from '../mail/queue-mail.ts';
import { deliverWebhooksJob } from '../webhooks/deliver-webhooks.ts';
import { DELIVERIES_WAITING_CHANNEL } from '../webhooks/record-events.ts';
import { JobQueues } from './job-queues.ts';

export interface JobsOptions {
  readonly database: Database;
  /** Plain client, to listen on. */
  readonly sql: Sql;
  readonly redisUrl: string;
  readonly logger: Logger;
  readonly sealingKey: SealingKey;
  readonly mailbox: Mailbox;
  /** The way to webhook endpoints. */
  readonly fetcher: GuardedFetcher;
  /** `null`: no payments are taken. */
  readonly billing: BillingSettings | null;
  /** How often rows are looked for that need a job, and balances that have fallen. */
  readonly sweepMs?: number;
}

const SWEEP_MS = 5_000;

/** Starts the worker of every queue. `close` waits for the jobs that run; what has not begun stays in its queue. */
export function startJobs(options: JobsOptions): {
  readonly queues: JobQueues;
  close(): Promise<void>;
} {
  const { database, sql, redisUrl, logger, mailbox, billing, sweepMs = SWEEP_MS } = options;
  const queues = new JobQueues(redisUrl, logger);
  const bindings = [
    exportJob(database, systemClock),
    ...(billing ? billingJobs(openBilling(database, billing), queues, sweepMs) : []),
    deliverWebhooksJob(options),
    mailJob(database, mailbox),
  ];
  const running = bindings.map((binding) => binding.start({ redisUrl, queues, database, logger, sweepMs }));
  // At once after the commit; a word that is lost is made up for by the sweep.
  const waiting = listenForever(
    sql,
    DELIVERIES_WAITING_CHANNEL,
    (endpointId) => void queues.add('webhook-deliveries', { endpointId }, { id: endpointId }),
    () => undefined,
  );
  return {
    queues,
    close: async () => {
      await waiting.stop();
      await Promise.all(running.map((worker) => worker.close()));
      await queues.close();
    },
  };
}
