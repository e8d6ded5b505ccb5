import { MAX_ALIASES_PER_KEY } from '../catalog/alias-rules.ts';
import { deleteAlias } from '../catalog/delete-alias.ts';
import { findAliases, listAliasesOf, type ModelAliasRow } from '../catalog/list-aliases.ts';
import { setAlias } from '../catalog/set-alias.ts';
import { apiKeyRef, freshApiKey } from './api-key.ts';
import { builder } from './builder.ts';
import { encodeGlobalId, uuidOf } from './global-ids.ts';
import { inIdOrder } from './id-order.ts';
import { modelRef } from './model.ts';
import { loadPageOfParent, pageById } from './page.ts';
import { onlyVisible, type RequestContext } from './request-context.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { userErrorRef } from './user-error.ts';

export const aliasKind = builder.enumType('ModelAliasKind', {
  description: 'Which requested names an alias stands for.',
  values: {
    EXACT: { value: 'exact', description: 'Only the alias itself.' },
    PREFIX: {
      value: 'prefix',
      description: 'Every name that begins with the alias; the longest matching alias wins.',
    },
  } as const,
});

const aliasRef = builder.loadableNodeRef('ModelAlias', {
  id: { resolve: (alias) => alias.id },
  load: async (ids: string[], context: RequestContext) => {
    const rows = await findAliases(context.database, ids);
    return inIdOrder(ids, await onlyVisible(context, rows, (row) => row.accountId), (row) => row.id);
  },
  toKey: (alias) => alias.id,
  cacheResolved: true,
});

const modelAliasEdge = builder.edgeObject({
  name: 'ModelAliasEdge',
  description: 'One of the aliases of a page.',
  type: aliasRef,
});
const modelAliasConnection = builder.connectionObject(
  { name: 'ModelAliasConnection', description: 'A page of aliases.', type: aliasRef },
  modelAliasEdge,
);

aliasRef.implement({
  description:
    'A name of your own that the clients of one key may call a model by. It can be pointed at another model at any time and wins over a real model of the same name.',
  fields: (t) => ({
    alias: t.exposeString('alias', { description: 'The name, or the beginning of names.' }),
    kind: t.field({
      type: aliasKind,
      description: 'Which requested names it stands for.',
      resolve: (alias) => alias.kind,
    }),
    model: t.field({
      type: modelRef,
      description: 'The model it stands for; billed as that model.',
      resolve: (alias) => alias.modelId,
    }),
    apiKey: t.field({
      type: apiKeyRef,
      description: 'Whose alias it is.',
      resolve: (alias) => alias.apiKeyId,
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
  }),
});

builder.objectField(apiKeyRef, 'aliases', (t) =>
  t.connection(
    {
      type: aliasRef,
      description: `Its aliases, newest first; at most ${MAX_ALIASES_PER_KEY}.`,
      resolve: (key, args, context) =>
        pageById(args, { order: 'newest-first', idField: 'id' }, (range) =>
          loadPageOfParent<ModelAliasRow>(context, {
            name: 'aliases',
            parentId: key.id,
            range,
            parentOf: (row) => row.apiKeyId,
            load: (apiKeyIds) => listAliasesOf(context.database, apiKeyIds, range),
          }),
        ),
    },
    modelAliasConnection,
    modelAliasEdge,
  ),
);

type AliasPayload = Payload<{ modelAliasId: string; apiKeyId: string }>;

const setInput = builder.inputType('ModelAliasSetInput', {
  description: 'An alias to make or to point elsewhere.',
  fields: (t) => ({
    apiKeyId: t.id({ required: true, description: 'Global id of the key.' }),
    alias: t.string({
      required: true,
      description: '1 to 128 letters, digits or . _ : / @ + - [ ], beginning with a letter or digit.',
    }),
    kind: t.field({ type: aliasKind, required: true, description: 'Which requested names it stands for.' }),
    model: t.id({ required: true, description: 'Id of a model of the catalog, `vendor/name`.' }),
    idempotencyKey: t.string({ description: 'The same key and input get the same answer for 24 h.' }),
  }),
});

const setPayload = builder.objectRef<AliasPayload>('ModelAliasSetPayload').implement({
  description: 'The result of `modelAliasSet`.',
  fields: (t) => ({
    modelAlias: t.field({
      type: aliasRef,
      nullable: true,
      description: 'The alias as it is now; null when the mutation was refused.',
      resolve: ({ value }, _args, context) => {
        if (!value) return null;
        aliasRef.getDataloader(context).clear(value.modelAliasId);
        return value.modelAliasId;
      },
    }),
    userErrors: t.expose('userErrors', {
      type: [userErrorRef],
      description: 'Why it was refused, if it was.',
    }),
  }),
});

const deleteInput = builder.inputType('ModelAliasDeleteInput', {
  description: 'An alias to remove.',
  fields: (t) => ({
    apiKeyId: t.id({ required: true, description: 'Global id of the key.' }),
    alias: t.string({ required: true, description: 'The alias.' }),
  }),
});

const deletePayload = builder.objectRef<AliasPayload>('ModelAliasDeletePayload').implement({
  description: 'The result of `modelAliasDelete`.',
  fields: (t) => ({
    deletedModelAliasId: t.id({
      nullable: true,
      description: 'Global id of the alias that was removed; null when the mutation was refused.',
      resolve: ({ value }) => value && encodeGlobalId('ModelAlias', value.modelAliasId),
    }),
    apiKey: t.field({
      type: apiKeyRef,
      nullable: true,
      description: 'The key it was removed from; null when the mutation was refused.',
      resolve: ({ value }, _args, context) => value && freshApiKey(context, value.apiKeyId),
    }),
    userErrors: t.expose('userErrors', {
      type: [userErrorRef],
      description: 'Why it was refused, if it was.',
    }),
  }),
});

builder.mutationFields((t) => ({
  modelAliasSet: t.field({
    type: setPayload,
    description: 'Makes an alias of a key or points it elsewhere; in force within a second. Idempotent.',
    args: { input: t.arg({ type: setInput, required: true, description: 'The alias.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'modelAliasSet', input }, (tx, { reach }) =>
        setAlias(tx, reach, {
          apiKeyId: uuidOf('ApiKey', input.apiKeyId),
          alias: input.alias,
          kind: input.kind,
          model: input.model,
        }),
      ),
  }),
  modelAliasDelete: t.field({
    type: deletePayload,
    description: 'Removes an alias of a key; in force within a second.',
    args: { input: t.arg({ type: deleteInput, required: true, description: 'Which alias.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'modelAliasDelete', input }, (tx, { reach }) =>
        deleteAlias(tx, reach, {
          apiKeyId: uuidOf('ApiKey', input.apiKeyId),
          alias: input.alias,
        }),
      ),
  }),
}));
