import { desc, eq, inArray } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { apiKeyNetworks } from '#db/schema/api-keys.ts';
import { usageRecords } from '#db/schema/usage.ts';
import { parentId, parentRows } from '../id-range.ts';

/** When the last recorded request of each key was admitted, in the order of the ids. One index look-up per key. */
export async function lastUsesOf(database: Database, apiKeyIds: readonly string[]): Promise<(Date | null)[]> {
  const last = database
    .select({ apiKeyId: usageRecords.apiKeyId, occurredAt: usageRecords.occurredAt })
    .from(usageRecords)
    .where(eq(usageRecords.apiKeyId, parentId))
    .orderBy(desc(usageRecords.requestId))
    .limit(1)
    .as('last');
  const rows = await database
    .select({ apiKeyId: last.apiKeyId, occurredAt: last.occurredAt })
    .from(parentRows(apiKeyIds))
    .crossJoinLateral(last);
  const byKey = new Map(rows.map((row) => [row.apiKeyId, row.occurredAt]));
  return apiKeyIds.map((id) => byKey.get(id) ?? null);
}

/** The network that each key was last used from, in the order of the ids. */
export async function lastNetworksOf(
  database: Database,
  apiKeyIds: readonly string[],
): Promise<(string | null)[]> {
  const rows = await database
    .select({ apiKeyId: apiKeyNetworks.apiKeyId, network: apiKeyNetworks.network })
    .from(apiKeyNetworks)
    .where(inArray(apiKeyNetworks.apiKeyId, [...apiKeyIds]));
  const byKey = new Map(rows.map((row) => [row.apiKeyId, row.network]));
  return apiKeyIds.map((id) => byKey.get(id) ?? null);
}
