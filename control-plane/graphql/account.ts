import { createContextCache } from '@pothos/core';
import DataLoader from 'dataloader';
import { inArray } from 'drizzle-orm';
import { accounts } from '#db/schema/accounts.ts';
import { formatUsd } from '#shared/money.ts';
import { type AccountRow, listAccounts, listCustomersOf } from '../accounts/list-accounts.ts';
import { type Balance, readBalances } from '../ledger/read-balances.ts';
import { builder } from './builder.ts';
import { uuidOf } from './global-ids.ts';
import { inIdOrder } from './id-order.ts';
import { loadPageOfParent, pageById } from './page.ts';
import { accountsToList, onlyVisible, type RequestContext } from './request-context.ts';

const accountStatus = builder.enumType('AccountStatus', {
  description: 'Whether the keys of an account work.',
  values: {
    ACTIVE: { value: 'active', description: 'Keys work.' },
    SUSPENDED: { value: 'suspended', description: 'Every key of the account answers `user_inactive`.' },
  } as const,
});

export const accountKind = builder.enumType('AccountKind', {
  description: 'What an account is for.',
  values: {
    CUSTOMER: { value: 'customer', description: 'Uses models and pays.' },
    PARTNER: { value: 'partner', description: 'Also owns customer accounts, to which it gives credit.' },
  } as const,
});

const balancesOf = createContextCache(
  (context: RequestContext) =>
    new DataLoader<string, Balance>((ids) => readBalances(context.database, context.redis, ids), {
      cache: false,
    }),
);

export const balanceRef = builder.objectRef<Balance>('AccountBalance').implement({
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
    promotionalUsd: t.string({
      description: 'The part of `ledgerUsd` that was given and not paid, USD; it is spent first.',
      resolve: (balance) => formatUsd(balance.promotionalNano),
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
  load: async (ids: string[], context: RequestContext) => {
    const rows = await context.database.select().from(accounts).where(inArray(accounts.id, ids));
    return inIdOrder(ids, await onlyVisible(context, rows, (row) => row.id), (row) => row.id);
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
  description: 'Who pays. Owns API keys, a balance and usage.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'For people.' }),
    externalId: t.exposeString('externalId', {
      nullable: true,
      description: "The owner's own id for it, unique among the accounts of one owner.",
    }),
    status: t.field({
      type: accountStatus,
      description: 'Whether its keys work.',
      resolve: (account) => account.status,
    }),
    kind: t.field({ type: accountKind, description: 'What it is for.', resolve: (account) => account.kind }),
    metadata: t.expose('metadata', { type: 'Metadata', description: "The owner's own notes on it." }),
    apiKeyLimit: t.exposeInt('apiKeyLimit', {
      nullable: true,
      description: 'How many keys it may have, deleted ones not counted; null for no limit.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was opened.' }),
    balance: t.field({
      type: balanceRef,
      description: 'Its prepaid balance.',
      resolve: (account, _args, context) => balancesOf(context).load(account.id),
    }),
  }),
});

const accountFilters = builder.args((t) => ({
  externalId: t.string({ description: 'Only the account with this external id.' }),
  metadata: t.field({ type: 'Metadata', description: 'Only accounts whose metadata has all of this.' }),
  kind: t.field({ type: accountKind, description: 'Only accounts of this kind.' }),
}));

builder.queryFields((t) => ({
  account: t.field({
    type: accountRef,
    nullable: true,
    description: 'An account by id; null when it does not exist or is not yours.',
    args: { id: t.arg.id({ required: true, description: 'Global id, `acct_…`.' }) },
    resolve: async (_root, { id }, context) => {
      const rows = await context.database
        .select()
        .from(accounts)
        .where(inArray(accounts.id, [uuidOf('Account', id)]));
      return (await onlyVisible(context, rows, (row) => row.id))[0];
    },
  }),
  accounts: t.connection(
    {
      type: accountRef,
      description:
        "Accounts, newest first: the caller's own and the customer accounts that they own; for operators all.",
      args: accountFilters,
      resolve: async (_root, { externalId, metadata, kind, ...args }, context) => {
        const within = await accountsToList(context, 'accounts', null);
        return await pageById(args, { order: 'newest-first', idField: 'id' }, async (range) => {
          const filter = {
            within,
            externalId: externalId ?? undefined,
            metadata: metadata ?? undefined,
            kind: kind ?? undefined,
          };
          const rows = await listAccounts(context.database, filter, range);
          await context.access.learn(rows.map((row) => row.id));
          return rows;
        });
      },
    },
    accountConnection,
    accountEdge,
  ),
}));

builder.objectField(accountRef, 'partner', (t) =>
  t.field({
    type: accountRef,
    nullable: true,
    description: 'The partner that owns it; null for the accounts of the installation itself.',
    resolve: (account, _args, { access }) =>
      account.partnerId !== null && access.sees(account.partnerId) ? account.partnerId : null,
  }),
);

builder.objectField(accountRef, 'customers', (t) =>
  t.connection(
    {
      type: accountRef,
      description: 'The customer accounts that it owns, newest first; empty unless it is a partner.',
      args: accountFilters,
      resolve: (account, { externalId, metadata, kind, ...args }, context) =>
        pageById(args, { order: 'newest-first', idField: 'id' }, async (range) => {
          const filter = {
            externalId: externalId ?? undefined,
            metadata: metadata ?? undefined,
            kind: kind ?? undefined,
          };
          const rows = await loadPageOfParent<AccountRow>(context, {
            name: `customers:${JSON.stringify(filter)}`,
            parentId: account.id,
            range,
            parentOf: (row) => row.partnerId ?? '',
            load: (partnerIds) => listCustomersOf(context.database, partnerIds, filter, range),
          });
          await context.access.learn(rows.map((row) => row.id));
          return rows;
        }),
    },
    accountConnection,
    accountEdge,
  ),
);

/** The id of an account that a mutation has just changed, forgetting what this request knew of it. */
export function freshAccount(context: RequestContext, accountId: string): string {
  accountRef.getDataloader(context).clear(accountId);
  return accountId;
}
