import { deleteKey } from '../keys/delete-key.ts';
import { disableKeys } from '../keys/disable-keys.ts';
import { issueKey, issueKeys } from '../keys/issue-key.ts';
import { MAX_KEYS_PER_CALL } from '../keys/key-rules.ts';
import { DEFAULT_OVERLAP_SECONDS, MAX_OVERLAP_SECONDS, rotateKey } from '../keys/rotate-key.ts';
import { setKeyStatus } from '../keys/set-key-status.ts';
import { updateKey } from '../keys/update-key.ts';
import { refused, userError } from '../user-error.ts';
import { apiKeyRef, freshApiKey } from './api-key.ts';
import {
  apiKeyCreateInput,
  apiKeyUpdateInput,
  newApiKeyInput,
  toKeyChanges,
  toKeySpec,
} from './api-key-inputs.ts';
import { builder } from './builder.ts';
import { uuidOf } from './global-ids.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { userErrorsField } from './user-error.ts';

const idempotencyDescription = 'The same key and input get the same answer for 24 h, the secret included.';

const keyPayload = (name: string, description: string) =>
  builder.objectRef<Payload<{ apiKeyId: string }>>(name).implement({
    description,
    fields: (t) => ({
      apiKey: t.field({
        type: apiKeyRef,
        nullable: true,
        description: 'The key as it is now; null when the mutation was refused.',
        resolve: ({ value }, _args, context) => value && freshApiKey(context, value.apiKeyId),
      }),
      userErrors: userErrorsField(t),
    }),
  });

const secretPayload = (name: string, description: string) =>
  builder.objectRef<Payload<{ apiKeyId: string; secret: string }>>(name).implement({
    description,
    fields: (t) => ({
      apiKey: t.field({
        type: apiKeyRef,
        nullable: true,
        description: 'The key; null when the mutation was refused.',
        resolve: ({ value }, _args, context) => value && freshApiKey(context, value.apiKeyId),
      }),
      secret: t.string({
        nullable: true,
        description: 'The full key. Shown here and never again; keep it safe.',
        resolve: ({ value }) => value?.secret,
      }),
      userErrors: userErrorsField(t),
    }),
  });

type IssuedKeys = Payload<{ apiKeys: readonly { apiKeyId: string; secret: string }[] }>;

const bulkCreatePayload = builder.objectRef<IssuedKeys>('ApiKeysCreatePayload').implement({
  description: 'The result of `apiKeysCreate`.',
  fields: (t) => ({
    apiKeys: t.field({
      type: [apiKeyRef],
      nullable: true,
      description: 'The keys, in the order of the input; null when the mutation was refused.',
      resolve: ({ value }) => value?.apiKeys.map(({ apiKeyId }) => apiKeyId),
    }),
    secrets: t.stringList({
      nullable: true,
      description: 'The full keys, in the order of the input. Shown here and never again; keep them safe.',
      resolve: ({ value }) => value?.apiKeys.map(({ secret }) => secret),
    }),
    userErrors: userErrorsField(t),
  }),
});

const bulkPayload = builder
  .objectRef<Payload<{ apiKeyIds: readonly string[] }>>('ApiKeysDisablePayload')
  .implement({
    description: 'The result of `apiKeysDisable`.',
    fields: (t) => ({
      apiKeys: t.field({
        type: [apiKeyRef],
        nullable: true,
        description: 'The keys as they are now, in the order of the input; null when it was refused.',
        resolve: ({ value }, _args, context) => value?.apiKeyIds.map((id) => freshApiKey(context, id)),
      }),
      userErrors: userErrorsField(t),
    }),
  });

const bulkCreateInput = builder.inputType('ApiKeysCreateInput', {
  description: 'Many new API keys of one account.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: 'Global id of the account that pays.' }),
    keys: t.field({
      type: [newApiKeyInput],
      required: true,
      description: `The keys, 1 to ${MAX_KEYS_PER_CALL}.`,
    }),
    idempotencyKey: t.string({ description: idempotencyDescription }),
  }),
});

const bulkDisableInput = builder.inputType('ApiKeysDisableInput', {
  description: 'Which keys to disable.',
  fields: (t) => ({
    apiKeyIds: t.idList({
      required: true,
      description: `Global ids of the keys, 1 to ${MAX_KEYS_PER_CALL}.`,
    }),
    idempotencyKey: t.string({ description: 'The same key and input get the same answer for 24 h.' }),
  }),
});

const rotateInput = builder.inputType('ApiKeyRotateInput', {
  description: 'Which key gets a new secret.',
  fields: (t) => ({
    apiKeyId: t.id({ required: true, description: 'Global id of the key, `key_…`.' }),
    overlapSeconds: t.int({
      description: `How long the old secret works on beside the new one, 0 to ${MAX_OVERLAP_SECONDS}; ${DEFAULT_OVERLAP_SECONDS} (a day) when left out, 0 to end it at once.`,
    }),
    idempotencyKey: t.string({ description: idempotencyDescription }),
  }),
});

const whichKey = (name: string, description: string) =>
  builder.inputType(name, {
    description,
    fields: (t) => ({ apiKeyId: t.id({ required: true, description: 'Global id of the key, `key_…`.' }) }),
  });

builder.mutationFields((t) => ({
  apiKeyCreate: t.field({
    type: secretPayload('ApiKeyCreatePayload', 'The result of `apiKeyCreate`.'),
    description: 'Makes an API key. Its secret is in this answer only.',
    args: { input: t.arg({ type: apiKeyCreateInput, required: true, description: 'The key.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'apiKeyCreate', input }, (tx, { reach }) =>
        issueKey(tx, reach, { accountId: uuidOf('Account', input.accountId), ...toKeySpec(input) }),
      ),
  }),
  apiKeysCreate: t.field({
    type: bulkCreatePayload,
    description: `Makes up to ${MAX_KEYS_PER_CALL} API keys of one account at once: all of them, or none when one is refused. All work within 2 s.`,
    args: { input: t.arg({ type: bulkCreateInput, required: true, description: 'The keys.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'apiKeysCreate', input }, async (tx, { reach }) => {
        if (input.keys.length === 0 || input.keys.length > MAX_KEYS_PER_CALL)
          return refused([userError('INVALID_INPUT', `Make 1 to ${MAX_KEYS_PER_CALL} keys.`, 'keys')]);
        return await issueKeys(tx, reach, {
          accountId: uuidOf('Account', input.accountId),
          keys: input.keys.map(toKeySpec),
        });
      }),
  }),
  apiKeyUpdate: t.field({
    type: keyPayload('ApiKeyUpdatePayload', 'The result of `apiKeyUpdate`.'),
    description:
      'Changes name, limits, allow-lists, budget, expiry or notes of a key; in force within a second.',
    args: { input: t.arg({ type: apiKeyUpdateInput, required: true, description: 'The changes.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'apiKeyUpdate', input }, (tx, { reach }) =>
        updateKey(tx, reach, { apiKeyId: uuidOf('ApiKey', input.apiKeyId), ...toKeyChanges(input) }),
      ),
  }),
  apiKeyRotate: t.field({
    type: secretPayload('ApiKeyRotatePayload', 'The result of `apiKeyRotate`.'),
    description:
      'Gives a key a new secret; the one before it works on for the overlap. Limits, aliases and usage stay with the key.',
    args: { input: t.arg({ type: rotateInput, required: true, description: 'Which key.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'apiKeyRotate', input }, (tx, { reach }) =>
        rotateKey(tx, reach, {
          apiKeyId: uuidOf('ApiKey', input.apiKeyId),
          overlapSeconds: input.overlapSeconds ?? DEFAULT_OVERLAP_SECONDS,
        }),
      ),
  }),
  apiKeysDisable: t.field({
    type: bulkPayload,
    description: `Disables up to ${MAX_KEYS_PER_CALL} keys at once: all of them, or none when one cannot be. Idempotent.`,
    args: { input: t.arg({ type: bulkDisableInput, required: true, description: 'Which keys.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'apiKeysDisable', input }, (tx, { reach }) =>
        disableKeys(tx, reach, { apiKeyIds: input.apiKeyIds.map((id) => uuidOf('ApiKey', id)) }),
      ),
  }),
}));

builder.mutationFields((t) => ({
  apiKeyDisable: t.field({
    type: keyPayload('ApiKeyDisablePayload', 'The result of `apiKeyDisable`.'),
    description: 'Disables a key: it answers `api_key_inactive` within a second. Idempotent.',
    args: {
      input: t.arg({
        type: whichKey('ApiKeyDisableInput', 'Which key to disable.'),
        required: true,
        description: 'Which key.',
      }),
    },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'apiKeyDisable', input }, (tx, { reach }) =>
        setKeyStatus(tx, reach, { apiKeyId: uuidOf('ApiKey', input.apiKeyId), status: 'disabled' }),
      ),
  }),
  apiKeyEnable: t.field({
    type: keyPayload('ApiKeyEnablePayload', 'The result of `apiKeyEnable`.'),
    description: 'Enables a disabled key again. Idempotent.',
    args: {
      input: t.arg({
        type: whichKey('ApiKeyEnableInput', 'Which key to enable.'),
        required: true,
        description: 'Which key.',
      }),
    },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'apiKeyEnable', input }, (tx, { reach }) =>
        setKeyStatus(tx, reach, { apiKeyId: uuidOf('ApiKey', input.apiKeyId), status: 'active' }),
      ),
  }),
  apiKeyDelete: t.field({
    type: keyPayload('ApiKeyDeletePayload', 'The result of `apiKeyDelete`.'),
    description: 'Deletes a key for good: it answers `invalid_api_key` within a second. Idempotent.',
    args: {
      input: t.arg({
        type: whichKey('ApiKeyDeleteInput', 'Which key to delete.'),
        required: true,
        description: 'Which key.',
      }),
    },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'apiKeyDelete', input }, (tx, { reach }) =>
        deleteKey(tx, reach, { apiKeyId: uuidOf('ApiKey', input.apiKeyId) }),
      ),
  }),
}));
