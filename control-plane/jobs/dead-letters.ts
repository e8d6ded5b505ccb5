import { and, desc, eq, isNull, lt, sql } from 'drizzle-orm';
import type { Database, Transaction } from '#db/client.ts';
import { deadLetters } from '#db/schema/jobs.ts';
import { describeFault } from '../describe-fault.ts';
import { mintId } from '../mint-id.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { type JobPayloads, type JobQueues, QUEUE_NAMES, type QueueName } from './job-queues.ts';

const MAX_ERROR_LENGTH = 500;

export type DeadLetter = typeof deadLetters.$inferSelect;

/** Keeps a job that failed for the last time. */
export async function buryJob(
  database: Database,
  job: {
    readonly queue: QueueName;
    readonly payload: JobPayloads[QueueName];
    readonly attempts: number;
    readonly error: Error;
  },
): Promise<void> {
  const { type, message } = describeFault(job.error);
  await database.insert(deadLetters).values({
    id: mintId(),
    queue: job.queue,
    payload: { ...job.payload },
    error: `${type}: ${message ?? ''}`.slice(0, MAX_ERROR_LENGTH),
    attempts: job.attempts,
  });
}

/** Dead letters that nobody has run again, newest first. */
export async function listDeadLetters(
  database: Database,
  page: { readonly first: number; readonly before: string | null },
): Promise<DeadLetter[]> {
  return await database
    .select()
    .from(deadLetters)
    .where(
      and(isNull(deadLetters.replayedAt), page.before === null ? undefined : lt(deadLetters.id, page.before)),
    )
    .orderBy(desc(deadLetters.id))
    .limit(page.first);
}

/** How many dead letters of each queue nobody has run again; queues without any are absent. */
export async function countDeadLetters(database: Database): Promise<ReadonlyMap<string, number>> {
  const rows = await database
    .select({ queue: deadLetters.queue, count: sql<string>`count(*)` })
    .from(deadLetters)
    .where(isNull(deadLetters.replayedAt))
    .groupBy(deadLetters.queue);
  return new Map(rows.map((row) => [row.queue, Number(row.count)]));
}

/** Runs a dead letter's job once more, with all its attempts. Replaying it twice adds it once. */
export async function replayDeadLetter(
  tx: Transaction,
  queues: JobQueues,
  deadLetterId: string,
): Promise<Outcome<{ deadLetterId: string }>> {
  const [letter] = await tx.select().from(deadLetters).where(eq(deadLetters.id, deadLetterId)).for('update');
  const queue = QUEUE_NAMES.find((name) => name === letter?.queue);
  if (letter === undefined || queue === undefined)
    return refused([userError('NOT_FOUND', 'No such dead letter.', 'deadLetterId')]);
  if (letter.replayedAt !== null) return succeeded({ deadLetterId });
  // The payload was written by `buryJob` from a job of this very queue.
  const payload = letter.payload as JobPayloads[typeof queue];
  const added = await queues.add(queue, payload, { id: `replay-${letter.id}` });
  if (!added)
    return refused([
      userError('TRY_AGAIN', 'The queue cannot be reached right now. Please retry in a moment.'),
    ]);
  await tx.update(deadLetters).set({ replayedAt: sql`now()` }).where(eq(deadLetters.id, deadLetterId));
  return succeeded({ deadLetterId });
}
