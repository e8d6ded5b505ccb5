import { and, eq, getTableColumns, inArray } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { apiKeys, modelAliases } from '#db/schema/api-keys.ts';
import { type IdRange, parentId, parentRows, rangeOrder, withinRange } from '../id-range.ts';

export type ModelAliasRow = typeof modelAliases.$inferSelect & {
  /** Who owns the key of the alias. */
  accountId: string;
};

/** A stretch of the aliases of each key, in no order. One statement for all keys. */
export async function listAliasesOf(
  database: Database,
  apiKeyIds: readonly string[],
  range: IdRange,
): Promise<ModelAliasRow[]> {
  const page = database
    .select()
    .from(modelAliases)
    .where(and(eq(modelAliases.apiKeyId, parentId), ...withinRange(modelAliases.id, range)))
    .orderBy(rangeOrder(modelAliases.id, range))
    .limit(range.limit)
    .as('page');
  return await database
    .select({ ...page._.selectedFields, accountId: apiKeys.accountId })
    .from(parentRows(apiKeyIds))
    .innerJoin(apiKeys, eq(apiKeys.id, parentId))
    .crossJoinLateral(page);
}

export async function findAliases(database: Database, ids: readonly string[]): Promise<ModelAliasRow[]> {
  return await database
    .select({ ...getTableColumns(modelAliases), accountId: apiKeys.accountId })
    .from(modelAliases)
    .innerJoin(apiKeys, eq(apiKeys.id, modelAliases.apiKeyId))
    .where(inArray(modelAliases.id, [...ids]));
}
