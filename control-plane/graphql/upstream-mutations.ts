import { createUpstream } from '../catalog/create-upstream.ts';
import { deleteUpstream } from '../catalog/delete-upstream.ts';
import { updateUpstream } from '../catalog/update-upstream.ts';
import { builder } from './builder.ts';
import { encodeGlobalId, uuidOf } from './global-ids.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { upstreamProtocol, upstreamRef } from './upstream.ts';
import { userErrorRef } from './user-error.ts';

const routeInput = builder.inputType('RouteInput', {
  description: 'That an upstream answers for a model.',
  fields: (t) => ({
    model: t.id({ required: true, description: 'Id of a model of the catalog, `vendor/name`.' }),
    providerModel: t.string({
      description: "The name that the provider knows; the catalog's provider name when left out.",
    }),
    weight: t.int({ description: 'Share among routes of the same priority, 1 to 1000; 1 when left out.' }),
    priority: t.int({ description: 'Lower is tried first, 0 to 1000; 0 when left out.' }),
  }),
});

const createInput = builder.inputType('UpstreamCreateInput', {
  description: 'A new upstream.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'Unique, 1 to 128 characters; not a vendor code.' }),
    vendor: t.string({ required: true, description: 'Vendor code, such as `openai`.' }),
    protocol: t.field({ type: upstreamProtocol, required: true, description: 'Which protocol it speaks.' }),
    baseUrl: t.string({
      required: true,
      description: "As in the vendor's own SDK: OpenAI style ends in `/v1`, Gemini in `/v1beta`.",
    }),
    credential: t.string({ description: 'API key of the provider; none when left out. Never shown again.' }),
    enabled: t.boolean({ description: 'Whether requests are sent to it; true when left out.' }),
    routes: t.field({
      type: [routeInput],
      description: 'The models it answers for; every model of the vendor when left out.',
    }),
    idempotencyKey: t.string({ description: 'The same key and input get the same answer for 24 h.' }),
  }),
});

const updateInput = builder.inputType('UpstreamUpdateInput', {
  description: 'What to change of an upstream; what is left out stays.',
  fields: (t) => ({
    upstreamId: t.id({ required: true, description: 'Global id of the upstream, `up_…`.' }),
    name: t.string({ description: 'Unique, 1 to 128 characters; not a vendor code.' }),
    baseUrl: t.string({ description: "As in the vendor's own SDK." }),
    credential: t.string({ description: 'API key of the provider; null removes it.' }),
    enabled: t.boolean({ description: 'Whether requests are sent to it.' }),
    routes: t.field({ type: [routeInput], description: 'Replaces all its routes.' }),
  }),
});

const deleteInput = builder.inputType('UpstreamDeleteInput', {
  description: 'Which upstream to remove.',
  fields: (t) => ({
    upstreamId: t.id({ required: true, description: 'Global id of the upstream, `up_…`.' }),
  }),
});

type UpstreamPayload = Payload<{ upstreamId: string }>;

function upstreamPayload(name: string, description: string) {
  return builder.objectRef<UpstreamPayload>(name).implement({
    description,
    fields: (t) => ({
      upstream: t.field({
        type: upstreamRef,
        nullable: true,
        description: 'The upstream as it is now; null when the mutation was refused.',
        resolve: ({ value }, _args, context) => {
          if (!value) return null;
          upstreamRef.getDataloader(context).clear(value.upstreamId);
          return value.upstreamId;
        },
      }),
      userErrors: t.expose('userErrors', {
        type: [userErrorRef],
        description: 'Why it was refused, if it was.',
      }),
    }),
  });
}

const deletePayload = builder.objectRef<UpstreamPayload>('UpstreamDeletePayload').implement({
  description: 'The result of `upstreamDelete`.',
  fields: (t) => ({
    deletedUpstreamId: t.id({
      nullable: true,
      description: 'Global id of the upstream that was removed; null when the mutation was refused.',
      resolve: ({ value }) => value && encodeGlobalId('Upstream', value.upstreamId),
    }),
    userErrors: t.expose('userErrors', {
      type: [userErrorRef],
      description: 'Why it was refused, if it was.',
    }),
  }),
});

builder.mutationFields((t) => ({
  upstreamCreate: t.field({
    type: upstreamPayload('UpstreamCreatePayload', 'The result of `upstreamCreate`.'),
    description: 'Adds an upstream; in use within a second. Operators only.',
    args: { input: t.arg({ type: createInput, required: true, description: 'The upstream.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'upstreamCreate', input }, (tx) =>
        createUpstream(tx, context.sealingKey, {
          name: input.name,
          vendor: input.vendor,
          protocol: input.protocol,
          baseUrl: input.baseUrl,
          credential: input.credential ?? null,
          enabled: input.enabled ?? true,
          routes: input.routes ?? null,
        }),
      ),
  }),
  upstreamUpdate: t.field({
    type: upstreamPayload('UpstreamUpdatePayload', 'The result of `upstreamUpdate`.'),
    description: 'Changes an upstream; in force within a second. Operators only.',
    args: { input: t.arg({ type: updateInput, required: true, description: 'The changes.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'upstreamUpdate', input }, (tx) =>
        updateUpstream(tx, context.sealingKey, {
          upstreamId: uuidOf('Upstream', input.upstreamId),
          name: input.name ?? undefined,
          baseUrl: input.baseUrl ?? undefined,
          credential: input.credential,
          enabled: input.enabled ?? undefined,
          routes: input.routes ?? undefined,
        }),
      ),
  }),
  upstreamDelete: t.field({
    type: deletePayload,
    description: 'Removes an upstream with its credential and routes. Operators only.',
    args: { input: t.arg({ type: deleteInput, required: true, description: 'Which upstream.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'upstreamDelete', input }, (tx) =>
        deleteUpstream(tx, { upstreamId: uuidOf('Upstream', input.upstreamId) }),
      ),
  }),
}));
