import type { InputShapeFromFields } from '@pothos/core';
import { inArray } from 'drizzle-orm';
import { apiKeys } from '#db/schema/api-keys.ts';
import { formatUsd } from '#shared/money.ts';
import { type ApiKeyRow, apiKeyColumns, type KeyFilter, listAllKeys, listKeysOf } from '../keys/list-keys.ts';
import { accountRef } from './account.ts';
import { builder } from './builder.ts';
import { inIdOrder } from './id-order.ts';
import { loadPageOfParent, pageById } from './page.ts';
import { accountsToList, onlyVisible, type RequestContext } from './request-context.ts';

const apiKeyStatus = builder.enumType('ApiKeyStatus', {
  description: 'Whether an API key works.',
  values: {
    ACTIVE: { value: 'active', description: 'It works, until it expires.' },
    DISABLED: { value: 'disabled', description: 'It answers `api_key_inactive` until it is enabled again.' },
    DELETED: { value: 'deleted', description: 'It answers `invalid_api_key`, for good.' },
  } as const,
});

export const budgetPeriod = builder.enumType('BudgetPeriod', {
  description: 'When a budget begins anew. Periods begin at midnight UTC, weeks on Monday.',
  values: {
    NONE: { value: 'none', description: 'Never: it is what the key may spend in all.' },
    DAY: { value: 'day', description: 'Every day.' },
    WEEK: { value: 'week', description: 'Every Monday.' },
    MONTH: { value: 'month', description: 'On the first of every month.' },
  } as const,
});

export const apiKeyRef = builder.loadableNodeRef('ApiKey', {
  id: { resolve: (key) => key.id },
  load: async (ids: string[], context: RequestContext) => {
    const rows = await context.database.select(apiKeyColumns).from(apiKeys).where(inArray(apiKeys.id, ids));
    return inIdOrder(ids, await onlyVisible(context, rows, (row) => row.accountId), (row) => row.id);
  },
  toKey: (key) => key.id,
  cacheResolved: true,
});

const apiKeyEdge = builder.edgeObject({
  name: 'ApiKeyEdge',
  description: 'One of the API keys of a page.',
  type: apiKeyRef,
});
const apiKeyConnection = builder.connectionObject(
  { name: 'ApiKeyConnection', description: 'A page of API keys.', type: apiKeyRef },
  apiKeyEdge,
);

apiKeyRef.implement({
  description: 'A key for `/v1`. The full key is shown once, by the mutation that makes it.',
  fields: (t) => ({
    account: t.field({
      type: accountRef,
      description: 'Who pays for its requests.',
      resolve: (key) => key.accountId,
    }),
    name: t.exposeString('name', { description: 'For people.' }),
    start: t.exposeString('start', { description: 'The first 6 characters of the key.' }),
    last4: t.exposeString('last4', { description: 'The last 4 characters of the key.' }),
    status: t.field({
      type: apiKeyStatus,
      description: 'Whether it works.',
      resolve: (key) => key.status,
    }),
    rpmLimit: t.exposeInt('rpmLimit', { description: 'Requests per minute.' }),
    tpmLimit: t.exposeInt('tpmLimit', { description: 'Tokens per minute.' }),
    concurrencyLimit: t.exposeInt('concurrencyLimit', {
      nullable: true,
      description: 'Requests in flight at one time; null for no limit.',
    }),
    budgetUsd: t.string({
      nullable: true,
      description: 'What it may spend per period, USD; null for no budget of its own.',
      resolve: ({ budgetNano }) => (budgetNano === null ? null : formatUsd(budgetNano)),
    }),
    budgetNano: t.expose('budgetNano', {
      type: 'NanoUSD',
      nullable: true,
      description: 'As `budgetUsd`, in nano-USD.',
    }),
    budgetPeriod: t.field({
      type: budgetPeriod,
      description: 'When the budget begins anew.',
      resolve: (key) => key.budgetPeriod,
    }),
    allowedModels: t.exposeIDList('allowedModels', {
      nullable: true,
      description: 'The only models it may call; null for every model.',
    }),
    allowedAddresses: t.exposeStringList('allowedAddresses', {
      nullable: true,
      description: 'The only addresses and CIDR ranges it may be used from; null for anywhere.',
    }),
    externalId: t.exposeString('externalId', {
      nullable: true,
      description: "The owner's own id for it, unique within the account.",
    }),
    metadata: t.expose('metadata', { type: 'Metadata', description: "The owner's own notes on it." }),
    previousSecretValidUntil: t.expose('previousValidUntil', {
      type: 'DateTime',
      nullable: true,
      description: 'Until when the secret before the last rotation works; null when none does.',
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it stops working; null for never.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    deletedAt: t.expose('deletedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was deleted; null while it exists.',
    }),
  }),
});

const filterArguments = builder.args((t) => ({
  externalId: t.string({ description: 'Only keys with this external id.' }),
  metadata: t.field({ type: 'Metadata', description: 'Only keys whose metadata has all of this.' }),
  status: t.field({ type: apiKeyStatus, description: 'Only keys with this status.' }),
}));

type Filter = InputShapeFromFields<typeof filterArguments>;
type KeyListArguments = Parameters<typeof pageById>[0] & Filter;

function toFilter({ externalId, metadata, status }: Filter): KeyFilter {
  return {
    externalId: externalId ?? undefined,
    metadata: metadata ?? undefined,
    status: status ?? undefined,
  };
}

function keysOfAccount(context: RequestContext, accountId: string, args: KeyListArguments) {
  const filter = toFilter(args);
  return pageById(args, { order: 'newest-first', idField: 'id' }, (range) =>
    loadPageOfParent<ApiKeyRow>(context, {
      name: `apiKeys:${JSON.stringify(filter)}`,
      parentId: accountId,
      range,
      parentOf: (row) => row.accountId,
      load: (accountIds) => listKeysOf(context.database, accountIds, filter, range),
    }),
  );
}

builder.objectField(accountRef, 'apiKeys', (t) =>
  t.connection(
    {
      type: apiKeyRef,
      description: 'Its API keys, newest first; deleted ones included.',
      args: filterArguments,
      resolve: (account, args, context) => keysOfAccount(context, account.id, args),
    },
    apiKeyConnection,
    apiKeyEdge,
  ),
);

builder.queryField('apiKeys', (t) =>
  t.connection(
    {
      type: apiKeyRef,
      description:
        "API keys, newest first: those of one account, else those of the caller's own accounts; for operators everybody's.",
      args: {
        accountId: t.arg.id({ description: 'Only the keys of this account.' }),
        ...filterArguments,
      },
      resolve: async (_root, { accountId, ...args }, context) => {
        const listed = await accountsToList(context, 'apiKeys', accountId);
        const filter = toFilter(args);
        return await pageById(args, { order: 'newest-first', idField: 'id' }, (range) =>
          listed === null
            ? listAllKeys(context.database, filter, range)
            : listKeysOf(context.database, listed, filter, range),
        );
      },
    },
    apiKeyConnection,
    apiKeyEdge,
  ),
);

/** The id of a key that a mutation has just changed, forgetting what this request knew of it. */
export function freshApiKey(context: RequestContext, apiKeyId: string): string {
  apiKeyRef.getDataloader(context).clear(apiKeyId);
  return apiKeyId;
}
