import { bigint, date, index, pgTable, primaryKey, text, timestamp, uuid } from 'drizzle-orm/pg-core';

const figures = () => ({
  costNano: bigint('cost_nano', { mode: 'bigint' }).notNull(),
  requestCount: bigint('request_count', { mode: 'number' }).notNull(),
  successCount: bigint('success_count', { mode: 'number' }).notNull(),
  inputTokens: bigint('input_tokens', { mode: 'number' }).notNull(),
  outputTokens: bigint('output_tokens', { mode: 'number' }).notNull(),
  cacheReadTokens: bigint('cache_read_tokens', { mode: 'number' }).notNull(),
  cacheWriteTokens: bigint('cache_write_tokens', { mode: 'number' }).notNull(),
});

/** Usage by UTC hour, key, model and dialect: what analytics read instead of usage rows. Moved in the ingest transaction. */
export const usageHours = pgTable(
  'usage_hours',
  {
    accountId: uuid('account_id').notNull(),
    hour: timestamp('hour', { withTimezone: true, precision: 3 }).notNull(),
    apiKeyId: uuid('api_key_id').notNull(),
    /** '' for requests that failed before a model was known. */
    modelId: text('model_id').notNull(),
    dialect: text('dialect').notNull(),
    ...figures(),
  },
  (table) => [
    primaryKey({ columns: [table.accountId, table.hour, table.apiKeyId, table.modelId, table.dialect] }),
    index('usage_hours_hour_idx').on(table.hour),
  ],
);

/** Usage by key and UTC day. */
export const usageKeyDays = pgTable(
  'usage_key_days',
  { apiKeyId: uuid('api_key_id').notNull(), day: date('day', { mode: 'string' }).notNull(), ...figures() },
  (table) => [primaryKey({ columns: [table.apiKeyId, table.day] })],
);

/** Usage by end user (a keyed digest) and UTC hour. What was booked before hours were kept is in the first of its day. */
export const usageEndUserHours = pgTable(
  'usage_end_user_hours',
  {
    accountId: uuid('account_id').notNull(),
    hour: timestamp('hour', { withTimezone: true, precision: 3 }).notNull(),
    endUser: text('end_user').notNull(),
    ...figures(),
  },
  (table) => [primaryKey({ columns: [table.accountId, table.hour, table.endUser] })],
);
