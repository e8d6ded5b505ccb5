import { and, eq, getTableColumns, inArray, isNotNull } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { accessTokens } from '#db/schema/accounts.ts';
import { type IdRange, parentId, parentRows, rangeOrder, withinRange } from '../id-range.ts';

const { digest: _, ...columns } = getTableColumns(accessTokens);

/** What may be shown of a management token; its digest never leaves the database. */
export type ManagementTokenRow = Omit<typeof accessTokens.$inferSelect, 'digest'>;

/** A stretch of the management tokens of each account, in no order. One statement for all accounts. */
export async function listManagementTokensOf(
  database: Database,
  accountIds: readonly string[],
  range: IdRange,
): Promise<ManagementTokenRow[]> {
  const page = database
    .select(columns)
    .from(accessTokens)
    .where(and(eq(accessTokens.accountId, parentId), ...withinRange(accessTokens.id, range)))
    .orderBy(rangeOrder(accessTokens.id, range))
    .limit(range.limit)
    .as('page');
  return await database.select(page._.selectedFields).from(parentRows(accountIds)).crossJoinLateral(page);
}

export async function findManagementTokens(
  database: Database,
  ids: readonly string[],
): Promise<ManagementTokenRow[]> {
  return await database
    .select(columns)
    .from(accessTokens)
    .where(and(inArray(accessTokens.id, [...ids]), isNotNull(accessTokens.accountId)));
}
