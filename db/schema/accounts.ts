import { sql } from 'drizzle-orm';
import {
  type AnyPgColumn,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';

/** Who pays. A customer of this installation, or of a partner. */
export const accounts = pgTable(
  'accounts',
  {
    id: uuid('id').primaryKey(),
    name: text('name').notNull(),
    /** A partner may own customer accounts; a customer owns none. */
    kind: text('kind', { enum: ['customer', 'partner'] })
      .notNull()
      .default('customer'),
    /** The partner that owns this customer; null: the installation's own. */
    partnerId: uuid('partner_id').references((): AnyPgColumn => accounts.id),
    /** The owner's own id for this account; unique among the accounts of one partner while set. */
    externalId: text('external_id'),
    metadata: jsonb('metadata').$type<Readonly<Record<string, string>>>().notNull().default({}),
    /** How many keys it may have that are not deleted; null: no limit. */
    apiKeyLimit: integer('api_key_limit'),
    status: text('status', { enum: ['active', 'suspended'] })
      .notNull()
      .default('active'),
    /** Who or what suspended it: a partner cannot end what an operator or a disputed payment began. */
    suspendedBy: text('suspended_by', { enum: ['operator', 'partner', 'dispute'] }),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('accounts_external_id_key').on(
      sql`coalesce(${table.partnerId}, '00000000-0000-0000-0000-000000000000'::uuid)`,
      table.externalId,
    ),
    index('accounts_partner_idx').on(table.partnerId, table.id),
    index('accounts_metadata_idx').using('gin', sql`${table.metadata} jsonb_path_ops`),
    check('accounts_status_known', sql`${table.status} in ('active', 'suspended')`),
    check('accounts_suspended_by_known', sql`${table.suspendedBy} in ('operator', 'partner', 'dispute')`),
    check('accounts_kind_known', sql`${table.kind} in ('customer', 'partner')`),
    check('accounts_partner_owns', sql`${table.kind} = 'customer' or ${table.partnerId} is null`),
    check('accounts_api_key_limit_positive', sql`${table.apiKeyLimit} > 0`),
  ],
);

/** Tokens for the GraphQL API. Only the SHA-256 digest of a token is stored. */
export const accessTokens = pgTable(
  'access_tokens',
  {
    id: uuid('id').primaryKey(),
    kind: text('kind', { enum: ['operator', 'management'] }).notNull(),
    /** The account a management token belongs to; an operator token has none. */
    accountId: uuid('account_id').references(() => accounts.id),
    name: text('name').notNull(),
    digest: text('digest').notNull(),
    /** What a management token may do; see `permissions.ts`. Operator tokens may do everything. */
    scopes: text('scopes').array().notNull().default([]),
    /** Addresses and CIDR ranges it may be used from; null: from anywhere. */
    allowedAddresses: text('allowed_addresses').array(),
    expiresAt: timestamp('expires_at', { withTimezone: true, precision: 3 }),
    revokedAt: timestamp('revoked_at', { withTimezone: true, precision: 3 }),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('access_tokens_digest_key').on(table.digest),
    index('access_tokens_account_idx').on(table.accountId, table.id),
    check('access_tokens_kind_known', sql`${table.kind} in ('operator', 'management')`),
    check('access_tokens_owner', sql`(${table.kind} = 'operator') = (${table.accountId} is null)`),
  ],
);

/**
 * The answers of creating mutations, sealed, for 24 h: the same key and input gets the same answer, the same key with
 * other input is an error. Deleted by a job after `expires_at`.
 */
export const idempotencyRecords = pgTable(
  'idempotency_records',
  {
    /** Who sent the key: the id of an access token or a person. */
    actorId: uuid('actor_id').notNull(),
    key: text('key').notNull(),
    mutation: text('mutation').notNull(),
    inputDigest: text('input_digest').notNull(),
    sealedAnswer: text('sealed_answer').notNull(),
    expiresAt: timestamp('expires_at', { withTimezone: true, precision: 3 }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.actorId, table.key] }),
    index('idempotency_records_expires_at_idx').on(table.expiresAt),
  ],
);
