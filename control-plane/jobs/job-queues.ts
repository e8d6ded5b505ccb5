import { type JobsOptions, Queue } from 'bullmq';
import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { systemClock } from '#shared/clock.ts';

/** Every queue with what its jobs carry: ids of rows, which are the truth. A lost job is found again by a sweep. */
export interface JobPayloads {
  /** Applies one stored webhook event. */
  'stripe-events': { readonly eventId: string };
  /** Tops an account up whose balance is below its threshold. */
  'auto-top-ups': { readonly accountId: string };
  /** Sends one mail of `queued_mails`. */
  mails: { readonly mailId: string };
  /** Writes one CSV file. */
  exports: { readonly exportId: string };
  /** What has to happen now and then, whoever does it. */
  'billing-rounds': { readonly round: BillingRound };
  /** Sends what is due for one webhook endpoint. */
  'webhook-deliveries': { readonly endpointId: string };
}
export type QueueName = keyof JobPayloads;
export type BillingRound = 'reconcile_with_stripe' | 'find_low_balances' | 'write_statements';

export const QUEUE_NAMES = [
  'stripe-events',
  'auto-top-ups',
  'mails',
  'exports',
  'billing-rounds',
  'webhook-deliveries',
] as const satisfies readonly QueueName[];
export const QUEUE_PREFIX = 'cm:jobs';

/** A job runs at most this often before it becomes a dead letter: over about half an hour. */
export const MAX_ATTEMPTS = 12;
const FIRST_RETRY_MS = 1_000;
const RETRY_JITTER = 0.5;

const JOB_OPTIONS: JobsOptions = {
  attempts: MAX_ATTEMPTS,
  backoff: { type: 'exponential', delay: FIRST_RETRY_MS, jitter: RETRY_JITTER },
  removeOnComplete: true,
  // The dead letter in Postgres is what remains, and a replay must be able to use the id again.
  removeOnFail: true,
};

export interface QueueHealth {
  readonly queue: QueueName;
  readonly waiting: number;
  readonly active: number;
  /** Waiting for their next attempt or their time. */
  readonly delayed: number;
  /** How long the oldest of those that could run has waited; 0 where none waits. */
  readonly oldestWaitingMs: number;
}

/** Puts jobs into their queues. Fails at once while Redis is away: the row that the job is about is swept up later. */
export class JobQueues {
  readonly #connection: Redis;
  readonly #queues = new Map<QueueName, Queue>();

  constructor(redisUrl: string, logger: Logger) {
    this.#connection = new Redis(redisUrl, {
      connectionName: 'job-queues',
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
    });
    this.#connection.on('error', () => undefined);
    for (const name of QUEUE_NAMES) {
      const queue = new Queue(name, {
        connection: this.#connection,
        prefix: QUEUE_PREFIX,
        defaultJobOptions: JOB_OPTIONS,
      });
      queue.on('error', (error) => logger.debug({ queue: name, reason: error.message }, 'A queue is away'));
      this.#queues.set(name, queue);
    }
  }

  /** Adds a job, or does nothing while one with this id is waiting or running. False: Redis is away. */
  async add<Name extends QueueName>(
    name: Name,
    payload: JobPayloads[Name],
    job: { readonly id: string; readonly delayMs?: number },
  ): Promise<boolean> {
    try {
      await this.#queue(name).add(name, payload, { jobId: job.id, delay: job.delayMs ?? 0 });
      return true;
    } catch {
      return false;
    }
  }

  /** Keeps a repeating job, one over all processes; calling it again changes nothing. */
  async repeat<Name extends QueueName>(
    name: Name,
    payload: JobPayloads[Name],
    schedule: { readonly id: string; readonly everyMs: number },
  ): Promise<void> {
    await this.#queue(name).upsertJobScheduler(
      schedule.id,
      { every: schedule.everyMs },
      { name, data: payload, opts: JOB_OPTIONS },
    );
  }

  async health(): Promise<QueueHealth[]> {
    return await Promise.all(
      QUEUE_NAMES.map(async (name) => {
        const queue = this.#queue(name);
        const [counts, [oldest]] = await Promise.all([
          queue.getJobCounts('waiting', 'active', 'delayed'),
          queue.getJobs(['wait'], 0, 0, true),
        ]);
        return {
          queue: name,
          waiting: counts.waiting ?? 0,
          active: counts.active ?? 0,
          delayed: counts.delayed ?? 0,
          oldestWaitingMs: oldest === undefined ? 0 : Math.max(0, systemClock.nowMs() - oldest.timestamp),
        };
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#queues.values()].map((queue) => queue.close()));
    this.#connection.disconnect();
  }

  #queue(name: QueueName): Queue {
    const queue = this.#queues.get(name);
    if (queue === undefined) throw new Error(`No queue ${name}`);
    return queue;
  }
}
