import { sql } from 'drizzle-orm';
import { index, integer, jsonb, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core';

/** Jobs that failed as often as they may. An operator sees them and runs them again; nothing is dropped silently. */
export const deadLetters = pgTable(
  'dead_letters',
  {
    id: uuid('id').primaryKey(),
    queue: text('queue').notNull(),
    /** Ids only, never a secret: it names rows, which hold what the job works on. */
    payload: jsonb('payload').$type<Readonly<Record<string, string>>>().notNull(),
    error: text('error').notNull(),
    attempts: integer('attempts').notNull(),
    failedAt: timestamp('failed_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
    replayedAt: timestamp('replayed_at', { withTimezone: true, precision: 3 }),
  },
  (table) => [index('dead_letters_open_idx').on(table.id).where(sql`${table.replayedAt} is null`)],
);
