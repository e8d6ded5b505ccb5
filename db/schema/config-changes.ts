import { sql } from 'drizzle-orm';
import { bigint, bigserial, check, index, integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core';

/**
 * Outbox of configuration changes. A verb inserts a row in the transaction of its change; the publisher gives committed
 * rows gap-free sequence numbers under an advisory lock and sends the current state of what they name.
 */
export const configChanges = pgTable(
  'config_changes',
  {
    id: bigserial('id', { mode: 'bigint' }).primaryKey(),
    entity: text('entity', { enum: ['key', 'account', 'catalog'] }).notNull(),
    /** UUID of the key or account; empty for the catalog. */
    entityId: text('entity_id').notNull(),
    sequence: bigint('sequence', { mode: 'number' }),
    publishedAt: timestamp('published_at', { withTimezone: true, precision: 3 }),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    index('config_changes_unpublished_idx').on(table.id).where(sql`${table.publishedAt} is null`),
    index('config_changes_sequence_idx').on(table.sequence),
    check('config_changes_entity_known', sql`${table.entity} in ('key', 'account', 'catalog')`),
  ],
);

/** The last sequence number given out. One row. */
export const configSequence = pgTable(
  'config_sequence',
  {
    id: integer('id').primaryKey(),
    sequence: bigint('sequence', { mode: 'number' }).notNull(),
  },
  (table) => [check('config_sequence_single', sql`${table.id} = 1`)],
);
