import { sql } from 'drizzle-orm';
import type { SqlExecutor } from '../ledger/sql-executor.ts';
import { mintId } from '../mint-id.ts';
import type { WebhookEvent } from './event-types.ts';

/** Postgres channel that says which endpoint has something to be sent; the payload is its id. */
export const DELIVERIES_WAITING_CHANNEL = 'webhook_deliveries';

/**
 * Writes events and their deliveries in the transaction of their cause: to the endpoints of each event's account and of
 * the partner that owns it, as far as they want to hear of it. An event that nobody wants to hear of leaves nothing.
 */
export async function recordEvents(tx: SqlExecutor, events: readonly WebhookEvent[]): Promise<void> {
  if (events.length === 0) return;
  const rows = events.map(({ accountId, type, data }) => ({
    id: mintId(),
    account_id: accountId,
    type,
    data,
  }));
  const heard = await tx.execute<{ event_id: string; endpoint_id: string; account_id: string }>(sql`
    select event.id as event_id, endpoint.id as endpoint_id, endpoint.account_id
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as event (id uuid, account_id uuid, type text)
    join accounts on accounts.id = event.account_id
    join webhook_endpoints endpoint on endpoint.account_id in (accounts.id, accounts.partner_id)
    where endpoint.status = 'enabled' and endpoint.deleted_at is null and event.type = any(endpoint.events)`);
  if (heard.length === 0) return;
  const wanted = new Set(heard.map((row) => row.event_id));
  await tx.execute(sql`
    insert into webhook_events (id, account_id, type, data)
    select id, account_id, type, data
    from json_to_recordset(${JSON.stringify(rows.filter((row) => wanted.has(row.id)))}::text::json)
      as event (id uuid, account_id uuid, type text, data json)`);
  await insertDeliveries(tx, heard);
}

/** Writes one event for one endpoint alone, whatever it wants to hear of. Returns the delivery's id. */
export async function recordEventFor(
  tx: SqlExecutor,
  endpoint: { readonly id: string; readonly accountId: string },
  event: WebhookEvent,
): Promise<string> {
  const id = mintId();
  await tx.execute(sql`
    insert into webhook_events (id, account_id, type, data)
    values (${id}, ${event.accountId}, ${event.type}, ${JSON.stringify(event.data)}::text::json)`);
  const heard = { event_id: id, endpoint_id: endpoint.id, account_id: endpoint.accountId };
  const [deliveryId = ''] = await insertDeliveries(tx, [heard]);
  return deliveryId;
}

async function insertDeliveries(
  tx: SqlExecutor,
  heard: readonly { event_id: string; endpoint_id: string; account_id: string }[],
): Promise<string[]> {
  const rows = heard.map((row) => ({ id: mintId(), ...row }));
  // The column rounds to milliseconds; rounded up, it would not be due yet when the word of it arrives.
  await tx.execute(sql`
    insert into webhook_deliveries (id, event_id, endpoint_id, account_id, next_attempt_at)
    select id, event_id, endpoint_id, account_id, date_trunc('milliseconds', now())
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
      as delivery (id uuid, event_id uuid, endpoint_id uuid, account_id uuid)`);
  await wakeDelivery(
    tx,
    heard.map((row) => row.endpoint_id),
  );
  return rows.map((row) => row.id);
}

/** Says at the commit that these endpoints have something to be sent. A lost word is made up for by a sweep. */
export async function wakeDelivery(tx: SqlExecutor, endpointIds: readonly string[]): Promise<void> {
  await tx.execute(sql`
    select pg_notify(${DELIVERIES_WAITING_CHANNEL}, endpoint_id)
    from jsonb_array_elements_text(${JSON.stringify([...new Set(endpointIds)])}::text::jsonb) as endpoint_id`);
}
