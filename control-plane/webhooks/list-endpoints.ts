import { and, getTableColumns, inArray, isNull } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { webhookEndpoints } from '#db/schema/webhooks.ts';
import { type IdRange, rangeOrder, withinRange } from '../id-range.ts';

const { sealedSecret: _, sealedPreviousSecret: __, ...columns } = getTableColumns(webhookEndpoints);

/** What may be shown of an endpoint; its secrets never leave the database but to sign. */
export type WebhookEndpointRow = Omit<
  typeof webhookEndpoints.$inferSelect,
  'sealedSecret' | 'sealedPreviousSecret'
>;

/** Endpoints of these accounts, `null`: of all, that are not deleted, in no order. */
export async function listEndpoints(
  database: Database,
  accountIds: readonly [string, ...string[]] | null,
  range: IdRange,
): Promise<WebhookEndpointRow[]> {
  return await database
    .select(columns)
    .from(webhookEndpoints)
    .where(
      and(
        accountIds === null ? undefined : inArray(webhookEndpoints.accountId, [...accountIds]),
        isNull(webhookEndpoints.deletedAt),
        ...withinRange(webhookEndpoints.id, range),
      ),
    )
    .orderBy(rangeOrder(webhookEndpoints.id, range))
    .limit(range.limit);
}

export async function findEndpoints(
  database: Database,
  ids: readonly string[],
): Promise<WebhookEndpointRow[]> {
  return await database
    .select(columns)
    .from(webhookEndpoints)
    .where(inArray(webhookEndpoints.id, [...ids]));
}
