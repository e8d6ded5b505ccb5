import { sql } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import type { EventData } from './event-types.ts';

/** A delivery that this worker may send now; nobody else gets it until the claim ends. */
export interface ClaimedDelivery {
  readonly id: string;
  readonly endpointId: string;
  readonly url: string;
  readonly sealedSecret: string;
  /** `null` outside of a rotation. */
  readonly sealedPreviousSecret: string | null;
  /** How often it was tried since the event or the last replay. */
  readonly attempts: number;
  readonly eventId: string;
  readonly type: string;
  readonly data: EventData;
  readonly createdAt: Date;
}

/** Longer than a try can last, and than the pause after which a dead worker's job is taken over. */
const CLAIM_SECONDS = 30;
const ENDPOINTS_AT_ONCE = 1_000;

/** Endpoints for which something is due. */
export async function endpointsWithDueDeliveries(database: Database): Promise<string[]> {
  const rows = await database.execute<{ id: string }>(sql`
    select endpoint.id from webhook_endpoints endpoint
    where exists (select from webhook_deliveries delivery
      where delivery.endpoint_id = endpoint.id and delivery.status = 'pending' and delivery.next_attempt_at <= now()
        and (delivery.claimed_until is null or delivery.claimed_until < now()))
    limit ${ENDPOINTS_AT_ONCE}`);
  return rows.map((row) => row.id);
}

/** Claims up to `limit` due deliveries of an endpoint, oldest first. What belongs to a switched-off one is canceled. */
export async function claimDeliveries(
  database: Database,
  endpointId: string,
  limit: number,
): Promise<ClaimedDelivery[]> {
  const rows = await database.execute<ClaimedRow>(sql`
    with due as (
      select id from webhook_deliveries
      where endpoint_id = ${endpointId} and status = 'pending' and next_attempt_at <= now()
        and (claimed_until is null or claimed_until < now())
      order by next_attempt_at, id limit ${limit} for update skip locked)
    update webhook_deliveries delivery
    set claimed_until = case when ${isOn} then now() + make_interval(secs => ${CLAIM_SECONDS}) end,
      status = case when ${isOn} then 'pending' else 'canceled' end,
      finished_at = case when ${isOn} then null else now() end
    from due, webhook_endpoints endpoint, webhook_events event
    where delivery.id = due.id and endpoint.id = delivery.endpoint_id and event.id = delivery.event_id
    returning delivery.id, delivery.endpoint_id, delivery.status, delivery.attempts, endpoint.url,
      endpoint.sealed_secret, event.id as event_id, event.type, event.data,
      to_char(event.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as created_at,
      case when endpoint.previous_valid_until > now() then endpoint.sealed_previous_secret end as sealed_previous_secret`);
  return rows.flatMap((row) =>
    row.status === 'pending'
      ? [
          {
            id: row.id,
            endpointId: row.endpoint_id,
            url: row.url,
            sealedSecret: row.sealed_secret,
            sealedPreviousSecret: row.sealed_previous_secret,
            attempts: row.attempts,
            eventId: row.event_id,
            type: row.type,
            data: row.data,
            createdAt: new Date(row.created_at),
          },
        ]
      : [],
  );
}

const isOn = sql`endpoint.status = 'enabled' and endpoint.deleted_at is null`;

interface ClaimedRow extends Record<string, unknown> {
  readonly id: string;
  readonly endpoint_id: string;
  readonly status: string;
  readonly attempts: number;
  readonly url: string;
  readonly sealed_secret: string;
  readonly sealed_previous_secret: string | null;
  readonly event_id: string;
  readonly type: string;
  readonly data: EventData;
  readonly created_at: string;
}
