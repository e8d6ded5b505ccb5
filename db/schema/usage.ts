import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  date,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import type { ServerToolCalls } from '#shared/token-usage.ts';

/**
 * One row per request, partitioned by month on the UUIDv7 `request_id` (bounds are the first ms of a month as a UUID),
 * so that the primary key is unique over all partitions. Never a prompt or a completion.
 */
export const usageRecords = pgTable(
  'usage_records',
  {
    requestId: uuid('request_id').primaryKey(),
    accountId: uuid('account_id').notNull(),
    apiKeyId: uuid('api_key_id').notNull(),
    occurredAt: timestamp('occurred_at', { withTimezone: true, precision: 3 }).notNull(),
    spoolId: text('spool_id').notNull(),
    requestedModel: text('requested_model'),
    modelId: text('model_id'),
    alias: text('alias'),
    dialect: text('dialect').notNull(),
    lane: text('lane'),
    upstream: text('upstream'),
    sandbox: boolean('sandbox').notNull(),
    stream: boolean('stream').notNull(),
    status: text('status', { enum: ['success', 'error', 'aborted'] }).notNull(),
    httpStatus: smallint('http_status').notNull(),
    errorCode: text('error_code'),
    inputTokens: integer('input_tokens').notNull(),
    outputTokens: integer('output_tokens').notNull(),
    reasoningTokens: integer('reasoning_tokens').notNull(),
    cacheReadTokens: integer('cache_read_tokens').notNull(),
    cacheWrite5mTokens: integer('cache_write_5m_tokens').notNull(),
    cacheWrite1hTokens: integer('cache_write_1h_tokens').notNull(),
    estimated: boolean('estimated').notNull(),
    /** As the provider served it, in its own words; `null` when it said nothing. */
    serviceTier: text('service_tier'),
    /** Calls of the provider's own tools; `null` when there were none. */
    serverTools: jsonb('server_tools').$type<ServerToolCalls>(),
    priceVersionId: uuid('price_version_id'),
    costNano: bigint('cost_nano', { mode: 'bigint' }).notNull(),
    latencyMs: integer('latency_ms').notNull(),
    firstTokenMs: integer('first_token_ms'),
    endUser: text('end_user'),
    requestCount: integer('request_count').notNull(),
    /** The ledger transaction that settled this row; `null` when it cost nothing. */
    settlementId: uuid('settlement_id'),
  },
  (table) => [
    index('usage_records_account_idx').on(table.accountId, table.requestId),
    index('usage_records_key_idx').on(table.apiKeyId, table.requestId),
  ],
);

/** How far each data-plane spool has been taken in. Locked by the ingest transaction. */
export const usageSpools = pgTable('usage_spools', {
  id: text('id').primaryKey(),
  highWater: bigint('high_water', { mode: 'number' }).notNull(),
  openedAt: timestamp('opened_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  closedAt: timestamp('closed_at', { withTimezone: true, precision: 3 }),
});

/** What each spool has had settled from each account's wallet: the `settled` counter of the quota arithmetic. */
export const usageSpoolWallets = pgTable(
  'usage_spool_wallets',
  {
    spoolId: text('spool_id').notNull(),
    accountId: uuid('account_id').notNull(),
    settledNano: bigint('settled_nano', { mode: 'bigint' }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.spoolId, table.accountId] }),
    index('usage_spool_wallets_account_idx').on(table.accountId),
  ],
);

/** What each key has spent of its budget in one period. The wallet is `key:<id>:<period label>`. */
export const usageBudgets = pgTable(
  'usage_budgets',
  {
    wallet: text('wallet').primaryKey(),
    apiKeyId: uuid('api_key_id').notNull(),
    period: text('period').notNull(),
    spentNano: bigint('spent_nano', { mode: 'bigint' }).notNull(),
    /** Counts settlements; guards the copy in Redis against reordering. */
    sequence: bigint('sequence', { mode: 'bigint' }).notNull(),
    /** The mark, in percent of the budget, that its account has been told of; 0: none. */
    toldPercent: smallint('told_percent').notNull().default(0),
  },
  (table) => [
    index('usage_budgets_key_idx').on(table.apiKeyId, table.period),
    index('usage_budgets_period_idx').on(table.period),
  ],
);

/** What each open spool has had settled from each budget. */
export const usageSpoolBudgets = pgTable(
  'usage_spool_budgets',
  {
    spoolId: text('spool_id').notNull(),
    wallet: text('wallet').notNull(),
    settledNano: bigint('settled_nano', { mode: 'bigint' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.spoolId, table.wallet] })],
);

/** The last that each open spool has written of what it was lent: what it may still spend when it falls silent. */
export const usageSpoolGrants = pgTable(
  'usage_spool_grants',
  {
    spoolId: text('spool_id').notNull(),
    wallet: text('wallet').notNull(),
    grantedNano: bigint('granted_nano', { mode: 'bigint' }).notNull(),
    returnedNano: bigint('returned_nano', { mode: 'bigint' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.spoolId, table.wallet] })],
);

/** Requests that cost more than was held for them: how far a balance can have been overrun, and by what. */
export const usageExcesses = pgTable(
  'usage_excesses',
  {
    requestId: uuid('request_id').primaryKey(),
    accountId: uuid('account_id').notNull(),
    apiKeyId: uuid('api_key_id').notNull(),
    excessNano: bigint('excess_nano', { mode: 'bigint' }).notNull(),
  },
  (table) => [index('usage_excesses_account_idx').on(table.accountId, table.requestId)],
);

/** Totals per account and UTC day, for `GET /v1/usage`. Moved in the ingest transaction. */
export const usageDays = pgTable(
  'usage_days',
  {
    accountId: uuid('account_id').notNull(),
    day: date('day', { mode: 'string' }).notNull(),
    costNano: bigint('cost_nano', { mode: 'bigint' }).notNull(),
    promptTokens: bigint('prompt_tokens', { mode: 'number' }).notNull(),
    completionTokens: bigint('completion_tokens', { mode: 'number' }).notNull(),
    requestCount: bigint('request_count', { mode: 'number' }).notNull(),
    successCount: bigint('success_count', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.accountId, table.day] })],
);

/** Records that could not be taken in, with the reason; an operator looks at them, then replays or discards them. */
export const usageQuarantine = pgTable(
  'usage_quarantine',
  {
    /** UUIDv7: rises with time, so it is also the page cursor. */
    id: uuid('id').notNull().default(sql`gen_random_uuid()`),
    spoolId: text('spool_id').notNull(),
    sequence: bigint('sequence', { mode: 'number' }).notNull(),
    line: text('line').notNull(),
    reason: text('reason').notNull(),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().default(sql`now()`),
    /** When an operator dealt with it: `null` while it waits. */
    resolvedAt: timestamp('resolved_at', { withTimezone: true, precision: 3 }),
    resolution: text('resolution', { enum: ['booked', 'discarded'] }),
  },
  (table) => [
    primaryKey({ columns: [table.spoolId, table.sequence] }),
    uniqueIndex('usage_quarantine_id_key').on(table.id),
    check(
      'usage_quarantine_resolution_whole',
      sql`(${table.resolvedAt} is null) = (${table.resolution} is null)`,
    ),
  ],
);

/**
 * What the rows of dropped partitions had cost, by the ledger transaction that settled them: with it the ledger can be
 * reconciled after the rows are gone.
 */
export const usageDroppedSettlements = pgTable('usage_dropped_settlements', {
  settlementId: uuid('settlement_id').primaryKey(),
  costNano: bigint('cost_nano', { mode: 'bigint' }).notNull(),
});
