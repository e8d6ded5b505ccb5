import { sql } from 'drizzle-orm';
import {
  boolean,
  check,
  index,
  integer,
  pgTable,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { accounts } from './accounts.ts';

const moment = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

/** People who sign in. Written by the sign-in library; so are the other tables with `user_` in their names. */
export const users = pgTable(
  'users',
  {
    id: uuid('id').primaryKey(),
    name: text('name').notNull(),
    email: text('email').notNull(),
    emailVerified: boolean('email_verified').notNull().default(false),
    image: text('image'),
    twoFactorEnabled: boolean('two_factor_enabled').default(false),
    createdAt: moment('created_at').notNull().defaultNow(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (table) => [uniqueIndex('users_email_key').on(table.email)],
);

export const userSessions = pgTable(
  'user_sessions',
  {
    id: uuid('id').primaryKey(),
    /** Worth nothing without the signature that the cookie carries and the database does not know. */
    token: text('token').notNull(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    expiresAt: moment('expires_at').notNull(),
    ipAddress: text('ip_address'),
    userAgent: text('user_agent'),
    createdAt: moment('created_at').notNull().defaultNow(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('user_sessions_token_key').on(table.token),
    index('user_sessions_user_idx').on(table.userId),
  ],
);

/** How a person proves who it is: here only a password, as a salted scrypt hash. */
export const userCredentials = pgTable(
  'user_credentials',
  {
    id: uuid('id').primaryKey(),
    accountId: text('account_id').notNull(),
    providerId: text('provider_id').notNull(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    accessToken: text('access_token'),
    refreshToken: text('refresh_token'),
    idToken: text('id_token'),
    accessTokenExpiresAt: moment('access_token_expires_at'),
    refreshTokenExpiresAt: moment('refresh_token_expires_at'),
    scope: text('scope'),
    password: text('password'),
    createdAt: moment('created_at').notNull().defaultNow(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (table) => [index('user_credentials_user_idx').on(table.userId)],
);

/** One-time tokens under way, by their digests. */
export const userVerifications = pgTable(
  'user_verifications',
  {
    id: uuid('id').primaryKey(),
    identifier: text('identifier').notNull(),
    value: text('value').notNull(),
    expiresAt: moment('expires_at').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (table) => [index('user_verifications_identifier_idx').on(table.identifier)],
);

/** Second factors; secret and backup codes are encrypted. */
export const userTwoFactors = pgTable(
  'user_two_factors',
  {
    id: uuid('id').primaryKey(),
    secret: text('secret').notNull(),
    backupCodes: text('backup_codes').notNull(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    verified: boolean('verified').default(true),
    failedVerificationCount: integer('failed_verification_count').default(0),
    lockedUntil: moment('locked_until'),
  },
  (table) => [index('user_two_factors_user_idx').on(table.userId)],
);

const ROLE_LIST = sql.raw("('owner', 'admin', 'developer', 'billing', 'viewer')");
const role = () => text('role', { enum: ['owner', 'admin', 'developer', 'billing', 'viewer'] }).notNull();

export const accountMembers = pgTable(
  'account_members',
  {
    id: uuid('id').primaryKey(),
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    role: role(),
    /** Whether the person wants mail about the account's balance and limits. */
    alertMail: boolean('alert_mail').notNull().default(true),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('account_members_account_user_key').on(table.accountId, table.userId),
    index('account_members_user_idx').on(table.userId),
    index('account_members_account_idx').on(table.accountId, table.id),
    check('account_members_role_known', sql`${table.role} in ${ROLE_LIST}`),
  ],
);

/** That somebody with this e-mail address may become a member. The token is only in the mail. */
export const accountInvitations = pgTable(
  'account_invitations',
  {
    id: uuid('id').primaryKey(),
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id),
    /** In lower case. */
    email: text('email').notNull(),
    role: role(),
    digest: text('digest').notNull(),
    expiresAt: moment('expires_at').notNull(),
    acceptedAt: moment('accepted_at'),
    revokedAt: moment('revoked_at'),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('account_invitations_digest_key').on(table.digest),
    index('account_invitations_account_idx').on(table.accountId, table.id),
    check('account_invitations_role_known', sql`${table.role} in ${ROLE_LIST}`),
  ],
);
