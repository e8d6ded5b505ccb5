import { sql } from 'drizzle-orm';
import {
  type AnyPgColumn,
  check,
  index,
  integer,
  json,
  pgTable,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { accounts } from './accounts.ts';

const moment = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

/** Where an account wants to hear of what happens in it; a partner's also hears of its customer accounts. */
export const webhookEndpoints = pgTable(
  'webhook_endpoints',
  {
    id: uuid('id').primaryKey(),
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id),
    url: text('url').notNull(),
    description: text('description').notNull().default(''),
    /** Event types that it hears of. */
    events: text('events').array().notNull(),
    status: text('status', { enum: ['enabled', 'disabled'] })
      .notNull()
      .default('enabled'),
    /** `failing`: days without one success; `gone`: it answered 410; null while enabled or when its owner did it. */
    disabledReason: text('disabled_reason', { enum: ['failing', 'gone'] }),
    /** What deliveries are signed with, sealed. */
    sealedSecret: text('sealed_secret').notNull(),
    /** The secret before the last rotation, which signs as well until `previous_valid_until`. */
    sealedPreviousSecret: text('sealed_previous_secret'),
    previousValidUntil: moment('previous_valid_until'),
    /** Since when every delivery has failed; null after a success. */
    failingSince: moment('failing_since'),
    createdAt: moment('created_at').notNull().defaultNow(),
    deletedAt: moment('deleted_at'),
  },
  (table) => [
    index('webhook_endpoints_account_idx').on(table.accountId, table.id),
    check('webhook_endpoints_status_known', sql`${table.status} in ('enabled', 'disabled')`),
    check('webhook_endpoints_reason_known', sql`${table.disabledReason} in ('failing', 'gone')`),
    check(
      'webhook_endpoints_previous_secret_whole',
      sql`(${table.sealedPreviousSecret} is null) = (${table.previousValidUntil} is null)`,
    ),
  ],
);

/** What has happened, where at least one endpoint wants to hear of it. Written in the transaction of its cause. */
export const webhookEvents = pgTable(
  'webhook_events',
  {
    id: uuid('id').primaryKey(),
    /** The account that it is about. */
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id),
    type: text('type').notNull(),
    /** Public ids and amounts as texts, never a secret; `json` because its order is that of the samples. */
    data: json('data').$type<Readonly<Record<string, string | number | null>>>().notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (table) => [index('webhook_events_created_idx').on(table.createdAt)],
);

/** One event for one endpoint. What is `pending` is still to be sent, whatever Redis knows of it. */
export const webhookDeliveries = pgTable(
  'webhook_deliveries',
  {
    id: uuid('id').primaryKey(),
    eventId: uuid('event_id')
      .notNull()
      .references((): AnyPgColumn => webhookEvents.id, { onDelete: 'cascade' }),
    endpointId: uuid('endpoint_id')
      .notNull()
      .references(() => webhookEndpoints.id),
    /** Of the endpoint: whose log this is. */
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id),
    /** `failed`: tried as often as it may be; `canceled`: its endpoint was switched off or deleted before. */
    status: text('status', { enum: ['pending', 'delivered', 'failed', 'canceled'] })
      .notNull()
      .default('pending'),
    /** Since the event or the last replay. */
    attempts: integer('attempts').notNull().default(0),
    nextAttemptAt: moment('next_attempt_at').notNull(),
    /** A worker is sending it; free again after this, should the worker die. */
    claimedUntil: moment('claimed_until'),
    finishedAt: moment('finished_at'),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('webhook_deliveries_event_endpoint_key').on(table.eventId, table.endpointId),
    index('webhook_deliveries_endpoint_idx').on(table.endpointId, table.id),
    index('webhook_deliveries_account_idx').on(table.accountId, table.id),
    index('webhook_deliveries_due_idx')
      .on(table.endpointId, table.nextAttemptAt)
      .where(sql`${table.status} = 'pending'`),
    check(
      'webhook_deliveries_status_known',
      sql`${table.status} in ('pending', 'delivered', 'failed', 'canceled')`,
    ),
  ],
);

/** Each try of a delivery: when, how long, and what came back. No body, neither sent nor received. */
export const webhookAttempts = pgTable(
  'webhook_attempts',
  {
    id: uuid('id').primaryKey(),
    deliveryId: uuid('delivery_id')
      .notNull()
      .references(() => webhookDeliveries.id, { onDelete: 'cascade' }),
    startedAt: moment('started_at').notNull(),
    durationMs: integer('duration_ms').notNull(),
    /** HTTP status; null when no answer came. */
    status: integer('status'),
    /** Why no answer came or it was none; a word of ours, nothing that the other side wrote. */
    error: text('error'),
  },
  (table) => [index('webhook_attempts_delivery_idx').on(table.deliveryId, table.id)],
);
