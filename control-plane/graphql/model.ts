import { createContextCache } from '@pothos/core';
import { resolveArrayConnection } from '@pothos/plugin-relay';
import DataLoader from 'dataloader';
import type { ModelCapabilities, ReasoningCapability } from '#shared/snapshot.ts';
import {
  findCurrentPrices,
  findModels,
  findPrices,
  listModels,
  type PriceRow,
} from '../catalog/list-models.ts';
import { vendorDisplayName } from '../catalog/vendors.ts';
import { builder } from './builder.ts';
import { inIdOrder } from './id-order.ts';
import { pageById } from './page.ts';
import { priceConnection, priceEdge, priceRef } from './price.ts';
import { type RequestContext, requireActor } from './request-context.ts';

export const modelStatus = builder.enumType('ModelStatus', {
  description: 'Whether a model is shown and can be called.',
  values: {
    LISTED: { value: 'listed', description: 'Shown, and callable where it has a price and an upstream.' },
    HIDDEN: { value: 'hidden', description: 'Callable, but not shown in lists.' },
    RETIRED: { value: 'retired', description: 'Neither shown nor callable.' },
  } as const,
});

const tokenBudgetRef = builder
  .objectRef<NonNullable<ReasoningCapability['budget_tokens']>>('ReasoningBudgetRange')
  .implement({
    description: 'Which token budgets a model accepts for reasoning.',
    fields: (t) => ({
      min: t.int({ nullable: true, description: 'Smallest budget.', resolve: (range) => range.min }),
      max: t.int({ nullable: true, description: 'Largest budget.', resolve: (range) => range.max }),
    }),
  });

const reasoningRef = builder.objectRef<ReasoningCapability>('ReasoningCapability').implement({
  description: 'How the reasoning of a model can be controlled; all null: it cannot.',
  fields: (t) => ({
    toggle: t.boolean({
      nullable: true,
      description: 'True when it can be switched on and off.',
      resolve: (reasoning) => reasoning.toggle,
    }),
    effort: t.stringList({
      nullable: true,
      description: 'The accepted effort levels.',
      resolve: (reasoning) => (reasoning.effort ? [...reasoning.effort] : null),
    }),
    budgetTokens: t.field({
      type: tokenBudgetRef,
      nullable: true,
      description: 'Present when a token budget can be set.',
      resolve: (reasoning) => reasoning.budget_tokens,
    }),
  }),
});

const capabilitiesRef = builder.objectRef<ModelCapabilities>('ModelCapabilities').implement({
  description: 'What a model can do; null means that nothing is known.',
  fields: (t) => ({
    tools: t.exposeBoolean('tools', { description: 'It calls tools.' }),
    json: t.exposeBoolean('json', { nullable: true, description: 'It keeps to a JSON schema.' }),
    temperature: t.exposeBoolean('temperature', { nullable: true, description: 'It accepts a temperature.' }),
    attachment: t.exposeBoolean('attachment', { nullable: true, description: 'It accepts attached files.' }),
    reasoning: t.field({
      type: reasoningRef,
      nullable: true,
      description: 'Present when it reasons.',
      resolve: (capabilities) => capabilities.reasoning,
    }),
  }),
});

export const modelRef = builder.loadableNodeRef('Model', {
  id: { resolve: (model) => model.id },
  load: async (ids: string[], { database }: RequestContext) =>
    inIdOrder(ids, await findModels(database, ids), (row) => row.id),
  toKey: (model) => model.id,
  cacheResolved: true,
});

/** The id of a model that this request has changed, to be loaded anew. */
export function freshModel(context: RequestContext, modelId: string): string {
  modelRef.getDataloader(context).clear(modelId);
  return modelId;
}

const currentPricesOf = createContextCache(
  (context: RequestContext) =>
    new DataLoader<string, PriceRow | null>(
      async (modelIds) => {
        const rows = await findCurrentPrices(context.database, modelIds);
        const byModel = new Map(rows.map((row) => [row.modelId, row]));
        return modelIds.map((id) => byModel.get(id) ?? null);
      },
      { cache: false },
    ),
);

const allPricesOf = createContextCache(
  (context: RequestContext) =>
    new DataLoader<string, PriceRow[]>(
      async (modelIds) => {
        const byModel = Map.groupBy(await findPrices(context.database, modelIds), (row) => row.modelId);
        return modelIds.map((id) => byModel.get(id) ?? []);
      },
      { cache: false },
    ),
);

const modelEdge = builder.edgeObject({
  name: 'ModelEdge',
  description: 'One of the models of a page.',
  type: modelRef,
});
const modelConnection = builder.connectionObject(
  { name: 'ModelConnection', description: 'A page of models.', type: modelRef },
  modelEdge,
);

modelRef.implement({
  description: 'A model of the catalog. Its global id is the name that clients send, `vendor/name`.',
  fields: (t) => ({
    vendor: t.exposeString('vendor', { description: 'Code of the company that serves it.' }),
    vendorName: t.string({
      description: 'Name of the company that serves it.',
      resolve: (model) => vendorDisplayName(model.vendor),
    }),
    author: t.exposeString('author', { description: 'Who made it.' }),
    displayName: t.exposeString('displayName', { description: 'For people.' }),
    family: t.exposeString('family', { nullable: true, description: 'The family it belongs to.' }),
    releasedOn: t.exposeString('releasedOn', { description: 'Release date, `YYYY-MM-DD`.' }),
    contextTokens: t.exposeInt('contextTokens', {
      nullable: true,
      description: 'Size of its context window.',
    }),
    maxOutputTokens: t.exposeInt('maxOutputTokens', { nullable: true, description: 'Longest output.' }),
    inputModalities: t.exposeStringList('inputModalities', { description: 'What it reads.' }),
    outputModalities: t.exposeStringList('outputModalities', { description: 'What it writes.' }),
    capabilities: t.expose('capabilities', { type: capabilitiesRef, description: 'What it can do.' }),
    status: t.field({
      type: modelStatus,
      description: 'Whether it is shown and callable.',
      resolve: (model) => model.status,
    }),
    price: t.field({
      type: priceRef,
      nullable: true,
      description: 'The price in force now; null: it has none and cannot be called.',
      resolve: (model, _args, context) => currentPricesOf(context).load(model.id),
    }),
    prices: t.connection(
      {
        type: priceRef,
        description: 'All its price versions, newest first, scheduled ones included. Operators only.',
        resolve: async (model, args, context) =>
          resolveArrayConnection({ args }, await allPricesOf(context).load(model.id)),
      },
      priceConnection,
      priceEdge,
    ),
  }),
});

builder.queryFields((t) => ({
  model: t.field({
    type: modelRef,
    nullable: true,
    description: 'A model by its id, `vendor/name`; null when the catalog has none.',
    args: { id: t.arg.id({ required: true, description: '`vendor/name`.' }) },
    resolve: async (_root, { id }, context) => (await findModels(context.database, [id]))[0],
  }),
  models: t.connection(
    {
      type: modelRef,
      description: 'The catalog, by id: listed models; for operators hidden and retired ones too.',
      args: { vendor: t.arg.string({ description: 'Only models of this vendor code.' }) },
      resolve: (_root, { vendor, ...args }, context) =>
        pageById(args, { order: 'by-name', idField: 'id' }, (range) =>
          listModels(
            context.database,
            { vendor: vendor ?? undefined, listedOnly: requireActor(context).kind !== 'operator' },
            range,
          ),
        ),
    },
    modelConnection,
    modelEdge,
  ),
}));
