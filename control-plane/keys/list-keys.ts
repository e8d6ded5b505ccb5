import { and, eq, getTableColumns, type SQL, sql } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { apiKeys } from '#db/schema/api-keys.ts';
import { type IdRange, parentId, parentRows, rangeOrder, withinRange } from '../id-range.ts';
import type { Metadata } from '../metadata-rules.ts';

/** What may be shown of a key. The digest never leaves the database. */
const { digest: _digest, previousDigest: _previous, ...shownColumns } = getTableColumns(apiKeys);
export const apiKeyColumns = shownColumns;
export type ApiKeyRow = Omit<typeof apiKeys.$inferSelect, 'digest' | 'previousDigest'>;

export interface KeyFilter {
  readonly externalId: string | undefined;
  /** Entries that a key's metadata must have, all of them. */
  readonly metadata: Metadata | undefined;
  readonly status: ApiKeyRow['status'] | undefined;
}

function matching({ externalId, metadata, status }: KeyFilter): (SQL | undefined)[] {
  return [
    externalId === undefined ? undefined : eq(apiKeys.externalId, externalId),
    metadata === undefined ? undefined : sql`${apiKeys.metadata} @> ${JSON.stringify(metadata)}::text::jsonb`,
    status === undefined ? undefined : eq(apiKeys.status, status),
  ];
}

/** A stretch of the keys of each account, deleted ones included, in no order. One statement for all accounts. */
export async function listKeysOf(
  database: Database,
  accountIds: readonly string[],
  filter: KeyFilter,
  range: IdRange,
): Promise<ApiKeyRow[]> {
  const page = database
    .select(apiKeyColumns)
    .from(apiKeys)
    .where(and(eq(apiKeys.accountId, parentId), ...matching(filter), ...withinRange(apiKeys.id, range)))
    .orderBy(rangeOrder(apiKeys.id, range))
    .limit(range.limit)
    .as('page');
  return await database.select(page._.selectedFields).from(parentRows(accountIds)).crossJoinLateral(page);
}

/** A stretch of the keys of all accounts, in no order. */
export async function listAllKeys(
  database: Database,
  filter: KeyFilter,
  range: IdRange,
): Promise<ApiKeyRow[]> {
  return await database
    .select(apiKeyColumns)
    .from(apiKeys)
    .where(and(...matching(filter), ...withinRange(apiKeys.id, range)))
    .orderBy(rangeOrder(apiKeys.id, range))
    .limit(range.limit);
}
