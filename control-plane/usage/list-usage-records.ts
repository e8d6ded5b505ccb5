import { and, eq, inArray } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { usageRecords } from '#db/schema/usage.ts';
import { type IdRange, parentId, parentRows, rangeOrder, withinRange } from '../id-range.ts';

export type UsageRecordRow = typeof usageRecords.$inferSelect;

/** A stretch of the usage records of each account, in no order. One statement for all accounts. */
export async function listUsageRecordsOf(
  database: Database,
  accountIds: readonly string[],
  range: IdRange,
): Promise<UsageRecordRow[]> {
  const page = database
    .select()
    .from(usageRecords)
    .where(and(eq(usageRecords.accountId, parentId), ...withinRange(usageRecords.requestId, range)))
    .orderBy(rangeOrder(usageRecords.requestId, range))
    .limit(range.limit)
    .as('page');
  return await database.select(page._.selectedFields).from(parentRows(accountIds)).crossJoinLateral(page);
}

/** A stretch of the usage records of each API key, in no order. One statement for all keys. */
export async function listUsageRecordsOfKeys(
  database: Database,
  apiKeyIds: readonly string[],
  range: IdRange,
): Promise<UsageRecordRow[]> {
  const page = database
    .select()
    .from(usageRecords)
    .where(and(eq(usageRecords.apiKeyId, parentId), ...withinRange(usageRecords.requestId, range)))
    .orderBy(rangeOrder(usageRecords.requestId, range))
    .limit(range.limit)
    .as('page');
  return await database.select(page._.selectedFields).from(parentRows(apiKeyIds)).crossJoinLateral(page);
}

/** A stretch of everybody's usage records, in no order. */
export async function listAllUsageRecords(database: Database, range: IdRange): Promise<UsageRecordRow[]> {
  return await database
    .select()
    .from(usageRecords)
    .where(and(...withinRange(usageRecords.requestId, range)))
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
