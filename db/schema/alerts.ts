import { sql } from 'drizzle-orm';
import { bigint, check, index, jsonb, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core';
import { accounts } from './accounts.ts';
import { users } from './people.ts';

const moment = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

/** What an account wants to be warned of, and what it has been warned of. */
export const accountAlerts = pgTable(
  'account_alerts',
  {
    accountId: uuid('account_id')
      .primaryKey()
      .references(() => accounts.id),
    /** A balance below this is low, nano-USD; null: no warning. */
    lowBalanceNano: bigint('low_balance_nano', { mode: 'bigint' }),
    /** Since when the balance is low: warned once, until it has been at or above the threshold again. */
    lowBalanceSince: moment('low_balance_since'),
  },
  (table) => [check('account_alerts_threshold_positive', sql`${table.lowBalanceNano} > 0`)],
);

/** A mail to one person about one account, written in the transaction of its cause and sent by a job. */
export const accountNotices = pgTable(
  'account_notices',
  {
    id: uuid('id').primaryKey(),
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    kind: text('kind').notNull(),
    /** What the text is made from. */
    data: jsonb('data').$type<Readonly<Record<string, string>>>().notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
    sentAt: moment('sent_at'),
    givenUpAt: moment('given_up_at'),
  },
  (table) => [
    index('account_notices_unsent_idx')
      .on(table.id)
      .where(sql`${table.sentAt} is null and ${table.givenUpAt} is null`),
    index('account_notices_created_idx').on(table.createdAt),
  ],
);
