import type { FetchRefusal } from '#shared/guarded-fetch.ts';
import { deleteEndpoint, rotateEndpointSecret, updateEndpoint } from '../webhooks/change-endpoint.ts';
import { createEndpoint } from '../webhooks/create-endpoint.ts';
import { DEFAULT_ROTATION_OVERLAP_HOURS, MAX_ROTATION_OVERLAP_HOURS } from '../webhooks/endpoint-rules.ts';
import { ALL_EVENT_TYPES } from '../webhooks/event-types.ts';
import { replayDelivery, testEndpoint } from '../webhooks/send-again.ts';
import { builder } from './builder.ts';
import { encodeGlobalId, uuidOf } from './global-ids.ts';
import type { RequestContext } from './request-context.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { userErrorsField } from './user-error.ts';
import { webhookDeliveryRef } from './webhook-delivery.ts';
import { endpointStatus, webhookEndpointRef, webhookEventType } from './webhook-endpoint.ts';

type EndpointPayload = Payload<{ webhookEndpointId: string; secret?: string }>;
type DeliveryPayload = Payload<{ webhookDeliveryId: string }>;

/** Looked up before the transaction begins: a name server's pace must hold no lock. */
async function judge({ webhookFetcher }: RequestContext, url: string): Promise<FetchRefusal | undefined> {
  return await webhookFetcher.judge(url);
}

function endpointPayload(mutation: string, withSecret: boolean) {
  const name = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}Payload`;
  return builder.objectRef<EndpointPayload>(name).implement({
    description: `The result of \`${mutation}\`.`,
    fields: (t) => ({
      webhookEndpoint: t.field({
        type: webhookEndpointRef,
        nullable: true,
        description: 'The endpoint as it is now; null when the mutation was refused.',
        resolve: ({ value }, _args, context) => {
          if (!value) return null;
          webhookEndpointRef.getDataloader(context).clear(value.webhookEndpointId);
          return value.webhookEndpointId;
        },
      }),
      ...(withSecret && {
        secret: t.string({
          nullable: true,
          description:
            'What messages are signed with, `whsec_…`. Shown here, to a repetition with the same idempotency key, and never again.',
          resolve: ({ value }) => value?.secret,
        }),
      }),
      userErrors: userErrorsField(t),
    }),
  });
}

function deliveryPayload(mutation: string) {
  const name = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}Payload`;
  return builder.objectRef<DeliveryPayload>(name).implement({
    description: `The result of \`${mutation}\`.`,
    fields: (t) => ({
      webhookDelivery: t.field({
        type: webhookDeliveryRef,
        nullable: true,
        description: 'The delivery as it is now; null when the mutation was refused.',
        resolve: ({ value }, _args, context) => {
          if (!value) return null;
          webhookDeliveryRef.getDataloader(context).clear(value.webhookDeliveryId);
          return value.webhookDeliveryId;
        },
      }),
      userErrors: userErrorsField(t),
    }),
  });
}

const createPayload = endpointPayload('webhookEndpointCreate', true);
const updatePayload = endpointPayload('webhookEndpointUpdate', false);
const rotatePayload = endpointPayload('webhookEndpointSecretRotate', true);
const testPayload = deliveryPayload('webhookEndpointTest');
const replayPayload = deliveryPayload('webhookDeliveryReplay');
const deletePayload = builder
  .objectRef<Payload<{ webhookEndpointId: string }>>('WebhookEndpointDeletePayload')
  .implement({
    description: 'The result of `webhookEndpointDelete`.',
    fields: (t) => ({
      deletedWebhookEndpointId: t.id({
        nullable: true,
        description: 'Global id of the endpoint that is no more; null when the mutation was refused.',
        resolve: ({ value }) => value && encodeGlobalId('WebhookEndpoint', value.webhookEndpointId),
      }),
      userErrors: userErrorsField(t),
    }),
  });

const REPEATABLE = 'The same key and input get the same answer for 24 h.';
const WHICH = 'Global id of the endpoint, `hook_…`.';

const createInput = builder.inputType('WebhookEndpointCreateInput', {
  description: 'A new webhook endpoint.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: 'Global id of the account whose events it hears of.' }),
    url: t.string({
      required: true,
      description: 'Where messages are posted: https, port 443 or 8443, a public address.',
    }),
    events: t.field({
      type: [webhookEventType],
      description: 'What it hears of; everything that there is now when left out.',
    }),
    description: t.string({ description: 'Up to 255 characters, for people.' }),
    idempotencyKey: t.string({ description: `${REPEATABLE.slice(0, -1)}, the secret included.` }),
  }),
});
const updateInput = builder.inputType('WebhookEndpointUpdateInput', {
  description: 'Changes of a webhook endpoint; what is left out stays.',
  fields: (t) => ({
    webhookEndpointId: t.id({ required: true, description: WHICH }),
    url: t.string({ description: 'Where messages are posted from now on.' }),
    events: t.field({ type: [webhookEventType], description: 'What it hears of from now on.' }),
    description: t.string({ description: 'Up to 255 characters, for people.' }),
    status: t.field({
      type: endpointStatus,
      description: 'Disabling cancels what has not been sent; enabling begins anew.',
    }),
  }),
});
const deleteInput = builder.inputType('WebhookEndpointDeleteInput', {
  description: 'Which webhook endpoint to delete.',
  fields: (t) => ({ webhookEndpointId: t.id({ required: true, description: WHICH }) }),
});
const rotateInput = builder.inputType('WebhookEndpointSecretRotateInput', {
  description: 'Which webhook endpoint gets a new signing secret.',
  fields: (t) => ({
    webhookEndpointId: t.id({ required: true, description: WHICH }),
    overlapHours: t.int({
      description: `For how long messages are also signed with the old secret, 0 to ${MAX_ROTATION_OVERLAP_HOURS} hours; ${DEFAULT_ROTATION_OVERLAP_HOURS} when left out.`,
    }),
    idempotencyKey: t.string({ description: `${REPEATABLE.slice(0, -1)}, the secret included.` }),
  }),
});
const testInput = builder.inputType('WebhookEndpointTestInput', {
  description: 'Which webhook endpoint to try.',
  fields: (t) => ({
    webhookEndpointId: t.id({ required: true, description: WHICH }),
    idempotencyKey: t.string({ description: REPEATABLE }),
  }),
});
const replayInput = builder.inputType('WebhookDeliveryReplayInput', {
  description: 'Which delivery to send again.',
  fields: (t) => ({
    webhookDeliveryId: t.id({ required: true, description: 'Global id of the delivery, `delivery_…`.' }),
    idempotencyKey: t.string({ description: REPEATABLE }),
  }),
});

builder.mutationFields((t) => ({
  webhookEndpointCreate: t.field({
    type: createPayload,
    description: 'Makes a webhook endpoint. Its signing secret is in this answer only.',
    args: { input: t.arg({ type: createInput, required: true, description: 'The endpoint.' }) },
    resolve: async (_root, { input }, context): Promise<EndpointPayload> => {
      const urlRefusal = await judge(context, input.url);
      return await runMutation(context, { mutation: 'webhookEndpointCreate', input }, (tx, { reach }) =>
        createEndpoint(tx, reach, context.sealingKey, {
          accountId: uuidOf('Account', input.accountId),
          url: input.url,
          urlRefusal,
          description: input.description ?? '',
          events: input.events ?? ALL_EVENT_TYPES,
        }),
      );
    },
  }),
  webhookEndpointUpdate: t.field({
    type: updatePayload,
    description: 'Changes, disables or enables a webhook endpoint. Idempotent.',
    args: { input: t.arg({ type: updateInput, required: true, description: 'The changes.' }) },
    resolve: async (_root, { input }, context): Promise<EndpointPayload> => {
      const { url, events, description, status } = input;
      const urlRefusal = url == null ? undefined : await judge(context, url);
      return await runMutation(context, { mutation: 'webhookEndpointUpdate', input }, (tx, { reach }) =>
        updateEndpoint(tx, reach, {
          webhookEndpointId: uuidOf('WebhookEndpoint', input.webhookEndpointId),
          ...(url == null ? {} : { url, urlRefusal }),
          ...(events == null ? {} : { events }),
          ...(description == null ? {} : { description }),
          ...(status == null ? {} : { status }),
        }),
      );
    },
  }),
  webhookEndpointDelete: t.field({
    type: deletePayload,
    description: 'Deletes a webhook endpoint; nothing is sent to it any more.',
    args: { input: t.arg({ type: deleteInput, required: true, description: 'Which endpoint.' }) },
    resolve: (_root, { input }, context): Promise<Payload<{ webhookEndpointId: string }>> =>
      runMutation(context, { mutation: 'webhookEndpointDelete', input }, (tx, { reach }) =>
        deleteEndpoint(tx, reach, {
          webhookEndpointId: uuidOf('WebhookEndpoint', input.webhookEndpointId),
        }),
      ),
  }),
}));

builder.mutationFields((t) => ({
  webhookEndpointSecretRotate: t.field({
    type: rotatePayload,
    description: 'Gives a webhook endpoint a new signing secret; for a while messages carry both signatures.',
    args: { input: t.arg({ type: rotateInput, required: true, description: 'Which endpoint.' }) },
    resolve: (_root, { input }, context): Promise<EndpointPayload> =>
      runMutation(context, { mutation: 'webhookEndpointSecretRotate', input }, (tx, { reach }) =>
        rotateEndpointSecret(tx, reach, context.sealingKey, {
          webhookEndpointId: uuidOf('WebhookEndpoint', input.webhookEndpointId),
          overlapHours: input.overlapHours ?? DEFAULT_ROTATION_OVERLAP_HOURS,
        }),
      ),
  }),
  webhookEndpointTest: t.field({
    type: testPayload,
    description: 'Sends a message of the type `webhook_endpoint.test`; its delivery shows what came of it.',
    args: { input: t.arg({ type: testInput, required: true, description: 'Which endpoint.' }) },
    resolve: (_root, { input }, context): Promise<DeliveryPayload> =>
      runMutation(context, { mutation: 'webhookEndpointTest', input }, (tx, { reach }) =>
        testEndpoint(tx, reach, {
          webhookEndpointId: uuidOf('WebhookEndpoint', input.webhookEndpointId),
        }),
      ),
  }),
  webhookDeliveryReplay: t.field({
    type: replayPayload,
    description: 'Sends a delivery again, with the same message id; also one that has arrived.',
    args: { input: t.arg({ type: replayInput, required: true, description: 'Which delivery.' }) },
    resolve: (_root, { input }, context): Promise<DeliveryPayload> =>
      runMutation(context, { mutation: 'webhookDeliveryReplay', input }, (tx, { reach }) =>
        replayDelivery(tx, reach, {
          webhookDeliveryId: uuidOf('WebhookDelivery', input.webhookDeliveryId),
        }),
      ),
  }),
}));
