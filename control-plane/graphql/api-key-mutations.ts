import { deleteKey } from '../keys/delete-key.ts';
import { DEFAULT_RPM_LIMIT, DEFAULT_TPM_LIMIT, issueKey } from '../keys/issue-key.ts';
import { setKeyStatus } from '../keys/set-key-status.ts';
import { apiKeyRef, freshApiKey } from './api-key.ts';
import { builder } from './builder.ts';
import { uuidOf } from './global-ids.ts';
import { requireActor } from './request-context.ts';
import { type Payload, runMutation, runRepeatableMutation } from './run-mutation.ts';
import { userErrorRef } from './user-error.ts';

const createInput = builder.inputType('ApiKeyCreateInput', {
  description: 'A new API key.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: 'Global id of the account that pays.' }),
    name: t.string({ required: true, description: '1 to 128 characters, for people.' }),
    rpmLimit: t.int({ description: `Requests per minute; ${DEFAULT_RPM_LIMIT} when left out.` }),
    tpmLimit: t.int({ description: `Tokens per minute; ${DEFAULT_TPM_LIMIT} when left out.` }),
    expiresAt: t.field({ type: 'DateTime', description: 'When it stops working; never when left out.' }),
    idempotencyKey: t.string({
      description: 'The same key and input get the same answer for 24 h, the secret included.',
    }),
  }),
});

const createPayload = builder
  .objectRef<Payload<{ apiKeyId: string; secret: string }>>('ApiKeyCreatePayload')
  .implement({
    description: 'The result of `apiKeyCreate`.',
    fields: (t) => ({
      apiKey: t.field({
        type: apiKeyRef,
        nullable: true,
        description: 'The key; null when the mutation was refused.',
        resolve: ({ value }) => value?.apiKeyId,
      }),
      secret: t.string({
        nullable: true,
        description: 'The full key. Shown here and never again; keep it safe.',
        resolve: ({ value }) => value?.secret,
      }),
      userErrors: t.expose('userErrors', {
        type: [userErrorRef],
        description: 'Why it was refused, if it was.',
      }),
    }),
  });

function changePayload(name: string, description: string) {
  return builder.objectRef<Payload<{ apiKeyId: string }>>(name).implement({
    description,
    fields: (t) => ({
      apiKey: t.field({
        type: apiKeyRef,
        nullable: true,
        description: 'The key as it is now; null when the mutation was refused.',
        resolve: ({ value }, _args, context) => value && freshApiKey(context, value.apiKeyId),
      }),
      userErrors: t.expose('userErrors', {
        type: [userErrorRef],
        description: 'Why it was refused, if it was.',
      }),
    }),
  });
}

const changeInput = (name: string, description: string) =>
  builder.inputType(name, {
    description,
    fields: (t) => ({ apiKeyId: t.id({ required: true, description: 'Global id of the key, `key_…`.' }) }),
  });

builder.mutationFields((t) => ({
  apiKeyCreate: t.field({
    type: createPayload,
    description: 'Makes an API key. Its secret is in this answer only.',
    authScopes: { signedIn: true },
    args: { input: t.arg({ type: createInput, required: true, description: 'The key.' }) },
    resolve: (_root, { input }, context) =>
      runRepeatableMutation(context, { mutation: 'apiKeyCreate', input }, (tx) =>
        issueKey(tx, requireActor(context), {
          accountId: uuidOf('Account', input.accountId),
          name: input.name,
          rpmLimit: input.rpmLimit ?? undefined,
          tpmLimit: input.tpmLimit ?? undefined,
          expiresAt: input.expiresAt ?? null,
        }),
      ),
  }),
  apiKeyDisable: t.field({
    type: changePayload('ApiKeyDisablePayload', 'The result of `apiKeyDisable`.'),
    description: 'Disables a key: it answers `api_key_inactive` within a second. Idempotent.',
    authScopes: { signedIn: true },
    args: {
      input: t.arg({
        type: changeInput('ApiKeyDisableInput', 'Which key to disable.'),
        required: true,
        description: 'Which key.',
      }),
    },
    resolve: (_root, { input }, context) =>
      runMutation(context, (tx) =>
        setKeyStatus(tx, requireActor(context), {
          apiKeyId: uuidOf('ApiKey', input.apiKeyId),
          status: 'disabled',
        }),
      ),
  }),
  apiKeyEnable: t.field({
    type: changePayload('ApiKeyEnablePayload', 'The result of `apiKeyEnable`.'),
    description: 'Enables a disabled key again. Idempotent.',
    authScopes: { signedIn: true },
    args: {
      input: t.arg({
        type: changeInput('ApiKeyEnableInput', 'Which key to enable.'),
        required: true,
        description: 'Which key.',
      }),
    },
    resolve: (_root, { input }, context) =>
      runMutation(context, (tx) =>
        setKeyStatus(tx, requireActor(context), {
          apiKeyId: uuidOf('ApiKey', input.apiKeyId),
          status: 'active',
        }),
      ),
  }),
  apiKeyDelete: t.field({
    type: changePayload('ApiKeyDeletePayload', 'The result of `apiKeyDelete`.'),
    description: 'Deletes a key for good: it answers `invalid_api_key` within a second. Idempotent.',
    authScopes: { signedIn: true },
    args: {
      input: t.arg({
        type: changeInput('ApiKeyDeleteInput', 'Which key to delete.'),
        required: true,
        description: 'Which key.',
      }),
    },
    resolve: (_root, { input }, context) =>
      runMutation(context, (tx) =>
        deleteKey(tx, requireActor(context), { apiKeyId: uuidOf('ApiKey', input.apiKeyId) }),
      ),
  }),
}));
