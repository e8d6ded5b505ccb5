import { and, asc, eq, getTableColumns, inArray } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { webhookAttempts, webhookDeliveries, webhookEvents } from '#db/schema/webhooks.ts';
import { type IdRange, rangeOrder, withinRange } from '../id-range.ts';

const columns = {
  ...getTableColumns(webhookDeliveries),
  type: webhookEvents.type,
  data: webhookEvents.data,
  eventCreatedAt: webhookEvents.createdAt,
  aboutAccountId: webhookEvents.accountId,
};

/** A delivery with what it tells of. */
export type WebhookDeliveryRow = typeof webhookDeliveries.$inferSelect &
  Pick<typeof webhookEvents.$inferSelect, 'type' | 'data'> & {
    readonly eventCreatedAt: Date;
    readonly aboutAccountId: string;
  };
export type WebhookAttemptRow = typeof webhookAttempts.$inferSelect;

export interface DeliveryFilter {
  /** `null`: of all accounts. */
  readonly accountIds: readonly [string, ...string[]] | null;
  readonly endpointId: string | undefined;
  readonly status: WebhookDeliveryRow['status'] | undefined;
}

/** A stretch of the deliveries that the filter lets through, in no order. */
export async function listDeliveries(
  database: Database,
  { accountIds, endpointId, status }: DeliveryFilter,
  range: IdRange,
): Promise<WebhookDeliveryRow[]> {
  return await database
    .select(columns)
    .from(webhookDeliveries)
    .innerJoin(webhookEvents, eq(webhookEvents.id, webhookDeliveries.eventId))
    .where(
      and(
        accountIds === null ? undefined : inArray(webhookDeliveries.accountId, [...accountIds]),
        endpointId === undefined ? undefined : eq(webhookDeliveries.endpointId, endpointId),
        status === undefined ? undefined : eq(webhookDeliveries.status, status),
        ...withinRange(webhookDeliveries.id, range),
      ),
    )
    .orderBy(rangeOrder(webhookDeliveries.id, range))
    .limit(range.limit);
}

export async function findDeliveries(
  database: Database,
  ids: readonly string[],
): Promise<WebhookDeliveryRow[]> {
  return await database
    .select(columns)
    .from(webhookDeliveries)
    .innerJoin(webhookEvents, eq(webhookEvents.id, webhookDeliveries.eventId))
    .where(inArray(webhookDeliveries.id, [...ids]));
}

/** Every try of these deliveries, oldest first. */
export async function listAttemptsOf(
  database: Database,
  deliveryIds: readonly string[],
): Promise<WebhookAttemptRow[]> {
  return await database
    .select()
    .from(webhookAttempts)
    .where(inArray(webhookAttempts.deliveryId, [...deliveryIds]))
    .orderBy(asc(webhookAttempts.id));
}
