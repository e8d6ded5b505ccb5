import { setModelStatus } from '../catalog/set-model-status.ts';
import { MAX_TIERS, setPrice } from '../catalog/set-price.ts';
import { builder } from './builder.ts';
import { modelRef, modelStatus } from './model.ts';
import { priceRef } from './price.ts';
import type { RequestContext } from './request-context.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { userErrorRef } from './user-error.ts';

const tierInput = builder.inputType('PriceTierInput', {
  description: 'Prices in decimal USD per 1,000,000 tokens, such as "1.25"; at most 6 decimals.',
  fields: (t) => ({
    aboveTokens: t.int({
      required: true,
      description: 'For prompts longer than this many tokens; 0 for the base tier.',
    }),
    inputUsdPerMillion: t.string({ required: true, description: 'Input tokens.' }),
    outputUsdPerMillion: t.string({ required: true, description: 'Output tokens, reasoning included.' }),
    cacheReadUsdPerMillion: t.string({
      description: 'Tokens read from the prompt cache; the input price when left out.',
    }),
    cacheWriteUsdPerMillion: t.string({
      description: 'Tokens written to the prompt cache for 5 minutes; the input price when left out.',
    }),
    cacheWriteHourUsdPerMillion: t.string({
      description:
        'Tokens written for an hour; when left out, twice the input price at Anthropic, else as for 5 minutes.',
    }),
  }),
});

const priceSetInput = builder.inputType('PriceSetInput', {
  description: 'A new price version of a model.',
  fields: (t) => ({
    model: t.id({ required: true, description: 'Id of the model, `vendor/name`.' }),
    effectiveAt: t.field({
      type: 'DateTime',
      description: 'Requests admitted from then on take it; not in the past; now when left out.',
    }),
    tiers: t.field({
      type: [tierInput],
      required: true,
      description: `By prompt length, shortest first, the first above 0; 1 to ${MAX_TIERS}.`,
    }),
    perRequestUsd: t.string({
      description: 'Flat price of a request on top of its tokens, decimal USD; none when left out.',
    }),
    idempotencyKey: t.string({ description: 'The same key and input get the same answer for 24 h.' }),
  }),
});

const priceSetPayload = builder
  .objectRef<Payload<{ priceId: string; model: string }>>('PriceSetPayload')
  .implement({
    description: 'The result of `priceSet`.',
    fields: (t) => ({
      price: t.field({
        type: priceRef,
        nullable: true,
        description: 'The price version; null when the mutation was refused.',
        resolve: ({ value }) => value?.priceId,
      }),
      model: t.field({
        type: modelRef,
        nullable: true,
        description: 'The model; null when the mutation was refused.',
        resolve: ({ value }, _args, context) => value && freshModel(context, value.model),
      }),
      userErrors: t.expose('userErrors', {
        type: [userErrorRef],
        description: 'Why it was refused, if it was.',
      }),
    }),
  });

const modelStatusSetInput = builder.inputType('ModelStatusSetInput', {
  description: 'Whether a model is shown and can be called.',
  fields: (t) => ({
    model: t.id({ required: true, description: 'Id of the model, `vendor/name`.' }),
    status: t.field({ type: modelStatus, required: true, description: 'Its new status.' }),
  }),
});

const modelStatusSetPayload = builder
  .objectRef<Payload<{ model: string }>>('ModelStatusSetPayload')
  .implement({
    description: 'The result of `modelStatusSet`.',
    fields: (t) => ({
      model: t.field({
        type: modelRef,
        nullable: true,
        description: 'The model as it is now; null when the mutation was refused.',
        resolve: ({ value }, _args, context) => value && freshModel(context, value.model),
      }),
      userErrors: t.expose('userErrors', {
        type: [userErrorRef],
        description: 'Why it was refused, if it was.',
      }),
    }),
  });

function freshModel(context: RequestContext, modelId: string): string {
  modelRef.getDataloader(context).clear(modelId);
  return modelId;
}

builder.mutationFields((t) => ({
  priceSet: t.field({
    type: priceSetPayload,
    description: 'Adds a price version of a model. What was billed before stays as it is. Operators only.',
    args: { input: t.arg({ type: priceSetInput, required: true, description: 'The price.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'priceSet', input }, (tx) =>
        setPrice(tx, {
          model: input.model,
          effectiveAt: input.effectiveAt ?? null,
          perRequestUsd: input.perRequestUsd ?? null,
          tiers: input.tiers.map((tier) => ({
            aboveTokens: tier.aboveTokens,
            inputUsdPerMillion: tier.inputUsdPerMillion,
            outputUsdPerMillion: tier.outputUsdPerMillion,
            cacheReadUsdPerMillion: tier.cacheReadUsdPerMillion ?? null,
            cacheWriteUsdPerMillion: tier.cacheWriteUsdPerMillion ?? null,
            cacheWriteHourUsdPerMillion: tier.cacheWriteHourUsdPerMillion ?? null,
          })),
        }),
      ),
  }),
  modelStatusSet: t.field({
    type: modelStatusSetPayload,
    description: 'Lists, hides or retires a model; in force within a second. Operators only. Idempotent.',
    args: { input: t.arg({ type: modelStatusSetInput, required: true, description: 'The status.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'modelStatusSet', input }, (tx) =>
        setModelStatus(tx, { model: input.model, status: input.status }),
      ),
  }),
}));
