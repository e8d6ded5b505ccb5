import { and, eq, getTableColumns } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { apiKeys } from '#db/schema/api-keys.ts';
import { type IdRange, parentId, parentRows, rangeOrder, withinRange } from '../id-range.ts';

/** What may be shown of a key. The digest never leaves the database. */
const { digest: _, ...shownColumns } = getTableColumns(apiKeys);
export const apiKeyColumns = shownColumns;
export type ApiKeyRow = Omit<typeof apiKeys.$inferSelect, 'digest'>;

/** A stretch of the keys of each account, deleted ones included, in no order. One statement for all accounts. */
export async function listKeysOf(
  database: Database,
  accountIds: readonly string[],
  range: IdRange,
): Promise<ApiKeyRow[]> {
  const page = database
    .select(apiKeyColumns)
    .from(apiKeys)
    .where(and(eq(apiKeys.accountId, parentId), ...withinRange(apiKeys.id, range)))
    .orderBy(rangeOrder(apiKeys.id, range))
    .limit(range.limit)
    .as('page');
  return await database.select(page._.selectedFields).from(parentRows(accountIds)).crossJoinLateral(page);
}

/** A stretch of the keys of all accounts, in no order. */
export async function listAllKeys(database: Database, range: IdRange): Promise<ApiKeyRow[]> {
  return await database
    .select(apiKeyColumns)
    .from(apiKeys)
    .where(and(...withinRange(apiKeys.id, range)))
    .orderBy(rangeOrder(apiKeys.id, range))
    .limit(range.limit);
}
