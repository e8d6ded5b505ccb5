import { sql } from 'drizzle-orm';
import {
  bigint,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { accounts } from './accounts.ts';

/**
 * Double entry, append only. An entry's amount is nano-USD, positive when it increases what the account is owed
 * (a customer's credit, our revenue); the entries of a transaction sum to zero, checked by a constraint trigger at
 * commit. Entries and transactions cannot be updated or deleted: corrections are new transactions.
 */
export const ledgerAccounts = pgTable(
  'ledger_accounts',
  {
    id: uuid('id').primaryKey(),
    kind: text('kind', {
      enum: [
        'customer_available',
        'customer_promotional',
        'usage_revenue',
        'stripe_clearing',
        'fees',
        'refunds',
        'disputes',
        'adjustments',
      ],
    }).notNull(),
    /** The customer, for customer accounts; system accounts have none. */
    accountId: uuid('account_id').references(() => accounts.id),
  },
  (table) => [
    uniqueIndex('ledger_accounts_customer_key')
      .on(table.accountId, table.kind)
      .where(sql`${table.accountId} is not null`),
    uniqueIndex('ledger_accounts_system_key').on(table.kind).where(sql`${table.accountId} is null`),
    check(
      'ledger_accounts_owner',
      sql`(${table.kind} in ('customer_available', 'customer_promotional')) = (${table.accountId} is not null)`,
    ),
  ],
);

export const ledgerTransactions = pgTable(
  'ledger_transactions',
  {
    id: uuid('id').primaryKey(),
    kind: text('kind', {
      enum: [
        'usage',
        'credit_grant',
        'credit_allocation',
        'promotional_grant',
        'promotional_expiry',
        'top_up',
        'refund',
        'dispute',
        'reversal',
      ],
    }).notNull(),
    idempotencyKey: text('idempotency_key').notNull(),
    description: text('description').notNull(),
    metadata: jsonb('metadata').$type<Record<string, string>>().notNull().default({}),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [uniqueIndex('ledger_transactions_idempotency_key').on(table.idempotencyKey)],
);

export const ledgerEntries = pgTable(
  'ledger_entries',
  {
    /** UUIDv7: rises with time, so it is also the page cursor. */
    id: uuid('id').primaryKey(),
    transactionId: uuid('transaction_id')
      .notNull()
      .references(() => ledgerTransactions.id),
    ledgerAccountId: uuid('ledger_account_id')
      .notNull()
      .references(() => ledgerAccounts.id),
    amountNano: bigint('amount_nano', { mode: 'bigint' }).notNull(),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    index('ledger_entries_account_idx').on(table.ledgerAccountId, table.id),
    index('ledger_entries_transaction_idx').on(table.transactionId),
    check('ledger_entries_not_zero', sql`${table.amountNano} <> 0`),
  ],
);

/** A cache of the sum of entries, moved in the transaction that posts them and verified by a job. */
export const ledgerBalances = pgTable('ledger_balances', {
  ledgerAccountId: uuid('ledger_account_id')
    .primaryKey()
    .references(() => ledgerAccounts.id),
  balanceNano: bigint('balance_nano', { mode: 'bigint' }).notNull(),
  /** Counts postings; guards the copy in Redis against reordering. */
  sequence: bigint('sequence', { mode: 'bigint' }).notNull(),
});

/**
 * Promotional credit by grant, spent before paid credit, what expires first first. `remaining` follows the ledger: the sum
 * over an account's grants is the balance of its promotional ledger account.
 */
export const promotionalGrants = pgTable(
  'promotional_grants',
  {
    id: uuid('id').primaryKey(),
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id),
    transactionId: uuid('transaction_id')
      .notNull()
      .references(() => ledgerTransactions.id),
    amountNano: bigint('amount_nano', { mode: 'bigint' }).notNull(),
    remainingNano: bigint('remaining_nano', { mode: 'bigint' }).notNull(),
    /** `null`: never. */
    expiresAt: timestamp('expires_at', { withTimezone: true, precision: 3 }),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    index('promotional_grants_unspent_idx').on(table.accountId).where(sql`${table.remainingNano} > 0`),
    index('promotional_grants_expiry_idx').on(table.expiresAt).where(sql`${table.remainingNano} > 0`),
    check(
      'promotional_grants_remaining_within',
      sql`${table.remainingNano} >= 0 and ${table.remainingNano} <= ${table.amountNano}`,
    ),
  ],
);

/** Results of the reconciliation job, newest last. */
export const reconciliations = pgTable('reconciliations', {
  id: uuid('id').primaryKey(),
  startedAt: timestamp('started_at', { withTimezone: true, precision: 3 }).notNull(),
  finishedAt: timestamp('finished_at', { withTimezone: true, precision: 3 }).notNull(),
  /** How many differences were found; `differences` lists the first of them. */
  differenceCount: integer('difference_count').notNull(),
  differences: jsonb('differences').$type<ReconciliationDifference[]>().notNull(),
  /** What was compared, by name of the check. */
  checked: jsonb('checked').$type<Record<string, number>>().notNull(),
});

/** One figure that is not what it should be. Amounts are nano-USD as decimal text, or counts. */
export interface ReconciliationDifference {
  readonly check: string;
  /** The row at fault: table and key. */
  readonly subject: string;
  readonly expected: string;
  readonly found: string;
}
