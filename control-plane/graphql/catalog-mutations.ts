import { setModelStatus } from '../catalog/set-model-status.ts';
import { MAX_SERVICE_TIERS, MAX_TIERS, type PriceTierInput, setPrice } from '../catalog/set-price.ts';
import { builder } from './builder.ts';
import { freshModel, modelRef, modelStatus } from './model.ts';
import { modelPayload } from './model-mutations.ts';
import { priceRef, serverTool } from './price.ts';
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

const serviceTierInput = builder.inputType('ServiceTierPriceInput', {
  description: 'Token prices of requests that the provider serves in a tier of its own.',
  fields: (t) => ({
    name: t.string({
      required: true,
      description: 'As the provider names it in its answers, in lower case, such as `priority` or `flex`.',
    }),
    tiers: t.field({
      type: [tierInput],
      required: true,
      description: `By prompt length, shortest first, the first above 0; 1 to ${MAX_TIERS}.`,
    }),
  }),
});

const serverToolPriceInput = builder.inputType('ServerToolPriceInput', {
  description: 'What a call of a tool costs that the provider runs itself.',
  fields: (t) => ({
    tool: t.field({ type: serverTool, required: true, description: 'The tool.' }),
    usdPerCall: t.string({ required: true, description: 'Decimal USD per call, such as "0.01".' }),
  }),
});

function readTierInputs(tiers: readonly (typeof tierInput.$inferInput)[]): PriceTierInput[] {
  return tiers.map((tier) => ({
    aboveTokens: tier.aboveTokens,
    inputUsdPerMillion: tier.inputUsdPerMillion,
    outputUsdPerMillion: tier.outputUsdPerMillion,
    cacheReadUsdPerMillion: tier.cacheReadUsdPerMillion ?? null,
    cacheWriteUsdPerMillion: tier.cacheWriteUsdPerMillion ?? null,
    cacheWriteHourUsdPerMillion: tier.cacheWriteHourUsdPerMillion ?? null,
  }));
}

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
    serviceTiers: t.field({
      type: [serviceTierInput],
      description: `Service tiers with prices of their own, at most ${MAX_SERVICE_TIERS}; every other one takes \`tiers\`.`,
    }),
    serverTools: t.field({
      type: [serverToolPriceInput],
      description: "What calls of the provider's own tools cost; a tool that is left out is free.",
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
          tiers: readTierInputs(input.tiers),
          serviceTiers: (input.serviceTiers ?? []).map(({ name, tiers }) => ({
            name,
            tiers: readTierInputs(tiers),
          })),
          serverTools: input.serverTools ?? [],
        }),
      ),
  }),
  modelStatusSet: t.field({
    type: modelPayload('ModelStatusSetPayload', 'The result of `modelStatusSet`.'),
    description: 'Lists, hides or retires a model; in force within a second. Operators only. Idempotent.',
    args: { input: t.arg({ type: modelStatusSetInput, required: true, description: 'The status.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'modelStatusSet', input }, (tx) =>
        setModelStatus(tx, { model: input.model, status: input.status }),
      ),
  }),
}));
