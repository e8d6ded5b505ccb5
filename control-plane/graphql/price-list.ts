import type { PublishedPriceTier } from '#shared/price.ts';
import { importPriceList } from '../catalog/import-price-list.ts';
import {
  listMarginRules,
  MAX_MARGIN_BASIS_POINTS,
  type MarginRule,
  setMargin,
} from '../catalog/margin-rules.ts';
import type { PriceChange } from '../catalog/reprice.ts';
import { builder } from './builder.ts';
import { priceTierRef } from './price.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { userErrorsField } from './user-error.ts';

const priceListFormat = builder.enumType('PriceListFormat', {
  description: 'How a price list is written.',
  values: {
    JSON: { value: 'json', description: 'An object with `models`.' },
    CSV: { value: 'csv', description: 'A line per tier.' },
  } as const,
});

const priceAction = builder.enumType('PriceAction', {
  description: 'What becomes of the price of a model.',
  values: {
    ADDED: { value: 'added', description: 'It had none and gets one.' },
    CHANGED: { value: 'changed', description: 'It gets another one.' },
    UNCHANGED: { value: 'unchanged', description: 'It stays.' },
    UNKNOWN_MODEL: { value: 'unknown_model', description: 'The catalog has no such model; left out.' },
  } as const,
});

const copyOf = (tiers: readonly PublishedPriceTier[]) => [...tiers];

const priceChangeRef = builder.objectRef<PriceChange>('PriceChange').implement({
  description: 'One line of the difference between a price list and the prices in force.',
  fields: (t) => ({
    modelId: t.exposeID('model', { description: 'The model as the list names it.' }),
    action: t.expose('action', { type: priceAction, description: 'What becomes of its price.' }),
    marginBasisPoints: t.exposeInt('basisPoints', {
      description: 'What is put on top of the cost, in hundredths of a percent.',
    }),
    cost: t.field({
      type: [priceTierRef],
      description: 'What the provider charges; at most 10 tiers.',
      resolve: ({ cost }) => copyOf(cost),
    }),
    before: t.field({
      type: [priceTierRef],
      nullable: true,
      description: 'The price until then; null when there is none. At most 10 tiers.',
      resolve: ({ before }) => before && copyOf(before),
    }),
    after: t.field({
      type: [priceTierRef],
      nullable: true,
      description: 'The price from then on; null for unknown models. At most 10 tiers.',
      resolve: ({ after }) => after && copyOf(after),
    }),
  }),
});

const marginRuleRef = builder.objectRef<MarginRule>('MarginRule').implement({
  description: 'What is put on top of provider costs from a time on.',
  fields: (t) => ({
    scope: t.exposeString('scope', {
      description: '`model:<id>`, `vendor:<code>` or `all`; the narrowest one counts.',
    }),
    basisPoints: t.exposeInt('basisPoints', { description: 'Hundredths of a percent.' }),
    effectiveAt: t.expose('effectiveAt', { type: 'DateTime', description: 'From when on it counts.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was set.' }),
  }),
});

builder.queryField('marginRules', (t) =>
  t.field({
    type: [marginRuleRef],
    description: 'The margins in force and those that will be, by scope and time. Operators only.',
    resolve: (_root, _args, { database }) => listMarginRules(database),
  }),
);

type RepricePayload = Payload<{ changes: PriceChange[]; applied: boolean }>;

const repricePayload = (name: string, description: string) =>
  builder.objectRef<RepricePayload>(name).implement({
    description,
    fields: (t) => ({
      changes: t.field({
        type: [priceChangeRef],
        description: 'A line per model, at most 2000; empty when the mutation was refused.',
        resolve: ({ value }) => value?.changes ?? [],
      }),
      isApplied: t.boolean({
        description: 'True when the prices are set; false after a dry run or a refusal.',
        resolve: ({ value }) => value?.applied ?? false,
      }),
      userErrors: userErrorsField(t),
    }),
  });

const DRY_RUN = 'True, also when left out: only tell what would change. False: do it.';
const EFFECTIVE_AT = 'Requests admitted from then on; not in the past; now when left out.';
const KEY = 'The same key and input get the same answer for 24 h.';

const importInput = builder.inputType('PriceListImportInput', {
  description: 'A list of what providers charge. Its formats are in the documentation of the catalog.',
  fields: (t) => ({
    priceList: t.string({ required: true, description: 'The text of the list, at most 2,000 models.' }),
    format: t.field({ type: priceListFormat, required: true, description: 'How it is written.' }),
    effectiveAt: t.field({ type: 'DateTime', description: EFFECTIVE_AT }),
    dryRun: t.boolean({ description: DRY_RUN }),
    idempotencyKey: t.string({ description: KEY }),
  }),
});

const marginInput = builder.inputType('MarginRuleSetInput', {
  description: 'A margin for a model, for the models of a vendor, or for all.',
  fields: (t) => ({
    model: t.id({ description: 'Only this model.' }),
    vendor: t.string({ description: 'Only models of this vendor, by its code.' }),
    basisPoints: t.int({
      required: true,
      description: `What is put on top, in hundredths of a percent, 0 to ${MAX_MARGIN_BASIS_POINTS}; 1500 is 15 %.`,
    }),
    effectiveAt: t.field({ type: 'DateTime', description: EFFECTIVE_AT }),
    dryRun: t.boolean({ description: DRY_RUN }),
    idempotencyKey: t.string({ description: KEY }),
  }),
});

builder.mutationFields((t) => ({
  priceListImport: t.field({
    type: repricePayload('PriceListImportPayload', 'The result of `priceListImport`.'),
    description:
      'Compares a list of provider costs, margins added, with the prices in force, and sets new price versions unless it is a dry run. Importing a list again changes nothing. Operators only.',
    args: { input: t.arg({ type: importInput, required: true, description: 'The list.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'priceListImport', input }, (tx) =>
        importPriceList(tx, {
          priceList: input.priceList,
          format: input.format,
          effectiveAt: input.effectiveAt ?? null,
          dryRun: input.dryRun ?? true,
        }),
      ),
  }),
  marginRuleSet: t.field({
    type: repricePayload('MarginRuleSetPayload', 'The result of `marginRuleSet`.'),
    description:
      'Sets a margin over provider costs and the prices of all models whose cost an imported list has named. Operators only.',
    args: { input: t.arg({ type: marginInput, required: true, description: 'The margin.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'marginRuleSet', input }, (tx) =>
        setMargin(tx, {
          vendor: input.vendor ?? null,
          model: input.model?.toString() ?? null,
          basisPoints: input.basisPoints,
          effectiveAt: input.effectiveAt ?? null,
          dryRun: input.dryRun ?? true,
        }),
      ),
  }),
}));
