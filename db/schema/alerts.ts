import { sql } from 'drizzle-orm';
import { bigint, check, pgTable, timestamp, uuid } from 'drizzle-orm/pg-core';
import { accounts } from './accounts.ts';

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
