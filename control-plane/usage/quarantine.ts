import { and, eq, inArray, isNotNull, isNull, type SQL, sql } from 'drizzle-orm';
import type { Database, Transaction } from '#db/client.ts';
import { usageQuarantine } from '#db/schema/usage.ts';
import { type IdRange, rangeOrder, withinRange } from '../id-range.ts';
import { SETTLED_NOTICE } from '../ledger/post-transaction.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { UsageExaminer } from './examine-usage.ts';
import { settleUsage } from './settle-usage.ts';

export type QuarantinedRow = typeof usageQuarantine.$inferSelect;

/** A stretch of the quarantined records: those that wait for an operator, those dealt with, or all. In no order. */
export async function listQuarantined(
  database: Database,
  state: 'waiting' | 'resolved' | undefined,
  range: IdRange,
): Promise<QuarantinedRow[]> {
  const inState: Record<string, SQL | undefined> = {
    waiting: isNull(usageQuarantine.resolvedAt),
    resolved: isNotNull(usageQuarantine.resolvedAt),
  };
  return await database
    .select()
    .from(usageQuarantine)
    .where(and(inState[state ?? ''], ...withinRange(usageQuarantine.id, range)))
    .orderBy(rangeOrder(usageQuarantine.id, range))
    .limit(range.limit);
}

export async function findQuarantined(database: Database, ids: readonly string[]): Promise<QuarantinedRow[]> {
  return await database
    .select()
    .from(usageQuarantine)
    .where(inArray(usageQuarantine.id, [...ids]));
}

/**
 * Examines a quarantined record again, now that its cause may be gone, and books it like any other: row, ledger and totals
 * in this transaction. Refused with its reason when it still cannot be booked, and when it was dealt with before. A request
 * that has been booked meanwhile is not booked again.
 */
export async function replayQuarantined(tx: Transaction, id: string): Promise<Outcome<{ id: string }>> {
  const row = await lockWaiting(tx, id);
  if (!('line' in row)) return refused([row]);
  const { sequence, spoolId } = row;
  const { records, poison } = await new UsageExaminer().examine(tx, [{ sequence, text: row.line }]);
  const [still] = poison;
  if (still) return refused([userError('STILL_POISON', `It cannot be booked: ${still.reason}.`, 'id')]);
  const { settled } = await settleUsage(tx, { spool: spoolId, name: `replay-${sequence}` }, records);
  for (const { accountId } of settled)
    await tx.execute(sql`select pg_notify(${SETTLED_NOTICE}, ${accountId})`);
  await resolve(tx, id, 'booked');
  return succeeded({ id });
}

/** Decides that a record will never be booked. It stays listed, with what was in it. */
export async function discardQuarantined(tx: Transaction, id: string): Promise<Outcome<{ id: string }>> {
  const row = await lockWaiting(tx, id);
  if (!('line' in row)) return refused([row]);
  await resolve(tx, id, 'discarded');
  return succeeded({ id });
}

async function lockWaiting(tx: Transaction, id: string) {
  const [row] = await tx.select().from(usageQuarantine).where(eq(usageQuarantine.id, id)).for('update');
  if (!row) return userError('NOT_FOUND', 'No such quarantined record.', 'id');
  return row.resolvedAt === null
    ? row
    : userError('QUARANTINE_RESOLVED', `It has been ${row.resolution} before.`, 'id');
}

async function resolve(tx: Transaction, id: string, resolution: 'booked' | 'discarded'): Promise<void> {
  await tx
    .update(usageQuarantine)
    .set({ resolution, resolvedAt: sql`now()` })
    .where(eq(usageQuarantine.id, id));
}
