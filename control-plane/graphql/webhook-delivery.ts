import { createContextCache } from '@pothos/core';
import DataLoader from 'dataloader';
import {
  findDeliveries,
  listAttemptsOf,
  listDeliveries,
  type WebhookAttemptRow,
} from '../webhooks/list-deliveries.ts';
import { bodyOf, messageIdOf } from '../webhooks/signed-message.ts';
import { builder } from './builder.ts';
import { uuidOf } from './global-ids.ts';
import { inIdOrder } from './id-order.ts';
import { pageById } from './page.ts';
import { accountsToList, onlyVisible, type RequestContext } from './request-context.ts';
import { webhookEndpointRef } from './webhook-endpoint.ts';

const deliveryStatus = builder.enumType('WebhookDeliveryStatus', {
  description: 'Where a delivery stands.',
  values: {
    PENDING: { value: 'pending', description: 'It is still to be sent, or tried again.' },
    DELIVERED: { value: 'delivered', description: 'The endpoint has answered 2xx.' },
    FAILED: { value: 'failed', description: 'It was tried as often as it may be.' },
    CANCELED: { value: 'canceled', description: 'Its endpoint was disabled or deleted first.' },
  } as const,
});

const attemptRef = builder.objectRef<WebhookAttemptRow>('WebhookAttempt').implement({
  description: 'One try of a delivery. What the endpoint wrote is not kept.',
  fields: (t) => ({
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When it began.' }),
    durationMs: t.exposeInt('durationMs', { description: 'How long it took, ms.' }),
    httpStatus: t.exposeInt('status', {
      nullable: true,
      description: 'What the endpoint answered; null when no answer came.',
    }),
    error: t.exposeString('error', {
      nullable: true,
      description:
        'Why it failed, such as `timed_out`, `address_not_public` or `error_status`; null when it arrived.',
    }),
  }),
});

const attemptsOf = createContextCache(
  (context: RequestContext) =>
    new DataLoader<string, readonly WebhookAttemptRow[]>(
      async (ids) => {
        const byDelivery = Map.groupBy(await listAttemptsOf(context.database, ids), (row) => row.deliveryId);
        return ids.map((id) => byDelivery.get(id) ?? []);
      },
      { cache: false },
    ),
);

export const webhookDeliveryRef = builder.loadableNodeRef('WebhookDelivery', {
  id: { resolve: (delivery) => delivery.id },
  load: async (ids: string[], context: RequestContext) => {
    const rows = await findDeliveries(context.database, ids);
    return inIdOrder(ids, await onlyVisible(context, rows, (row) => row.accountId), (row) => row.id);
  },
  toKey: (delivery) => delivery.id,
  cacheResolved: true,
});

webhookDeliveryRef.implement({
  description: 'One message for one endpoint, with the log of its tries.',
  fields: (t) => ({
    webhookEndpoint: t.field({
      type: webhookEndpointRef,
      description: 'The endpoint it is for.',
      resolve: (delivery) => delivery.endpointId,
    }),
    messageId: t.id({
      description: 'The header `webhook-id`: the same at every try and replay.',
      resolve: (delivery) => messageIdOf(delivery.eventId),
    }),
    eventType: t.exposeString('type', { description: 'What it tells of, such as `api_key.disabled`.' }),
    body: t.string({
      description: 'The body as it is sent.',
      resolve: (delivery) => bodyOf({ ...delivery, createdAt: delivery.eventCreatedAt }),
    }),
    status: t.field({
      type: deliveryStatus,
      description: 'Where it stands.',
      resolve: (delivery) => delivery.status,
    }),
    attempts: t.field({
      type: [attemptRef],
      description: 'Every try, oldest first, those before a replay included.',
      resolve: async (delivery, _args, context) => [...(await attemptsOf(context).load(delivery.id))],
    }),
    nextAttemptAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it is tried next; null once it is no longer pending.',
      resolve: (delivery) => (delivery.status === 'pending' ? delivery.nextAttemptAt : null),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the event happened.' }),
    finishedAt: t.expose('finishedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it arrived, was given up or canceled; null while it is pending.',
    }),
  }),
});

const edge = builder.edgeObject({
  name: 'WebhookDeliveryEdge',
  description: 'One of the deliveries of a page.',
  type: webhookDeliveryRef,
});
const connection = builder.connectionObject(
  { name: 'WebhookDeliveryConnection', description: 'A page of deliveries.', type: webhookDeliveryRef },
  edge,
);

const listArguments = builder.args((t) => ({
  accountId: t.id({
    description: 'Only to endpoints of this account; to those of all that are yours when left out.',
  }),
  webhookEndpointId: t.id({ description: 'Only to this endpoint.' }),
  status: t.field({ type: deliveryStatus, description: 'Only those that stand so.' }),
}));

builder.queryField('webhookDeliveries', (t) =>
  t.connection(
    {
      type: webhookDeliveryRef,
      description: 'Deliveries to webhook endpoints, newest first; kept for 30 days.',
      args: listArguments,
      resolve: async (_root, { accountId, webhookEndpointId, status, ...args }, context) => {
        const accountIds = await accountsToList(context, 'webhookDeliveries', accountId);
        const endpointId =
          webhookEndpointId == null ? undefined : uuidOf('WebhookEndpoint', webhookEndpointId);
        return await pageById(args, { order: 'newest-first', idField: 'id' }, async (range) => {
          const filter = { accountIds, endpointId, status: status ?? undefined };
          const rows = await listDeliveries(context.database, filter, range);
          await context.access.learn(rows.map((row) => row.accountId));
          return rows;
        });
      },
    },
    connection,
    edge,
  ),
);
