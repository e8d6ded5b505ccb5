import { sql } from 'drizzle-orm';
import { index, pgTable, text, timestamp, uniqueIndex, uuid } from 'drizzle-orm/pg-core';

const moment = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

/**
 * Notices by mail, written in the transaction of their cause and sent by a job. Never a secret: sign-in mail does not come
 * this way.
 */
export const queuedMails = pgTable(
  'queued_mails',
  {
    id: uuid('id').primaryKey(),
    /** What the mail is about; the same cause writes one mail per address. */
    cause: text('cause').notNull(),
    recipient: text('recipient').notNull(),
    subject: text('subject').notNull(),
    text: text('text').notNull(),
    status: text('status', { enum: ['waiting', 'sent', 'dead'] })
      .notNull()
      .default('waiting'),
    createdAt: moment('created_at').notNull().defaultNow(),
    sentAt: moment('sent_at'),
  },
  (table) => [
    uniqueIndex('queued_mails_cause_key').on(table.cause, table.recipient),
    index('queued_mails_waiting_idx').on(table.id).where(sql`${table.status} = 'waiting'`),
  ],
);
