import { sql } from 'drizzle-orm';
import { check, index, integer, pgTable, text, timestamp, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { accounts } from './accounts.ts';
import { models } from './catalog.ts';

/** Keys for `/v1`. The secret is shown once; the table has its SHA-256 digest and what lists show of it. */
export const apiKeys = pgTable(
  'api_keys',
  {
    id: uuid('id').primaryKey(),
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id),
    name: text('name').notNull(),
    digest: text('digest').notNull(),
    start: text('start').notNull(),
    last4: text('last4').notNull(),
    status: text('status', { enum: ['active', 'disabled', 'deleted'] })
      .notNull()
      .default('active'),
    rpmLimit: integer('rpm_limit').notNull(),
    tpmLimit: integer('tpm_limit').notNull(),
    expiresAt: timestamp('expires_at', { withTimezone: true, precision: 3 }),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
    deletedAt: timestamp('deleted_at', { withTimezone: true, precision: 3 }),
  },
  (table) => [
    uniqueIndex('api_keys_digest_key').on(table.digest),
    index('api_keys_account_idx').on(table.accountId, table.id),
    check('api_keys_status_known', sql`${table.status} in ('active', 'disabled', 'deleted')`),
    check('api_keys_limits_positive', sql`${table.rpmLimit} > 0 and ${table.tpmLimit} > 0`),
  ],
);

/** A name that one key's clients may call a model by. One step: an alias never points at an alias. */
export const modelAliases = pgTable(
  'model_aliases',
  {
    id: uuid('id').primaryKey(),
    apiKeyId: uuid('api_key_id')
      .notNull()
      .references(() => apiKeys.id),
    alias: text('alias').notNull(),
    kind: text('kind', { enum: ['exact', 'prefix'] }).notNull(),
    modelId: text('model_id')
      .notNull()
      .references(() => models.id),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('model_aliases_key_alias_key').on(table.apiKeyId, table.alias),
    check('model_aliases_kind_known', sql`${table.kind} in ('exact', 'prefix')`),
  ],
);
