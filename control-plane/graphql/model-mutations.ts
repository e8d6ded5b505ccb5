import type { ModelCapabilities } from '#shared/snapshot.ts';
import { createModel } from '../catalog/create-model.ts';
import { MAX_EFFORT_LEVELS, MODALITIES, type ModelDetails } from '../catalog/model-rules.ts';
import { updateModel } from '../catalog/update-model.ts';
import { builder } from './builder.ts';
import { freshModel, modelRef } from './model.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { userErrorRef } from './user-error.ts';

const modality = builder.enumType('Modality', {
  description: 'A kind of content.',
  values: Object.fromEntries(
    MODALITIES.map((each) => [each.toUpperCase(), { value: each, description: `It is ${each}.` }]),
  ) as Record<
    Uppercase<(typeof MODALITIES)[number]>,
    { value: (typeof MODALITIES)[number]; description: string }
  >,
});

const creatableStatus = builder.enumType('NewModelStatus', {
  description: 'Whether a new model is shown.',
  values: {
    LISTED: { value: 'listed', description: 'Shown, and callable once it has a price and an upstream.' },
    HIDDEN: { value: 'hidden', description: 'Callable, but not shown in lists.' },
  } as const,
});

const budgetInput = builder.inputType('ReasoningBudgetRangeInput', {
  description: 'Which token budgets a model accepts for reasoning.',
  fields: (t) => ({
    min: t.int({ description: 'Smallest budget; no bound when left out.' }),
    max: t.int({ description: 'Largest budget; no bound when left out.' }),
  }),
});

const reasoningInput = builder.inputType('ReasoningCapabilityInput', {
  description: 'How the reasoning of a model can be controlled; `{}`: it reasons, without a control.',
  fields: (t) => ({
    toggle: t.boolean({ description: 'True when it can be switched on and off.' }),
    effort: t.stringList({ description: `The accepted effort levels, 1 to ${MAX_EFFORT_LEVELS}.` }),
    budgetTokens: t.field({ type: budgetInput, description: 'Present when a token budget can be set.' }),
  }),
});

const capabilitiesInput = builder.inputType('ModelCapabilitiesInput', {
  description: 'What a model can do; left out means that nothing is known.',
  fields: (t) => ({
    tools: t.boolean({ required: true, description: 'It calls tools.' }),
    json: t.boolean({ description: 'It keeps to a JSON schema.' }),
    temperature: t.boolean({ description: 'It accepts a temperature.' }),
    attachment: t.boolean({ description: 'It accepts attached files.' }),
    reasoning: t.field({ type: reasoningInput, description: 'Present when it reasons.' }),
  }),
});

const createInput = builder.inputType('ModelCreateInput', {
  description: 'A new model of the catalog.',
  fields: (t) => ({
    id: t.id({ required: true, description: '`vendor/name`, what clients will send.' }),
    author: t.string({ description: 'Who made it; the vendor code when left out.' }),
    displayName: t.string({ required: true, description: 'For people, 1 to 128 characters.' }),
    family: t.string({ description: 'The family it belongs to.' }),
    releasedOn: t.string({ required: true, description: 'Release date, `YYYY-MM-DD`.' }),
    contextTokens: t.int({ description: 'Size of its context window; unknown when left out.' }),
    maxOutputTokens: t.int({ description: 'Longest output; unknown when left out.' }),
    inputModalities: t.field({ type: [modality], description: 'What it reads; text when left out.' }),
    outputModalities: t.field({ type: [modality], description: 'What it writes; text when left out.' }),
    capabilities: t.field({ type: capabilitiesInput, required: true, description: 'What it can do.' }),
    providerModel: t.string({
      description: "The name that the vendor's own API knows; the part after the slash when left out.",
    }),
    status: t.field({ type: creatableStatus, description: 'Whether it is shown; listed when left out.' }),
    idempotencyKey: t.string({ description: 'The same key and input get the same answer for 24 h.' }),
  }),
});

const updateInput = builder.inputType('ModelUpdateInput', {
  description: 'What to change of a model; what is left out stays.',
  fields: (t) => ({
    model: t.id({ required: true, description: 'Id of the model, `vendor/name`.' }),
    author: t.string({ description: 'Who made it.' }),
    displayName: t.string({ description: 'For people, 1 to 128 characters.' }),
    family: t.string({ description: 'The family it belongs to; null: none.' }),
    releasedOn: t.string({ description: 'Release date, `YYYY-MM-DD`.' }),
    contextTokens: t.int({ description: 'Size of its context window; null: unknown.' }),
    maxOutputTokens: t.int({ description: 'Longest output; null: unknown.' }),
    inputModalities: t.field({ type: [modality], description: 'What it reads.' }),
    outputModalities: t.field({ type: [modality], description: 'What it writes.' }),
    capabilities: t.field({ type: capabilitiesInput, description: 'What it can do; replaces all of it.' }),
    providerModel: t.string({
      description: "The name that the vendor's own API knows; routes that exist keep theirs.",
    }),
  }),
});

/** What a mutation of a model answers: the model as it is then, and why it was refused, if it was. */
export function modelPayload(name: string, description: string) {
  return builder.objectRef<Payload<{ model: string }>>(name).implement({
    description,
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
}

function readCapabilities(input: typeof capabilitiesInput.$inferInput): ModelCapabilities {
  const { tools, json, temperature, attachment, reasoning } = input;
  const known = {
    tools,
    json: json ?? null,
    temperature: temperature ?? null,
    attachment: attachment ?? null,
  };
  if (!reasoning) return known;
  const { toggle, effort, budgetTokens } = reasoning;
  return {
    ...known,
    reasoning: {
      ...(toggle == null ? {} : { toggle }),
      ...(effort == null ? {} : { effort }),
      ...(budgetTokens == null
        ? {}
        : {
            budget_tokens: {
              ...(budgetTokens.min == null ? {} : { min: budgetTokens.min }),
              ...(budgetTokens.max == null ? {} : { max: budgetTokens.max }),
            },
          }),
    },
  };
}

/** What is left out is no change; null clears what can be unknown and is no change of what cannot. */
function readChanges(input: typeof updateInput.$inferInput): Partial<ModelDetails> {
  const { family, contextTokens, maxOutputTokens, capabilities } = input;
  const always = {
    author: input.author,
    displayName: input.displayName,
    releasedOn: input.releasedOn,
    inputModalities: input.inputModalities,
    outputModalities: input.outputModalities,
    providerModel: input.providerModel,
  };
  return {
    ...Object.fromEntries(Object.entries(always).filter(([, value]) => value != null)),
    ...(family === undefined ? {} : { family }),
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(capabilities == null ? {} : { capabilities: readCapabilities(capabilities) }),
  };
}

builder.mutationFields((t) => ({
  modelCreate: t.field({
    type: modelPayload('ModelCreatePayload', 'The result of `modelCreate`.'),
    description:
      'Adds a model to the catalog; it can be called once it has a price and an upstream. Operators only.',
    args: { input: t.arg({ type: createInput, required: true, description: 'The model.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'modelCreate', input }, (tx) => {
        const slash = input.id.indexOf('/');
        return createModel(tx, {
          id: input.id,
          author: input.author ?? input.id.slice(0, Math.max(slash, 0)),
          displayName: input.displayName,
          family: input.family ?? null,
          releasedOn: input.releasedOn,
          contextTokens: input.contextTokens ?? null,
          maxOutputTokens: input.maxOutputTokens ?? null,
          inputModalities: input.inputModalities ?? ['text'],
          outputModalities: input.outputModalities ?? ['text'],
          capabilities: readCapabilities(input.capabilities),
          providerModel: input.providerModel ?? input.id.slice(slash + 1),
          status: input.status ?? 'listed',
        });
      }),
  }),
  modelUpdate: t.field({
    type: modelPayload('ModelUpdatePayload', 'The result of `modelUpdate`.'),
    description:
      'Changes what the catalog says of a model; in force within a second. Operators only. Idempotent.',
    args: { input: t.arg({ type: updateInput, required: true, description: 'The changes.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'modelUpdate', input }, (tx) =>
        updateModel(tx, { model: input.model, changes: readChanges(input) }),
      ),
  }),
}));
