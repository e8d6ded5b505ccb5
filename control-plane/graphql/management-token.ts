import { createManagementToken } from '../accounts/create-management-token.ts';
import {
  findManagementTokens,
  listManagementTokensOf,
  type ManagementTokenRow,
} from '../accounts/list-management-tokens.ts';
import { ALL_PERMISSIONS } from '../accounts/permissions.ts';
import { revokeManagementToken } from '../accounts/revoke-management-token.ts';
import { MAX_ALLOWED_ADDRESSES } from '../keys/key-rules.ts';
import { accountRef } from './account.ts';
import { builder } from './builder.ts';
import { uuidOf } from './global-ids.ts';
import { inIdOrder } from './id-order.ts';
import { loadPageOfParent, pageById } from './page.ts';
import { permissionEnum } from './permission.ts';
import { onlyVisible, type RequestContext } from './request-context.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { userErrorRef } from './user-error.ts';

export const managementTokenRef = builder.loadableNodeRef('ManagementToken', {
  id: { resolve: (token) => token.id },
  load: async (ids: string[], context: RequestContext) => {
    const rows = await findManagementTokens(context.database, ids);
    return inIdOrder(ids, await onlyVisible(context, rows, (row) => row.accountId), (row) => row.id);
  },
  toKey: (token) => token.id,
  cacheResolved: true,
});

const managementTokenEdge = builder.edgeObject({
  name: 'ManagementTokenEdge',
  description: 'One of the management tokens of a page.',
  type: managementTokenRef,
});
const managementTokenConnection = builder.connectionObject(
  {
    name: 'ManagementTokenConnection',
    description: 'A page of management tokens.',
    type: managementTokenRef,
  },
  managementTokenEdge,
);

managementTokenRef.implement({
  description:
    'A token with which programs manage one account, and the customer accounts it owns, through this API.',
  fields: (t) => ({
    account: t.field({
      type: accountRef,
      description: 'The account it manages.',
      resolve: (token) => token.accountId ?? '',
    }),
    name: t.exposeString('name', { description: 'For people.' }),
    scopes: t.field({
      type: [permissionEnum],
      description: 'What it may do.',
      resolve: (token) => ALL_PERMISSIONS.filter((permission) => token.scopes.includes(permission)),
    }),
    allowedAddresses: t.exposeStringList('allowedAddresses', {
      nullable: true,
      description: 'The only addresses and CIDR ranges it may be used from; null for anywhere.',
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it stops working; null for never.',
    }),
    revokedAt: t.expose('revokedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was revoked; null while it is not.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
  }),
});

builder.objectField(accountRef, 'managementTokens', (t) =>
  t.connection(
    {
      type: managementTokenRef,
      description: 'Its management tokens, newest first; revoked ones included.',
      resolve: (account, args, context) =>
        pageById(args, { order: 'newest-first', idField: 'id' }, (range) =>
          loadPageOfParent<ManagementTokenRow>(context, {
            name: 'managementTokens',
            parentId: account.id,
            range,
            parentOf: (row) => row.accountId ?? '',
            load: (accountIds) => listManagementTokensOf(context.database, accountIds, range),
          }),
        ),
    },
    managementTokenConnection,
    managementTokenEdge,
  ),
);

type TokenPayload = Payload<{ managementTokenId: string; secret?: string }>;

const createInput = builder.inputType('ManagementTokenCreateInput', {
  description: 'A new management token.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: 'Global id of the account it manages.' }),
    name: t.string({ required: true, description: '1 to 128 characters, for people.' }),
    scopes: t.field({
      type: [permissionEnum],
      description: 'What it may do: no more than its maker; all that its maker may do when left out.',
    }),
    allowedAddresses: t.stringList({
      description: `The only addresses it may be used from, 1 to ${MAX_ALLOWED_ADDRESSES} IP addresses or CIDR ranges; anywhere when left out.`,
    }),
    expiresAt: t.field({ type: 'DateTime', description: 'When it stops working; never when left out.' }),
    idempotencyKey: t.string({
      description: 'The same key and input get the same answer for 24 h, the secret included.',
    }),
  }),
});

const createPayload = builder.objectRef<TokenPayload>('ManagementTokenCreatePayload').implement({
  description: 'The result of `managementTokenCreate`.',
  fields: (t) => ({
    managementToken: t.field({
      type: managementTokenRef,
      nullable: true,
      description: 'The token; null when the mutation was refused.',
      resolve: ({ value }) => value?.managementTokenId,
    }),
    secret: t.string({
      nullable: true,
      description: 'The token itself. Shown here and never again; keep it safe.',
      resolve: ({ value }) => value?.secret,
    }),
    userErrors: t.expose('userErrors', {
      type: [userErrorRef],
      description: 'Why it was refused, if it was.',
    }),
  }),
});

const revokeInput = builder.inputType('ManagementTokenRevokeInput', {
  description: 'Which management token to revoke.',
  fields: (t) => ({
    managementTokenId: t.id({ required: true, description: 'Global id of the token, `tok_…`.' }),
  }),
});

const revokePayload = builder.objectRef<TokenPayload>('ManagementTokenRevokePayload').implement({
  description: 'The result of `managementTokenRevoke`.',
  fields: (t) => ({
    managementToken: t.field({
      type: managementTokenRef,
      nullable: true,
      description: 'The token as it is now; null when the mutation was refused.',
      resolve: ({ value }, _args, context) => {
        if (!value) return null;
        managementTokenRef.getDataloader(context).clear(value.managementTokenId);
        return value.managementTokenId;
      },
    }),
    userErrors: t.expose('userErrors', {
      type: [userErrorRef],
      description: 'Why it was refused, if it was.',
    }),
  }),
});

builder.mutationFields((t) => ({
  managementTokenCreate: t.field({
    type: createPayload,
    description: 'Makes a token that manages one account. Its secret is in this answer only.',
    args: { input: t.arg({ type: createInput, required: true, description: 'The token.' }) },
    resolve: (_root, { input }, context): Promise<TokenPayload> =>
      runMutation(context, { mutation: 'managementTokenCreate', input }, async (tx, { reach }) => {
        const accountId = uuidOf('Account', input.accountId);
        return await createManagementToken(tx, reach, {
          accountId,
          name: input.name,
          scopes: input.scopes ?? null,
          grantable: await context.access.permissionsIn(accountId),
          allowedAddresses: input.allowedAddresses ?? null,
          expiresAt: input.expiresAt ?? null,
        });
      }),
  }),
  managementTokenRevoke: t.field({
    type: revokePayload,
    description: 'Ends a management token at once. Idempotent.',
    args: { input: t.arg({ type: revokeInput, required: true, description: 'Which token.' }) },
    resolve: (_root, { input }, context): Promise<TokenPayload> =>
      runMutation(context, { mutation: 'managementTokenRevoke', input }, (tx, { reach }) =>
        revokeManagementToken(tx, reach, {
          managementTokenId: uuidOf('AccessToken', input.managementTokenId),
        }),
      ),
  }),
}));
