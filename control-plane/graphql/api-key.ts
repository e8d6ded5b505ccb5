import { inArray } from 'drizzle-orm';
import { apiKeys } from '#db/schema/api-keys.ts';
import { canReachAccount, visibleAccountId } from '../accounts/authorize.ts';
import { type ApiKeyRow, apiKeyColumns, listAllKeys, listKeysOf } from '../keys/list-keys.ts';
import { accountRef } from './account.ts';
import { builder } from './builder.ts';
import { uuidOf } from './global-ids.ts';
import { inIdOrder } from './id-order.ts';
import { loadPageOfParent, pageById } from './page.ts';
import { type RequestContext, requireActor } from './request-context.ts';

const apiKeyStatus = builder.enumType('ApiKeyStatus', {
  description: 'Whether an API key works.',
  values: {
    ACTIVE: { value: 'active', description: 'It works, until it expires.' },
    DISABLED: { value: 'disabled', description: 'It answers `api_key_inactive` until it is enabled again.' },
    DELETED: { value: 'deleted', description: 'It answers `invalid_api_key`, for good.' },
  } as const,
});

export const apiKeyRef = builder.loadableNodeRef('ApiKey', {
  id: { resolve: (key) => key.id },
  load: async (ids: string[], { database, actor }: RequestContext) => {
    const rows = await database.select(apiKeyColumns).from(apiKeys).where(inArray(apiKeys.id, ids));
    return inIdOrder(
      ids,
      rows.filter((row) => actor && canReachAccount(actor, row.accountId)),
      (row) => row.id,
    );
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
  authScopes: (key) => ({ reaches: key.accountId }),
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

function keysOfAccount(context: RequestContext, accountId: string, args: Parameters<typeof pageById>[0]) {
  return pageById(args, { order: 'newest-first', idField: 'id' }, (range) =>
    loadPageOfParent<ApiKeyRow>(context, {
      name: 'apiKeys',
      parentId: accountId,
      range,
      parentOf: (row) => row.accountId,
      load: (accountIds) => listKeysOf(context.database, accountIds, range),
    }),
  );
}

builder.objectField(accountRef, 'apiKeys', (t) =>
  t.connection(
    {
      type: apiKeyRef,
      description: 'Its API keys, newest first; deleted ones included.',
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
      description: 'API keys, newest first: those of one account, or all that the token may see.',
      authScopes: { signedIn: true },
      args: { accountId: t.arg.id({ description: 'Only the keys of this account.' }) },
      resolve: (_root, { accountId, ...args }, context) => {
        const only =
          accountId == null ? visibleAccountId(requireActor(context)) : uuidOf('Account', accountId);
        if (only === null)
          return pageById(args, { order: 'newest-first', idField: 'id' }, (range) =>
            listAllKeys(context.database, range),
          );
        return keysOfAccount(context, reachableOrNothing(context, only), args);
      },
    },
    apiKeyConnection,
    apiKeyEdge,
  ),
);

/** Another tenant's account has no keys: the list of an account that one may not see is empty. */
export function reachableOrNothing(context: RequestContext, accountId: string): string {
  return canReachAccount(requireActor(context), accountId) ? accountId : uuidOf('Account', '');
}

/** The id of a key that a mutation has just changed, forgetting what this request knew of it. */
export function freshApiKey(context: RequestContext, apiKeyId: string): string {
  apiKeyRef.getDataloader(context).clear(apiKeyId);
  return apiKeyId;
}
