import { index, jsonb, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core';

/**
 * Who changed what: one row per mutation that succeeded, written in the transaction of the mutation. Never a secret; a
 * trigger refuses to change or delete rows.
 */
export const auditEntries = pgTable(
  'audit_entries',
  {
    /** UUIDv7: rises with time, so it is also the page cursor. */
    id: uuid('id').primaryKey(),
    /** Whose object it was; null for the catalog and other things of the installation. */
    accountId: uuid('account_id'),
    actorKind: text('actor_kind', { enum: ['operator', 'management', 'user'] }).notNull(),
    /** Id of the access token or person. */
    actorId: uuid('actor_id').notNull(),
    actorName: text('actor_name').notNull(),
    clientAddress: text('client_address').notNull(),
    requestId: text('request_id').notNull(),
    mutation: text('mutation').notNull(),
    /** Kind and public id of what was changed; null where it is many things. */
    subjectKind: text('subject_kind'),
    subjectId: text('subject_id'),
    /** The input with secrets taken out. */
    input: jsonb('input').$type<unknown>().notNull(),
    before: jsonb('before').$type<unknown>(),
    after: jsonb('after').$type<unknown>(),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    index('audit_entries_account_idx').on(table.accountId, table.id),
    index('audit_entries_subject_idx').on(table.subjectId, table.id),
  ],
);
