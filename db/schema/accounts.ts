import { sql } from 'drizzle-orm';
import { check, index, pgTable, primaryKey, text, timestamp, uniqueIndex, uuid } from 'drizzle-orm/pg-core';

/** Who pays. A customer of this installation. */
export const accounts = pgTable(
  'accounts',
  {
    id: uuid('id').primaryKey(),
    name: text('name').notNull(),
    /** The caller's own id for this account; unique while set. */
    externalId: text('external_id'),
    status: text('status', { enum: ['active', 'suspended'] })
      .notNull()
      .default('active'),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('accounts_external_id_key').on(table.externalId),
    check('accounts_status_known', sql`${table.status} in ('active', 'suspended')`),
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
    /** Who sent the key: an access token id. */
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
