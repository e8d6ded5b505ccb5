import { type Job, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { Database } from '#db/client.ts';
import { describeFault } from '../describe-fault.ts';
import { buryJob } from './dead-letters.ts';
import {
  type JobPayloads,
  type JobQueues,
  MAX_ATTEMPTS,
  QUEUE_PREFIX,
  type QueueName,
} from './job-queues.ts';

/** A worker that dies without a word is replaced after this long. */
const LOCK_MS = 15_000;
const STALLED_CHECK_MS = 5_000;

/** What one queue's jobs do. Running a job twice must be harmless: a killed worker's job runs again. */
export interface JobBinding<Name extends QueueName> {
  readonly queue: Name;
  readonly concurrency: number;
  run(payload: JobPayloads[Name]): Promise<void>;
  /** Rows that need a job, wherever their jobs went. Asked every few seconds; a job that exists is not added again. */
  unfinished?(): Promise<readonly { readonly id: string; readonly payload: JobPayloads[Name] }[]>;
  /** The job has failed for the last time: its row must say so, or the sweep would bring it back. */
  buried?(payload: JobPayloads[Name]): Promise<void>;
  /** The job repeats this often, over all processes. */
  readonly repeats?: readonly {
    readonly id: string;
    readonly everyMs: number;
    readonly payload: JobPayloads[Name];
  }[];
}

/** A binding whose payload type is settled inside. */
export interface RunnableBinding {
  readonly queue: QueueName;
  start(around: WorkerSurroundings): RunningWorker;
}

export interface WorkerSurroundings {
  readonly redisUrl: string;
  readonly queues: JobQueues;
  readonly database: Database;
  readonly logger: Logger;
  /** How often rows are looked for that need a job. */
  readonly sweepMs: number;
}

interface RunningWorker {
  close(): Promise<void>;
}

/**
 * Turns a binding into a running worker: retries with back-off, a dead letter after the last attempt, and a sweep on a
 * plain timer that brings back jobs which a wiped Redis forgot. `close` waits for the jobs that run.
 */
export function bindJob<Name extends QueueName>(binding: JobBinding<Name>): RunnableBinding {
  return { queue: binding.queue, start: (around) => startWorker(binding, around) };
}

function startWorker<Name extends QueueName>(
  binding: JobBinding<Name>,
  { redisUrl, queues, database, logger, sweepMs }: WorkerSurroundings,
): RunningWorker {
  const connection = new Redis(redisUrl, {
    connectionName: `jobs-${binding.queue}`,
    maxRetriesPerRequest: null,
  });
  connection.on('error', () => undefined);
  const worker = new Worker<JobPayloads[Name]>(binding.queue, (job) => binding.run(job.data), {
    connection,
    prefix: QUEUE_PREFIX,
    concurrency: binding.concurrency,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_CHECK_MS,
    maxStalledCount: MAX_ATTEMPTS,
  });
  worker.on('error', (error) =>
    logger.debug({ queue: binding.queue, reason: error.message }, 'A worker lost its queue'),
  );
  worker.on('failed', (job, error) => void onFailure(binding, job, error, database, logger));
  const sweep = async (): Promise<void> => {
    try {
      for (const { id, everyMs, payload } of binding.repeats ?? [])
        await queues.repeat(binding.queue, payload, { id, everyMs });
      for (const { id, payload } of (await binding.unfinished?.()) ?? [])
        await queues.add(binding.queue, payload, { id });
    } catch (error) {
      logger.debug({ queue: binding.queue, fault: describeFault(error) }, 'A sweep found its store away');
    }
  };
  let sweeping = sweep();
  const timer = setInterval(() => {
    sweeping = sweeping.then(sweep);
  }, sweepMs);
  return {
    close: async () => {
      clearInterval(timer);
      await sweeping;
      await worker.close();
      connection.disconnect();
    },
  };
}

async function onFailure<Name extends QueueName>(
  binding: JobBinding<Name>,
  job: Job<JobPayloads[Name]> | undefined,
  error: Error,
  database: Database,
  logger: Logger,
): Promise<void> {
  const final = job !== undefined && job.attemptsMade >= (job.opts.attempts ?? 1);
  const log = { queue: binding.queue, job: job?.id, attempt: job?.attemptsMade, fault: describeFault(error) };
  if (!final) return logger.warn(log, 'A job failed and will be tried again');
  logger.error(log, 'A job failed for the last time and is a dead letter now');
  try {
    await buryJob(database, { queue: binding.queue, payload: job.data, attempts: job.attemptsMade, error });
    await binding.buried?.(job.data);
  } catch (buryError) {
    // Its row is still open, so the sweep brings the job back once Postgres is.
    logger.error({ queue: binding.queue, fault: describeFault(buryError) }, 'A dead letter was not written');
  }
}
