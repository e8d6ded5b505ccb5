import { and, count, eq, sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { type ExportFilter, exports } from '#db/schema/exports.ts';
import { systemClock } from '#shared/clock.ts';
import { type Reach, reachesAccount } from '../accounts/authorize.ts';
import { mintId } from '../mint-id.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';

/** Also how long its rows are kept in the database a second time. */
export const EXPORT_RETENTION_DAYS = 7;
export const MAX_EXPORT_DAYS = 366;
/** Per account, done ones included: each may hold millions of rows. */
const MAX_EXPORTS = 20;
const MAX_RUNNING = 3;
const MS_PER_DAY = 86_400_000;

export type ExportSubject = 'usage' | 'ledger';

/**
 * Notes an export that the workers then write. What is booked after this moment is not in it, so `endsAt` is now at the
 * latest.
 */
export async function createExport(
  tx: Transaction,
  reach: Reach,
  wanted: {
    readonly accountId: string;
    readonly subject: ExportSubject;
    readonly from: Date;
    readonly to: Date;
    readonly filter: ExportFilter;
  },
): Promise<Outcome<{ exportId: string }>> {
  const { accountId, subject, from, to, filter } = wanted;
  if (from >= to) return refused([userError('INVALID_INPUT', '`from` must be before `to`.', 'from')]);
  if (to.getTime() - from.getTime() > MAX_EXPORT_DAYS * MS_PER_DAY)
    return refused([userError('INVALID_INPUT', `At most ${MAX_EXPORT_DAYS} days in one export.`, 'to')]);
  if (from.getTime() < 0) return refused([userError('INVALID_INPUT', 'Nothing is as old as that.', 'from')]);
  if (!(await reachesAccount(tx, reach, accountId)))
    return refused([userError('NOT_FOUND', 'No such account.', 'accountId')]);
  // Two calls at one time must not pass the limit together.
  await tx.select({ id: accounts.id }).from(accounts).where(eq(accounts.id, accountId)).for('update');
  const [kept] = await tx
    .select({ all: count(), running: count(sql`case when ${exports.status} = 'running' then 1 end`) })
    .from(exports)
    .where(and(eq(exports.accountId, accountId)));
  if ((kept?.running ?? 0) >= MAX_RUNNING || (kept?.all ?? 0) >= MAX_EXPORTS) {
    const message = `An account has at most ${MAX_RUNNING} exports under way and ${MAX_EXPORTS} in ${EXPORT_RETENTION_DAYS} days.`;
    return refused([userError('EXPORT_LIMIT_REACHED', message, 'accountId')]);
  }
  const nowMs = systemClock.nowMs();
  const exportId = mintId();
  await tx.insert(exports).values({
    id: exportId,
    accountId,
    subject,
    startsAt: from,
    endsAt: new Date(Math.min(to.getTime(), nowMs)),
    filter,
    expiresAt: new Date(nowMs + EXPORT_RETENTION_DAYS * MS_PER_DAY),
  });
  return succeeded({ exportId });
}
