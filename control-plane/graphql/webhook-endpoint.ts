import { ALL_EVENT_TYPES, WEBHOOK_EVENT_TYPES } from '../webhooks/event-types.ts';
import { findEndpoints, listEndpoints, type WebhookEndpointRow } from '../webhooks/list-endpoints.ts';
import { accountRef } from './account.ts';
import { builder } from './builder.ts';
import { inIdOrder } from './id-order.ts';
import { pageById } from './page.ts';
import { accountsToList, onlyVisible, type RequestContext } from './request-context.ts';

export const webhookEventType = builder.enumType('WebhookTopic', {
  description:
    'What an endpoint can hear of. In messages the name is written with dots, such as `api_key.disabled`.',
  values: Object.fromEntries(
    ALL_EVENT_TYPES.map((type) => [
      type.toUpperCase().replace('.', '_'),
      { value: type, description: WEBHOOK_EVENT_TYPES[type] },
    ]),
  ),
});

export const endpointStatus = builder.enumType('WebhookEndpointStatus', {
  description: 'Whether messages are sent to an endpoint.',
  values: {
    ENABLED: { value: 'enabled', description: 'They are.' },
    DISABLED: { value: 'disabled', description: 'Nothing is sent, and events are not kept for it.' },
  } as const,
});

const disabledReason = builder.enumType('WebhookEndpointDisabledReason', {
  description: 'Why an endpoint was switched off without its owner.',
  values: {
    FAILING: { value: 'failing', description: 'Every delivery has failed for five days.' },
    GONE: { value: 'gone', description: 'It answered 410.' },
  } as const,
});

export const webhookEndpointRef = builder.loadableNodeRef('WebhookEndpoint', {
  id: { resolve: (endpoint) => endpoint.id },
  load: async (ids: string[], context: RequestContext) => {
    const rows = await findEndpoints(context.database, ids);
    return inIdOrder(ids, await onlyVisible(context, rows, (row) => row.accountId), (row) => row.id);
  },
  toKey: (endpoint) => endpoint.id,
  cacheResolved: true,
});

webhookEndpointRef.implement({
  description:
    'Where signed messages about an account are sent; the endpoint of a partner also hears of its customer accounts.',
  fields: (t) => ({
    account: t.field({
      type: accountRef,
      description: 'Whose it is.',
      resolve: (endpoint) => endpoint.accountId,
    }),
    url: t.exposeString('url', { description: 'Where messages are posted.' }),
    description: t.exposeString('description', { description: 'For people; may be empty.' }),
    events: t.field({
      type: [webhookEventType],
      description: 'What it hears of.',
      resolve: (endpoint) => ALL_EVENT_TYPES.filter((type) => endpoint.events.includes(type)),
    }),
    status: t.field({
      type: endpointStatus,
      description: 'Whether messages are sent to it.',
      resolve: (endpoint) => endpoint.status,
    }),
    disabledReason: t.field({
      type: disabledReason,
      nullable: true,
      description: 'Why it was switched off; null while it is enabled or where its owner did it.',
      resolve: (endpoint) => endpoint.disabledReason,
    }),
    failingSince: t.expose('failingSince', {
      type: 'DateTime',
      nullable: true,
      description: 'Since when every delivery has failed; null after a success.',
    }),
    previousSecretValidUntil: t.expose('previousValidUntil', {
      type: 'DateTime',
      nullable: true,
      description: 'Until when messages are also signed with the secret before the last rotation.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    deletedAt: t.expose('deletedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was deleted; null while it is not.',
    }),
  }),
});

const edge = builder.edgeObject({
  name: 'WebhookEndpointEdge',
  description: 'One of the webhook endpoints of a page.',
  type: webhookEndpointRef,
});
const connection = builder.connectionObject(
  {
    name: 'WebhookEndpointConnection',
    description: 'A page of webhook endpoints.',
    type: webhookEndpointRef,
  },
  edge,
);

const listArguments = builder.args((t) => ({
  accountId: t.id({ description: 'Only of this account; of all that are yours when left out.' }),
}));

builder.queryField('webhookEndpoints', (t) =>
  t.connection(
    {
      type: webhookEndpointRef,
      description: 'Webhook endpoints that are not deleted, newest first.',
      args: listArguments,
      resolve: async (_root, { accountId, ...args }, context) => {
        const within = await accountsToList(context, 'webhookEndpoints', accountId);
        return await pageById(args, { order: 'newest-first', idField: 'id' }, async (range) => {
          const rows: WebhookEndpointRow[] = await listEndpoints(context.database, within, range);
          await context.access.learn(rows.map((row) => row.accountId));
          return rows;
        });
      },
    },
    connection,
    edge,
  ),
);
