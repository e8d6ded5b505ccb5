import { and, eq, gte, inArray, lt, type SQL } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { usageRecords } from '#db/schema/usage.ts';
import { firstUuidAt } from '#db/usage-partitions.ts';
import { type IdRange, parentId, parentRows, rangeOrder, withinRange } from '../id-range.ts';

export type UsageRecordRow = typeof usageRecords.$inferSelect;

/** What listed records have in common; `undefined` leaves a column open. */
export interface UsageRecordFilter {
  /** From this instant on, and before the other. */
  readonly from: Date | undefined;
  readonly to: Date | undefined;
  readonly apiKeyId: string | undefined;
  readonly model: string | undefined;
  readonly dialect: string | undefined;
  readonly status: UsageRecordRow['status'] | undefined;
  readonly endUser: string | undefined;
}

/** Times become bounds of the request id, which is by time: they use its index and leave whole partitions out. */
function matching(filter: UsageRecordFilter): (SQL | undefined)[] {
  const { from, to, apiKeyId, model, dialect, status, endUser } = filter;
  return [
    from && gte(usageRecords.requestId, firstUuidAt(Math.max(from.getTime(), 0))),
    to && lt(usageRecords.requestId, firstUuidAt(Math.max(to.getTime(), 0))),
    apiKeyId === undefined ? undefined : eq(usageRecords.apiKeyId, apiKeyId),
    model === undefined ? undefined : eq(usageRecords.modelId, model),
    dialect === undefined ? undefined : eq(usageRecords.dialect, dialect),
    status === undefined ? undefined : eq(usageRecords.status, status),
    endUser === undefined ? undefined : eq(usageRecords.endUser, endUser),
  ];
}

/** A stretch of the usage records of each account, in no order. One statement for all accounts. */
export async function listUsageRecordsOf(
  database: Database,
  accountIds: readonly string[],
  filter: UsageRecordFilter,
  range: IdRange,
): Promise<UsageRecordRow[]> {
  const page = database
    .select()
    .from(usageRecords)
    .where(
      and(
        eq(usageRecords.accountId, parentId),
        ...matching(filter),
        ...withinRange(usageRecords.requestId, range),
      ),
    )
    .orderBy(rangeOrder(usageRecords.requestId, range))
    .limit(range.limit)
    .as('page');
  return await database.select(page._.selectedFields).from(parentRows(accountIds)).crossJoinLateral(page);
}

/** A stretch of the usage records of each API key, in no order. One statement for all keys. */
export async function listUsageRecordsOfKeys(
  database: Database,
  apiKeyIds: readonly string[],
  filter: UsageRecordFilter,
  range: IdRange,
): Promise<UsageRecordRow[]> {
  const page = database
    .select()
    .from(usageRecords)
    .where(
      and(
        eq(usageRecords.apiKeyId, parentId),
        ...matching(filter),
        ...withinRange(usageRecords.requestId, range),
      ),
    )
    .orderBy(rangeOrder(usageRecords.requestId, range))
    .limit(range.limit)
    .as('page');
  return await database.select(page._.selectedFields).from(parentRows(apiKeyIds)).crossJoinLateral(page);
}

/** A stretch of everybody's usage records, in no order. */
export async function listAllUsageRecords(
  database: Database,
  filter: UsageRecordFilter,
  range: IdRange,
): Promise<UsageRecordRow[]> {
  return await database
    .select()
    .from(usageRecords)
    .where(and(...matching(filter), ...withinRange(usageRecords.requestId, range)))
    .orderBy(rangeOrder(usageRecords.requestId, range))
    .limit(range.limit);
}

export async function findUsageRecords(
  database: Database,
  requestIds: readonly string[],
): Promise<UsageRecordRow[]> {
  return await database
    .select()
    .from(usageRecords)
    .where(inArray(usageRecords.requestId, [...requestIds]));
}
