import { sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { configChanges } from '#db/schema/config-changes.ts';

/** Postgres channel that wakes the snapshot publisher. */
export const CONFIG_CHANGED_CHANNEL = 'config_changed';

export type ConfigChange =
  | { readonly entity: 'key'; readonly entityId: string }
  | { readonly entity: 'account'; readonly entityId: string }
  | { readonly entity: 'catalog' };

/**
 * Puts a configuration change into the outbox, in the transaction of the change itself: data planes see it within a
 * second of the commit. Call it for every write to accounts, keys, aliases, models, prices, upstreams and routes.
 */
export async function recordConfigChange(tx: Transaction, change: ConfigChange): Promise<void> {
  await tx.insert(configChanges).values({
    entity: change.entity,
    entityId: change.entity === 'catalog' ? '' : change.entityId,
  });
  await tx.execute(sql`select pg_notify(${CONFIG_CHANGED_CHANNEL}, '')`);
}

/** As {@link recordConfigChange}, for many keys in one statement. */
export async function recordKeyChanges(tx: Transaction, apiKeyIds: readonly string[]): Promise<void> {
  await tx.execute(sql`
    insert into config_changes (entity, entity_id)
    select 'key', id from jsonb_array_elements_text(${JSON.stringify(apiKeyIds)}::text::jsonb) as id`);
  await tx.execute(sql`select pg_notify(${CONFIG_CHANGED_CHANNEL}, '')`);
}
