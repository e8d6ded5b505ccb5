import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  date,
  integer,
  jsonb,
  pgTable,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import type { PublishedPrice, PublishedPriceTier, ToolPrices } from '#shared/price.ts';
import type { ModelCapabilities } from '#shared/snapshot.ts';

export const models = pgTable(
  'models',
  {
    /** `vendor/name`, what clients send. */
    id: text('id').primaryKey(),
    vendor: text('vendor').notNull(),
    author: text('author').notNull(),
    displayName: text('display_name').notNull(),
    family: text('family'),
    releasedOn: date('released_on', { mode: 'string' }).notNull(),
    contextTokens: integer('context_tokens'),
    maxOutputTokens: integer('max_output_tokens'),
    inputModalities: text('input_modalities').array().notNull(),
    outputModalities: text('output_modalities').array().notNull(),
    capabilities: jsonb('capabilities').$type<ModelCapabilities>().notNull(),
    status: text('status', { enum: ['listed', 'hidden', 'retired'] }).notNull(),
    /** The name that the vendor's own API knows the model by. */
    providerModel: text('provider_model').notNull(),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [check('models_status_known', sql`${table.status} in ('listed', 'hidden', 'retired')`)],
);

/** Immutable: a trigger refuses updates and deletes. A new price is a new row with an effective time. */
export const priceVersions = pgTable(
  'price_versions',
  {
    id: uuid('id').primaryKey(),
    modelId: text('model_id')
      .notNull()
      .references(() => models.id),
    effectiveAt: timestamp('effective_at', { withTimezone: true, precision: 3 }).notNull(),
    tiers: jsonb('tiers').$type<PublishedPriceTier[]>().notNull(),
    /** Instead of `tiers` for requests served so; every other service tier takes `tiers`. */
    serviceTiers: jsonb('service_tiers')
      .$type<PublishedPrice['serviceTiers']>()
      .notNull()
      .default(sql`'[]'::jsonb`),
    perToolCallNano: jsonb('per_tool_call_nano').$type<ToolPrices>().notNull().default(sql`'{}'::jsonb`),
    perRequestNano: bigint('per_request_nano', { mode: 'bigint' }).notNull().default(sql`0`),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('price_versions_model_key').on(table.modelId, table.effectiveAt),
    check('price_versions_per_request_not_negative', sql`${table.perRequestNano} >= 0`),
  ],
);

/** What providers charge, from imported price lists. Immutable, as the prices that were made of it. Never shown to customers. */
export const providerCosts = pgTable(
  'provider_costs',
  {
    id: uuid('id').primaryKey(),
    modelId: text('model_id')
      .notNull()
      .references(() => models.id),
    effectiveAt: timestamp('effective_at', { withTimezone: true, precision: 3 }).notNull(),
    tiers: jsonb('tiers').$type<PublishedPriceTier[]>().notNull(),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [uniqueIndex('provider_costs_model_key').on(table.modelId, table.effectiveAt)],
);

/** What is put on top of provider costs. The rule of a model goes before that of its vendor, and that before the general one. */
export const marginRules = pgTable(
  'margin_rules',
  {
    id: uuid('id').primaryKey(),
    /** `model:<id>`, `vendor:<code>` or `all`. */
    scope: text('scope').notNull(),
    /** Hundredths of a percent. */
    basisPoints: integer('basis_points').notNull(),
    effectiveAt: timestamp('effective_at', { withTimezone: true, precision: 3 }).notNull(),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('margin_rules_scope_key').on(table.scope, table.effectiveAt),
    check('margin_rules_not_negative', sql`${table.basisPoints} >= 0`),
  ],
);

/** One endpoint and credential that can be called. */
export const upstreams = pgTable(
  'upstreams',
  {
    id: uuid('id').primaryKey(),
    name: text('name').notNull(),
    vendor: text('vendor').notNull(),
    protocol: text('protocol', { enum: ['chat', 'responses', 'messages', 'gemini'] }).notNull(),
    baseUrl: text('base_url').notNull(),
    sealedCredential: text('sealed_credential'),
    /** `environment` rows follow the settings of the process at each start; `operator` rows belong to the API. */
    source: text('source', { enum: ['environment', 'operator'] }).notNull(),
    enabled: boolean('enabled').notNull().default(true),
    createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex('upstreams_name_key').on(table.name),
    check('upstreams_protocol_known', sql`${table.protocol} in ('chat', 'responses', 'messages', 'gemini')`),
    check('upstreams_source_known', sql`${table.source} in ('environment', 'operator')`),
  ],
);

export const routes = pgTable(
  'routes',
  {
    id: uuid('id').primaryKey(),
    modelId: text('model_id')
      .notNull()
      .references(() => models.id),
    upstreamId: uuid('upstream_id')
      .notNull()
      .references(() => upstreams.id, { onDelete: 'cascade' }),
    providerModel: text('provider_model').notNull(),
    weight: integer('weight').notNull().default(1),
    priority: integer('priority').notNull().default(0),
  },
  (table) => [
    uniqueIndex('routes_model_upstream_key').on(table.modelId, table.upstreamId),
    check('routes_weight_positive', sql`${table.weight} > 0`),
  ],
);
