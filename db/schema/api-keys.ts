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
    /** Requests in flight at one time over all data planes; null: no limit. */
    concurrencyLimit: integer('concurrency_limit'),
    /** What the key may spend per period, nano-USD; null: no budget of its own. Periods begin at UTC midnight, weeks on Monday. */
    budgetNano: bigint('budget_nano', { mode: 'bigint' }),
    budgetPeriod: text('budget_period', { enum: ['none', 'day', 'week', 'month'] })
      .notNull()
      .default('none'),
    /** Catalog ids; null: every model. */
    allowedModels: text('allowed_models').array(),
    /** Addresses and CIDR ranges; null: from anywhere. */
    allowedAddresses: text('allowed_addresses').array(),
    /** The secret before the last rotation, which works until `previous_valid_until`. */
    previousDigest: text('previous_digest'),
    previousValidUntil: timestamp('previous_valid_until', { withTimezone: true, precision: 3 }),
    /** The owner's own id for this key; unique within the account while set. */
    externalId: text('external_id'),
    metadata: jsonb('metadata').$type<Readonly<Record<string, string>>>().notNull().default({}),
    expiresAt: timestamp('expires_at', { withTimezone: true, precision: 3 }),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
    deletedAt: timestamp('deleted_at', { withTimezone: true, precision: 3 }),
  },
  (table) => [
    uniqueIndex('api_keys_digest_key').on(table.digest),
    uniqueIndex('api_keys_previous_digest_key').on(table.previousDigest),
    uniqueIndex('api_keys_account_external_id_key').on(table.accountId, table.externalId),
    index('api_keys_account_idx').on(table.accountId, table.id),
    index('api_keys_metadata_idx').using('gin', sql`${table.metadata} jsonb_path_ops`),
    check('api_keys_status_known', sql`${table.status} in ('active', 'disabled', 'deleted')`),
    check('api_keys_limits_positive', sql`${table.rpmLimit} > 0 and ${table.tpmLimit} > 0`),
    check('api_keys_concurrency_positive', sql`${table.concurrencyLimit} > 0`),
    check('api_keys_budget_positive', sql`${table.budgetNano} > 0`),
    check('api_keys_budget_period_known', sql`${table.budgetPeriod} in ('none', 'day', 'week', 'month')`),
    check(
      'api_keys_previous_secret_whole',
      sql`(${table.previousDigest} is null) = (${table.previousValidUntil} is null)`,
    ),
  ],
);

/** Where each key was last used from, as data planes tell it once a minute. */
export const apiKeyNetworks = pgTable('api_key_networks', {
  apiKeyId: uuid('api_key_id').primaryKey(),
  usedAt: timestamp('used_at', { withTimezone: true, precision: 3 }).notNull(),
  /** CIDR range: a /24 of IPv4, a /48 of IPv6. */
  network: text('network').notNull(),
});

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
