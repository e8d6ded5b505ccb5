import { MAX_API_KEY_LIMIT } from '../accounts/create-account.ts';
import { openAccount } from '../accounts/open-account.ts';
import { setAccountStatus } from '../accounts/set-account-status.ts';
import { updateAccount } from '../accounts/update-account.ts';
import { accountKind, accountRef, freshAccount } from './account.ts';
import { builder } from './builder.ts';
import { uuidOf } from './global-ids.ts';
import { requireActor } from './request-context.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { userErrorsField } from './user-error.ts';

function accountPayload(name: string, description: string) {
  return builder.objectRef<Payload<{ accountId: string }>>(name).implement({
    description,
    fields: (t) => ({
      account: t.field({
        type: accountRef,
        nullable: true,
        description: 'The account; null when the mutation was refused.',
        resolve: ({ value }, _args, context) => value && freshAccount(context, value.accountId),
      }),
      userErrors: userErrorsField(t),
    }),
  });
}

const createInput = builder.inputType('AccountCreateInput', {
  description: 'A new account.',
  fields: (t) => ({
    name: t.string({ required: true, description: '1 to 128 characters, for people.' }),
    kind: t.field({
      type: accountKind,
      description: 'What it is for; a customer when left out. Only operators open partner accounts.',
    }),
    partnerId: t.id({
      description:
        "Global id of the partner that owns it. When left out: none for operators, else the caller's own partner account.",
    }),
    externalId: t.string({
      description: 'Your own id for it, unique among the accounts of one owner; 1 to 255 characters.',
    }),
    metadata: t.field({ type: 'Metadata', description: 'Your own notes on it; searchable.' }),
    apiKeyLimit: t.int({
      description: `How many keys it may have, 1 to ${MAX_API_KEY_LIMIT}; no limit when left out.`,
    }),
    creditUsd: t.string({
      description:
        "Credit that moves to it from its partner's balance at once, decimal USD above 0; none when left out. Needs a partner, the permission `BILLING_WRITE` and an idempotency key.",
    }),
    idempotencyKey: t.string({ description: 'The same key and input get the same answer for 24 h.' }),
  }),
});

const updateInput = builder.inputType('AccountUpdateInput', {
  description: 'What to change of an account: what is left out stays as it is.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: 'Global id of the account.' }),
    name: t.string({ description: '1 to 128 characters, for people.' }),
    externalId: t.string({ description: 'Your own id for it; null takes it away. Owners only.' }),
    metadata: t.field({ type: 'Metadata', description: 'Replaces all notes. Owners only.' }),
    apiKeyLimit: t.int({ description: 'How many keys it may have; null for no limit. Owners only.' }),
    idempotencyKey: t.string({ description: 'The same key and input get the same answer for 24 h.' }),
  }),
});

const statusInput = (name: string, description: string) =>
  builder.inputType(name, {
    description,
    fields: (t) => ({ accountId: t.id({ required: true, description: 'Global id of the account.' }) }),
  });

builder.mutationFields((t) => ({
  accountCreate: t.field({
    type: accountPayload('AccountCreatePayload', 'The result of `accountCreate`.'),
    description: 'Opens an account: operators any, partners a customer account of their own.',
    args: { input: t.arg({ type: createInput, required: true, description: 'The account.' }) },
    resolve: async (_root, { input }, context) => {
      const payload = await runMutation(
        context,
        { mutation: 'accountCreate', input, keyRequired: typeof input.creditUsd === 'string' },
        (tx, { idempotencyKey }) =>
          openAccount(tx, context.redis, requireActor(context), {
            name: input.name,
            kind: input.kind ?? 'customer',
            partnerId: input.partnerId == null ? null : uuidOf('Account', input.partnerId),
            externalId: input.externalId ?? null,
            metadata: input.metadata ?? {},
            apiKeyLimit: input.apiKeyLimit ?? null,
            creditUsd: input.creditUsd ?? null,
            idempotencyKey,
          }),
      );
      if (payload.value && input.partnerId == null) context.access.joined(payload.value.accountId, 'owner');
      return payload;
    },
  }),
  accountUpdate: t.field({
    type: accountPayload('AccountUpdatePayload', 'The result of `accountUpdate`.'),
    description:
      'Renames an account; its owner (operator or partner) also changes external id, notes and limits.',
    args: { input: t.arg({ type: updateInput, required: true, description: 'The changes.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'accountUpdate', input }, (tx, { reach }) =>
        updateAccount(tx, reach, {
          accountId: uuidOf('Account', input.accountId),
          name: input.name ?? undefined,
          externalId: input.externalId,
          metadata: input.metadata === undefined ? undefined : (input.metadata ?? {}),
          apiKeyLimit: input.apiKeyLimit,
        }),
      ),
  }),
  accountSuspend: t.field({
    type: accountPayload('AccountSuspendPayload', 'The result of `accountSuspend`.'),
    description:
      'Suspends an account: all its keys answer `user_inactive` within a second. Operators any, partners their customers. Idempotent.',
    args: {
      input: t.arg({
        type: statusInput('AccountSuspendInput', 'Which account to suspend.'),
        required: true,
        description: 'Which account.',
      }),
    },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'accountSuspend', input }, (tx, { reach }) =>
        setAccountStatus(tx, reach, { accountId: uuidOf('Account', input.accountId), status: 'suspended' }),
      ),
  }),
  accountActivate: t.field({
    type: accountPayload('AccountActivatePayload', 'The result of `accountActivate`.'),
    description: 'Ends the suspension of an account. Operators any, partners their customers. Idempotent.',
    args: {
      input: t.arg({
        type: statusInput('AccountActivateInput', 'Which account to activate.'),
        required: true,
        description: 'Which account.',
      }),
    },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'accountActivate', input }, (tx, { reach }) =>
        setAccountStatus(tx, reach, { accountId: uuidOf('Account', input.accountId), status: 'active' }),
      ),
  }),
}));
