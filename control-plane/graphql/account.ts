import { createContextCache } from '@pothos/core';
import DataLoader from 'dataloader';
import { inArray } from 'drizzle-orm';
import { accounts } from '#db/schema/accounts.ts';
import { formatUsd } from '#shared/money.ts';
import { canReachAccount } from '../accounts/authorize.ts';
import { createAccount } from '../accounts/create-account.ts';
import { listAccounts } from '../accounts/list-accounts.ts';
import { setAccountStatus } from '../accounts/set-account-status.ts';
import { type Balance, readBalances } from '../ledger/read-balances.ts';
import { builder } from './builder.ts';
import { uuidOf } from './global-ids.ts';
import { inIdOrder } from './id-order.ts';
import { pageById } from './page.ts';
import { type RequestContext, requireActor } from './request-context.ts';
import { type Payload, runMutation, runRepeatableMutation } from './run-mutation.ts';
import { userErrorRef } from './user-error.ts';

const accountStatus = builder.enumType('AccountStatus', {
  description: 'Whether the keys of an account work.',
  values: {
    ACTIVE: { value: 'active', description: 'Keys work.' },
    SUSPENDED: { value: 'suspended', description: 'Every key of the account answers `user_inactive`.' },
  } as const,
});

const balancesOf = createContextCache(
  (context: RequestContext) =>
    new DataLoader<string, Balance>((ids) => readBalances(context.database, context.redis, ids), {
      cache: false,
    }),
);

const balanceRef = builder.objectRef<Balance>('AccountBalance').implement({
  description: 'What an account has, exact to the nano-dollar.',
  fields: (t) => ({
    availableUsd: t.string({
      description: 'What can be spent now, USD: `ledgerUsd` − `heldUsd`.',
      resolve: (balance) => formatUsd(balance.availableNano),
    }),
    heldUsd: t.string({
      description: 'Held by requests in flight or whose usage is not settled yet, USD.',
      resolve: (balance) => formatUsd(balance.heldNano),
    }),
    ledgerUsd: t.string({
      description: 'The sum of the ledger entries of the account, USD.',
      resolve: (balance) => formatUsd(balance.ledgerNano),
    }),
    availableNano: t.field({
      type: 'NanoUSD',
      description: 'As `availableUsd`, in nano-USD.',
      resolve: (balance) => balance.availableNano,
    }),
    heldNano: t.field({
      type: 'NanoUSD',
      description: 'As `heldUsd`, in nano-USD.',
      resolve: (balance) => balance.heldNano,
    }),
  }),
});

export const accountRef = builder.loadableNodeRef('Account', {
  id: { resolve: (account) => account.id },
  load: async (ids: string[], { database, actor }: RequestContext) => {
    const rows = await database.select().from(accounts).where(inArray(accounts.id, ids));
    return inIdOrder(
      ids,
      rows.filter((row) => actor && canReachAccount(actor, row.id)),
      (row) => row.id,
    );
  },
  toKey: (account) => account.id,
  cacheResolved: true,
});

const accountEdge = builder.edgeObject({
  name: 'AccountEdge',
  description: 'One of the accounts of a page.',
  type: accountRef,
});
const accountConnection = builder.connectionObject(
  { name: 'AccountConnection', description: 'A page of accounts.', type: accountRef },
  accountEdge,
);

accountRef.implement({
  description: 'A customer: who pays. Owns API keys, a balance and usage.',
  authScopes: (account) => ({ reaches: account.id }),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'For people.' }),
    externalId: t.exposeString('externalId', {
      nullable: true,
      description: "The caller's own id for this account, unique while set.",
    }),
    status: t.field({
      type: accountStatus,
      description: 'Whether its keys work.',
      resolve: (account) => account.status,
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was opened.' }),
    balance: t.field({
      type: balanceRef,
      description: 'Its prepaid balance.',
      resolve: (account, _args, context) => balancesOf(context).load(account.id),
    }),
  }),
});

builder.queryFields((t) => ({
  account: t.field({
    type: accountRef,
    nullable: true,
    description: 'An account by id; null when it does not exist or is not yours.',
    authScopes: { signedIn: true },
    args: { id: t.arg.id({ required: true, description: 'Global id, `acct_…`.' }) },
    resolve: async (_root, { id }, context) => {
      const accountId = uuidOf('Account', id);
      const [row] = await context.database
        .select()
        .from(accounts)
        .where(inArray(accounts.id, [accountId]));
      return row && canReachAccount(requireActor(context), row.id) ? row : null;
    },
  }),
  accounts: t.connection(
    {
      type: accountRef,
      description: 'All accounts, newest first. Operators only.',
      authScopes: { operator: true },
      args: {
        externalId: t.arg.string({ description: 'Only the account with this external id.' }),
      },
      resolve: (_root, args, context) =>
        pageById(args, { order: 'newest-first', idField: 'id' }, (range) =>
          listAccounts(context.database, { externalId: args.externalId ?? undefined }, range),
        ),
    },
    accountConnection,
    accountEdge,
  ),
}));

type AccountPayload = Payload<{ accountId: string }>;

function accountPayload(name: string, description: string) {
  return builder.objectRef<AccountPayload>(name).implement({
    description,
    fields: (t) => ({
      account: t.field({
        type: accountRef,
        nullable: true,
        description: 'The account; null when the mutation was refused.',
        resolve: ({ value }, _args, context) => value && freshAccount(context, value.accountId),
      }),
      userErrors: t.expose('userErrors', {
        type: [userErrorRef],
        description: 'Why it was refused, if it was.',
      }),
    }),
  });
}

/** The id of an account that a mutation has just changed, forgetting what this request knew of it. */
export function freshAccount(context: RequestContext, accountId: string): string {
  accountRef.getDataloader(context).clear(accountId);
  return accountId;
}

const accountCreateInput = builder.inputType('AccountCreateInput', {
  description: 'A new account.',
  fields: (t) => ({
    name: t.string({ required: true, description: '1 to 128 characters, for people.' }),
    externalId: t.string({ description: 'Your own id for it, unique; 1 to 255 characters.' }),
    idempotencyKey: t.string({ description: 'The same key and input get the same answer for 24 h.' }),
  }),
});

const accountStatusInput = (name: string, description: string) =>
  builder.inputType(name, {
    description,
    fields: (t) => ({ accountId: t.id({ required: true, description: 'Global id of the account.' }) }),
  });

builder.mutationFields((t) => ({
  accountCreate: t.field({
    type: accountPayload('AccountCreatePayload', 'The result of `accountCreate`.'),
    description: 'Opens an account. Operators only.',
    authScopes: { operator: true },
    args: { input: t.arg({ type: accountCreateInput, required: true, description: 'The account.' }) },
    resolve: (_root, { input }, context) =>
      runRepeatableMutation(context, { mutation: 'accountCreate', input }, (tx) =>
        createAccount(tx, { name: input.name, externalId: input.externalId ?? null }),
      ),
  }),
  accountSuspend: t.field({
    type: accountPayload('AccountSuspendPayload', 'The result of `accountSuspend`.'),
    description: 'Suspends an account: all its keys answer `user_inactive`. Operators only. Idempotent.',
    authScopes: { operator: true },
    args: {
      input: t.arg({
        type: accountStatusInput('AccountSuspendInput', 'Which account to suspend.'),
        required: true,
        description: 'Which account.',
      }),
    },
    resolve: (_root, { input }, context) =>
      runMutation(context, (tx) =>
        setAccountStatus(tx, { accountId: uuidOf('Account', input.accountId), status: 'suspended' }),
      ),
  }),
  accountActivate: t.field({
    type: accountPayload('AccountActivatePayload', 'The result of `accountActivate`.'),
    description: 'Ends the suspension of an account. Operators only. Idempotent.',
    authScopes: { operator: true },
    args: {
      input: t.arg({
        type: accountStatusInput('AccountActivateInput', 'Which account to activate.'),
        required: true,
        description: 'Which account.',
      }),
    },
    resolve: (_root, { input }, context) =>
      runMutation(context, (tx) =>
        setAccountStatus(tx, { accountId: uuidOf('Account', input.accountId), status: 'active' }),
      ),
  }),
}));
