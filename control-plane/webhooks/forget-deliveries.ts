import { sql } from 'drizzle-orm';
import type { Database } from '#db/client.ts';

/** How long events, deliveries and their tries stay in the log. */
export const WEBHOOK_LOG_DAYS = 30;
const EVENTS_AT_ONCE = 5_000;

/** Deletes events past their time with their deliveries and tries, but none that is still to be sent. Returns how many. */
export async function forgetOldEvents(database: Database): Promise<number> {
  const forgotten = await database.execute<{ id: string }>(sql`
    delete from webhook_events where id in (
      select id from webhook_events event
      where created_at < now() - make_interval(days => ${WEBHOOK_LOG_DAYS})
        and not exists (select from webhook_deliveries where event_id = event.id and status = 'pending')
      order by created_at limit ${EVENTS_AT_ONCE})
    returning id`);
  return forgotten.length;
}
