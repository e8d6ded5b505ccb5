import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
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

const moment = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

/** What payments need to know of an account: its customer at Stripe, what receipts say, and its automatic top-up. */
export const billingProfiles = pgTable(
  'billing_profiles',
  {
    accountId: uuid('account_id')
      .primaryKey()
      .references(() => accounts.id),
    stripeCustomerId: text('stripe_customer_id'),
    /** Receipts of the account so far: they are numbered without gaps. */
    receiptCount: integer('receipt_count').notNull().default(0),
    /** Printed on receipts and statements. */
    companyName: text('company_name'),
    taxId: text('tax_id'),
    billingAddress: text('billing_address'),
    autoTopUpEnabled: boolean('auto_top_up_enabled').notNull().default(false),
    autoThresholdNano: bigint('auto_threshold_nano', { mode: 'bigint' }),
    autoAmountCents: integer('auto_amount_cents'),
    /** What automatic top-ups may come to in one UTC month, cents of credit. */
    autoMonthlyCapCents: integer('auto_monthly_cap_cents'),
    /** Declines in a row since the last success. */
    autoDeclines: integer('auto_declines').notNull().default(0),
    autoNextAttemptAt: moment('auto_next_attempt_at'),
    /** Why it was switched off by us; null while it runs or after the customer switched it off. */
    autoDisabledReason: text('auto_disabled_reason'),
  },
  (table) => [
    uniqueIndex('billing_profiles_stripe_customer_key').on(table.stripeCustomerId),
    check(
      'billing_profiles_auto_top_up_whole',
      sql`not ${table.autoTopUpEnabled} or (${table.autoThresholdNano} >= 0 and ${table.autoAmountCents} > 0 and ${table.autoMonthlyCapCents} > 0)`,
    ),
  ],
);

/** Cards that a customer agreed to keep. Never a card number: what Stripe lets a shop show, and its id there. */
export const savedCards = pgTable(
  'saved_cards',
  {
    id: uuid('id').primaryKey(),
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id),
    stripePaymentMethodId: text('stripe_payment_method_id').notNull(),
    brand: text('brand').notNull(),
    last4: text('last4').notNull(),
    expiryMonth: integer('expiry_month').notNull(),
    expiryYear: integer('expiry_year').notNull(),
    /** The same for the same card number in every account. */
    fingerprint: text('fingerprint'),
    isDefault: boolean('is_default').notNull().default(false),
    createdAt: moment('created_at').notNull().defaultNow(),
    removedAt: moment('removed_at'),
  },
  (table) => [
    uniqueIndex('saved_cards_stripe_key').on(table.stripePaymentMethodId),
    uniqueIndex('saved_cards_one_default_key').on(table.accountId).where(sql`${table.isDefault}`),
    check(
      'saved_cards_removed_is_no_default',
      sql`not (${table.isDefault} and ${table.removedAt} is not null)`,
    ),
  ],
);

/** One payment that becomes credit. Amounts are US cents; the credit is what reaches the balance, the fee comes on top. */
export const topUps = pgTable(
  'top_ups',
  {
    id: uuid('id').primaryKey(),
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id),
    channel: text('channel', { enum: ['checkout', 'saved_card', 'automatic'] }).notNull(),
    status: text('status', {
      enum: ['pending', 'requires_action', 'processing', 'succeeded', 'failed', 'expired', 'canceled'],
    })
      .notNull()
      .default('pending'),
    creditCents: integer('credit_cents').notNull(),
    feeCents: integer('fee_cents').notNull(),
    savedCardId: uuid('saved_card_id').references(() => savedCards.id),
    /** On the Checkout page: whether the customer agreed that the card is kept. */
    saveCard: boolean('save_card').notNull().default(false),
    stripeSessionId: text('stripe_session_id'),
    stripePaymentIntentId: text('stripe_payment_intent_id'),
    /** How it was paid: `card` or `alipay`; known once it was. */
    paymentMethodType: text('payment_method_type'),
    /** `visa …4242`, for receipts. */
    paymentMethodLabel: text('payment_method_label'),
    cardFingerprint: text('card_fingerprint'),
    /** Stripe's decline or error code, and what to do about it. */
    failureCode: text('failure_code'),
    failureMessage: text('failure_message'),
    refundedCents: integer('refunded_cents').notNull().default(0),
    disputedCents: integer('disputed_cents').notNull().default(0),
    receiptNumber: text('receipt_number'),
    createdAt: moment('created_at').notNull().defaultNow(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
    creditedAt: moment('credited_at'),
  },
  (table) => [
    uniqueIndex('top_ups_session_key').on(table.stripeSessionId),
    uniqueIndex('top_ups_payment_intent_key').on(table.stripePaymentIntentId),
    uniqueIndex('top_ups_receipt_number_key').on(table.receiptNumber),
    uniqueIndex('top_ups_one_automatic_in_flight_key')
      .on(table.accountId)
      .where(
        sql`${table.channel} = 'automatic' and ${table.status} in ('pending', 'requires_action', 'processing')`,
      ),
    index('top_ups_account_idx').on(table.accountId, table.id),
    index('top_ups_open_idx')
      .on(table.updatedAt)
      .where(sql`${table.status} in ('pending', 'requires_action', 'processing')`),
    index('top_ups_fingerprint_idx').on(table.cardFingerprint, table.createdAt),
    check('top_ups_amounts', sql`${table.creditCents} > 0 and ${table.feeCents} >= 0`),
    check(
      'top_ups_refunds_within_charge',
      sql`${table.refundedCents} between 0 and ${table.creditCents} + ${table.feeCents}`,
    ),
    check(
      'top_ups_credited_once_succeeded',
      sql`(${table.status} = 'succeeded') = (${table.creditedAt} is not null)`,
    ),
  ],
);

/** Webhook events, once each. The payload is not kept: what it speaks of is read from Stripe again when it is applied. */
export const stripeEvents = pgTable(
  'stripe_events',
  {
    id: text('id').primaryKey(),
    type: text('type').notNull(),
    objectId: text('object_id').notNull(),
    stripeCreatedAt: moment('stripe_created_at').notNull(),
    status: text('status', { enum: ['received', 'applied', 'ignored', 'dead'] })
      .notNull()
      .default('received'),
    receivedAt: moment('received_at').notNull().defaultNow(),
    appliedAt: moment('applied_at'),
  },
  (table) => [
    index('stripe_events_waiting_idx').on(table.receivedAt).where(sql`${table.status} = 'received'`),
  ],
);

/** Credit given back. The amount leaves the balance when the refund is asked for, and returns if Stripe cannot make it. */
export const refunds = pgTable(
  'refunds',
  {
    id: uuid('id').primaryKey(),
    topUpId: uuid('top_up_id')
      .notNull()
      .references(() => topUps.id),
    stripeRefundId: text('stripe_refund_id'),
    creditCents: integer('credit_cents').notNull(),
    feeCents: integer('fee_cents').notNull(),
    status: text('status', { enum: ['pending', 'succeeded', 'failed'] })
      .notNull()
      .default('pending'),
    reason: text('reason').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('refunds_stripe_key').on(table.stripeRefundId),
    index('refunds_top_up_idx').on(table.topUpId),
    check('refunds_amounts', sql`${table.creditCents} >= 0 and ${table.feeCents} >= 0`),
  ],
);

export const disputes = pgTable(
  'disputes',
  {
    id: uuid('id').primaryKey(),
    topUpId: uuid('top_up_id')
      .notNull()
      .references(() => topUps.id),
    stripeDisputeId: text('stripe_dispute_id').notNull(),
    amountCents: integer('amount_cents').notNull(),
    /** The part of it that was taken off the balance; the rest concerns the fee. */
    creditCents: integer('credit_cents').notNull().default(0),
    /** Whether the account was suspended for it: then winning lifts that again. */
    suspendsAccount: boolean('suspends_account').notNull().default(false),
    status: text('status', { enum: ['open', 'won', 'lost'] })
      .notNull()
      .default('open'),
    openedAt: moment('opened_at').notNull().defaultNow(),
    closedAt: moment('closed_at'),
  },
  (table) => [
    uniqueIndex('disputes_stripe_key').on(table.stripeDisputeId),
    index('disputes_top_up_idx').on(table.topUpId),
  ],
);

/** A closed month of an account. Figures are nano-USD and never change once written. */
export const statements = pgTable(
  'statements',
  {
    id: uuid('id').primaryKey(),
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id),
    /** `2026-11`. */
    month: text('month').notNull(),
    number: text('number').notNull(),
    openingNano: bigint('opening_nano', { mode: 'bigint' }).notNull(),
    toppedUpNano: bigint('topped_up_nano', { mode: 'bigint' }).notNull(),
    usageNano: bigint('usage_nano', { mode: 'bigint' }).notNull(),
    otherNano: bigint('other_nano', { mode: 'bigint' }).notNull(),
    closingNano: bigint('closing_nano', { mode: 'bigint' }).notNull(),
    usageByModel: jsonb('usage_by_model')
      .$type<readonly { readonly model: string; readonly requests: number; readonly costNano: string }[]>()
      .notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('statements_account_month_key').on(table.accountId, table.month),
    uniqueIndex('statements_number_key').on(table.number),
    check(
      'statements_add_up',
      sql`${table.openingNano} + ${table.toppedUpNano} + ${table.usageNano} + ${table.otherNano} = ${table.closingNano}`,
    ),
  ],
);
