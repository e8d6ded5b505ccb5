import { and, eq, inArray, type SQL } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { auditEntries } from '#db/schema/audit.ts';
import { type IdRange, parentId, parentRows, rangeOrder, withinRange } from '../id-range.ts';

export type AuditRow = typeof auditEntries.$inferSelect;

export interface AuditFilter {
  readonly mutation: string | undefined;
  /** Public id of what was changed. */
  readonly subjectId: string | undefined;
}

function matching({ mutation, subjectId }: AuditFilter): (SQL | undefined)[] {
  return [
    mutation === undefined ? undefined : eq(auditEntries.mutation, mutation),
    subjectId === undefined ? undefined : eq(auditEntries.subjectId, subjectId),
  ];
}

/** A stretch of the audit entries of each account, in no order. One statement for all accounts. */
export async function listAuditOf(
  database: Database,
  accountIds: readonly string[],
  filter: AuditFilter,
  range: IdRange,
): Promise<AuditRow[]> {
  const page = database
    .select()
    .from(auditEntries)
    .where(
      and(eq(auditEntries.accountId, parentId), ...matching(filter), ...withinRange(auditEntries.id, range)),
    )
    .orderBy(rangeOrder(auditEntries.id, range))
    .limit(range.limit)
    .as('page');
  return await database.select(page._.selectedFields).from(parentRows(accountIds)).crossJoinLateral(page);
}

/** A stretch of the whole audit log, in no order. */
export async function listAllAudit(
  database: Database,
  filter: AuditFilter,
  range: IdRange,
): Promise<AuditRow[]> {
  return await database
    .select()
    .from(auditEntries)
    .where(and(...matching(filter), ...withinRange(auditEntries.id, range)))
    .orderBy(rangeOrder(auditEntries.id, range))
    .limit(range.limit);
}

export async function findAudit(database: Database, ids: readonly string[]): Promise<AuditRow[]> {
  return await database
    .select()
    .from(auditEntries)
    .where(inArray(auditEntries.id, [...ids]));
}
