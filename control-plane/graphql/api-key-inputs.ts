import type { InputFieldBuilder, InputShapeFromFields } from '@pothos/core';
import { MAX_ALIASES_PER_KEY } from '../catalog/alias-rules.ts';
import {
  DEFAULT_RPM_LIMIT,
  DEFAULT_TPM_LIMIT,
  MAX_ALLOWED_ADDRESSES,
  MAX_ALLOWED_MODELS,
} from '../keys/key-rules.ts';
import type { KeySpec } from '../keys/key-spec.ts';
import type { KeyChanges } from '../keys/update-key.ts';
import { budgetPeriod } from './api-key.ts';
import { builder } from './builder.ts';
import { aliasKind } from './model-alias.ts';

type Fields = InputFieldBuilder<typeof builder.$inferSchemaTypes, 'InputObject'>;

const aliasInput = builder.inputType('ApiKeyAliasInput', {
  description: 'An alias of a new key.',
  fields: (t) => ({
    alias: t.string({
      required: true,
      description: '1 to 128 letters, digits or . _ : / @ + - [ ], beginning with a letter or digit.',
    }),
    kind: t.field({ type: aliasKind, required: true, description: 'Which requested names it stands for.' }),
    model: t.id({ required: true, description: 'Id of a model of the catalog, `vendor/name`.' }),
  }),
});

/** What can be both given to a new key and changed later. */
const settingFields = (t: Fields, left: string) => ({
  concurrencyLimit: t.int({ description: `Requests in flight at one time; ${left}.` }),
  budgetUsd: t.string({
    description: `What it may spend per period, decimal USD above 0; ${left}. Beyond it requests get 402.`,
  }),
  budgetPeriod: t.field({
    type: budgetPeriod,
    description: 'When the budget begins anew.',
  }),
  allowedModels: t.idList({
    description: `The only models it may call, 1 to ${MAX_ALLOWED_MODELS} ids of the catalog; ${left}.`,
  }),
  allowedAddresses: t.stringList({
    description: `The only addresses it may be used from, 1 to ${MAX_ALLOWED_ADDRESSES} IP addresses or CIDR ranges; ${left}.`,
  }),
  externalId: t.string({
    description: 'Your own id for it, unique within the account; 1 to 255 characters.',
  }),
  metadata: t.field({ type: 'Metadata', description: 'Your own notes on it; searchable.' }),
});

const newKeyFields = (t: Fields) => ({
  name: t.string({ required: true, description: '1 to 128 characters, for people.' }),
  rpmLimit: t.int({ description: `Requests per minute; ${DEFAULT_RPM_LIMIT} when left out.` }),
  tpmLimit: t.int({ description: `Tokens per minute; ${DEFAULT_TPM_LIMIT} when left out.` }),
  expiresAt: t.field({ type: 'DateTime', description: 'When it stops working; never when left out.' }),
  ...settingFields(t, 'no limit when left out'),
  aliases: t.field({
    type: [aliasInput],
    description: `Its aliases, at most ${MAX_ALIASES_PER_KEY}.`,
  }),
});

export const apiKeyCreateInput = builder.inputType('ApiKeyCreateInput', {
  description: 'A new API key.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: 'Global id of the account that pays.' }),
    ...newKeyFields(t),
    idempotencyKey: t.string({
      description: 'The same key and input get the same answer for 24 h, the secret included.',
    }),
  }),
});

export const newApiKeyInput = builder.inputType('NewApiKeyInput', {
  description: 'One of many new API keys.',
  fields: newKeyFields,
});

export const apiKeyUpdateInput = builder.inputType('ApiKeyUpdateInput', {
  description: 'What to change of a key: what is left out stays as it is.',
  fields: (t) => ({
    apiKeyId: t.id({ required: true, description: 'Global id of the key, `key_…`.' }),
    name: t.string({ description: '1 to 128 characters, for people.' }),
    rpmLimit: t.int({ description: 'Requests per minute.' }),
    tpmLimit: t.int({ description: 'Tokens per minute.' }),
    expiresAt: t.field({ type: 'DateTime', description: 'When it stops working; null for never.' }),
    ...settingFields(t, 'null for no limit'),
    idempotencyKey: t.string({ description: 'The same key and input get the same answer for 24 h.' }),
  }),
});

/** A new key as the verbs want it. */
export function toKeySpec(input: InputShapeFromFields<ReturnType<typeof newKeyFields>>): KeySpec {
  return {
    name: input.name,
    rpmLimit: input.rpmLimit ?? undefined,
    tpmLimit: input.tpmLimit ?? undefined,
    concurrencyLimit: input.concurrencyLimit ?? null,
    budgetUsd: input.budgetUsd ?? null,
    budgetPeriod: input.budgetPeriod ?? undefined,
    allowedModels: input.allowedModels?.map(String) ?? null,
    allowedAddresses: input.allowedAddresses ?? null,
    externalId: input.externalId ?? null,
    metadata: input.metadata ?? undefined,
    expiresAt: input.expiresAt ?? null,
    aliases: (input.aliases ?? []).map(({ alias, kind, model }) => ({ alias, kind, model: String(model) })),
  };
}

/** The changes that were sent. `null` takes a limit away, and leaves alone what cannot be absent. */
export function toKeyChanges(input: typeof apiKeyUpdateInput.$inferInput): KeyChanges {
  const { name, rpmLimit, tpmLimit, budgetPeriod: period, metadata } = input;
  const { concurrencyLimit, budgetUsd, allowedModels, allowedAddresses, externalId, expiresAt } = input;
  return {
    ...(name !== null && name !== undefined && { name }),
    ...(rpmLimit !== null && rpmLimit !== undefined && { rpmLimit }),
    ...(tpmLimit !== null && tpmLimit !== undefined && { tpmLimit }),
    ...(period !== null && period !== undefined && { budgetPeriod: period }),
    ...(metadata !== undefined && { metadata: metadata ?? {} }),
    ...(concurrencyLimit !== undefined && { concurrencyLimit }),
    ...(budgetUsd !== undefined && { budgetUsd }),
    ...(allowedModels !== undefined && { allowedModels: allowedModels?.map(String) ?? null }),
    ...(allowedAddresses !== undefined && { allowedAddresses }),
    ...(externalId !== undefined && { externalId }),
    ...(expiresAt !== undefined && { expiresAt }),
  };
}
