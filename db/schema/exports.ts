import { sql } from 'drizzle-orm';
import {
  bigint,
  customType,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  real,
  text,
  timestamp,
  uuid,
} from 'drizzle-orm/pg-core';
import { accounts } from './accounts.ts';
import type { ledgerTransactions } from './ledger.ts';

const bytes = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => 'bytea' });

/** What an export is limited to besides its account and time; absent members leave a column open. */
export interface ExportFilter {
  readonly apiKeyId?: string;
  readonly model?: string;
  readonly dialect?: string;
  readonly status?: 'success' | 'error' | 'aborted';
  readonly endUser?: string;
  readonly kind?: (typeof ledgerTransactions.$inferSelect)['kind'];
}

/** CSV files of usage or ledger entries, made in the background. */
export const exports = pgTable(
  'exports',
  {
    /** UUIDv7: rises with time, so it is also the page cursor. */
    id: uuid('id').primaryKey(),
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id),
    subject: text('subject', { enum: ['usage', 'ledger'] }).notNull(),
    startsAt: timestamp('starts_at', { withTimezone: true, precision: 3 }).notNull(),
    endsAt: timestamp('ends_at', { withTimezone: true, precision: 3 }).notNull(),
    filter: jsonb('filter').$type<ExportFilter>().notNull(),
    status: text('status', { enum: ['running', 'done', 'failed'] })
      .notNull()
      .default('running'),
    /** The last row that is written; `null` before the first. Moves in the transaction of the chunk. */
    cursor: uuid('cursor'),
    chunkCount: integer('chunk_count').notNull().default(0),
    rowCount: bigint('row_count', { mode: 'number' }).notNull().default(0),
    byteCount: bigint('byte_count', { mode: 'number' }).notNull().default(0),
    /** 0 to 1, by time. */
    progress: real('progress').notNull().default(0),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().default(sql`now()`),
    finishedAt: timestamp('finished_at', { withTimezone: true, precision: 3 }),
    /** When it is deleted. */
    expiresAt: timestamp('expires_at', { withTimezone: true, precision: 3 }).notNull(),
  },
  (table) => [
    index('exports_account_idx').on(table.accountId, table.subject, table.id),
    index('exports_running_idx').on(table.id).where(sql`${table.status} = 'running'`),
    index('exports_expiry_idx').on(table.expiresAt),
  ],
);

/**
 * The files, in pieces of some thousand rows, each compressed. In Postgres and not in a folder, because the API that serves
 * a file and the worker that writes it need not be on one host, and because a piece is then kept exactly when it is counted.
 */
export const exportChunks = pgTable(
  'export_chunks',
  {
    exportId: uuid('export_id')
      .notNull()
      .references(() => exports.id, { onDelete: 'cascade' }),
    sequence: integer('sequence').notNull(),
    /** CSV, gzip. */
    content: bytes('content').notNull(),
  },
  (table) => [primaryKey({ columns: [table.exportId, table.sequence] })],
);
