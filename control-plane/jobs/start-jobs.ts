import type { Logger } from 'pino';
import type { Database } from '#db/client.ts';
import { systemClock } from '#shared/clock.ts';
import { billingJobs, openBilling } from '../billing/billing-part.ts';
import type { BillingSettings } from '../billing/billing-settings.ts';
import { exportJob } from '../exports/write-export.ts';
import type { Mailbox } from '../mail/open-mailbox.ts';
import { mailJob } from '../mail/queue-mail.ts';
import { JobQueues } from './job-queues.ts';

export interface JobsOptions {
  readonly database: Database;
  readonly redisUrl: string;
  readonly logger: Logger;
  readonly mailbox: Mailbox;
  /** `null`: no payments are taken. */
  readonly billing: BillingSettings | null;
  /** How often rows are looked for that need a job, and balances that have fallen. */
  readonly sweepMs?: number;
}

const SWEEP_MS = 5_000;

/** Starts the worker of every queue. `close` waits for the jobs that run; what has not begun stays in its queue. */
export function startJobs({
  database,
  redisUrl,
  logger,
  mailbox,
  billing,
  sweepMs = SWEEP_MS,
}: JobsOptions): {
  readonly queues: JobQueues;
  close(): Promise<void>;
} {
  const queues = new JobQueues(redisUrl, logger);
  const bindings = [
    mailJob(database, mailbox),
    exportJob(database, systemClock),
    ...(billing ? billingJobs(openBilling(database, billing), queues, sweepMs) : []),
  ];
  const running = bindings.map((binding) => binding.start({ redisUrl, queues, database, logger, sweepMs }));
  return {
    queues,
    close: async () => {
      await Promise.all(running.map((worker) => worker.close()));
      await queues.close();
    },
  };
}
