import {
  findRoutes,
  findUpstreams,
  listRoutesOf,
  listUpstreams,
  type RouteRow,
} from '../catalog/list-upstreams.ts';
import { vendorDisplayName } from '../catalog/vendors.ts';
import { builder } from './builder.ts';
import { inIdOrder } from './id-order.ts';
import { modelRef } from './model.ts';
import { loadPageOfParent, pageById } from './page.ts';
import type { RequestContext } from './request-context.ts';

export const upstreamProtocol = builder.enumType('UpstreamProtocol', {
  description: 'Which wire protocol an upstream speaks.',
  values: {
    CHAT: { value: 'chat', description: 'OpenAI Chat Completions and what is compatible with it.' },
    RESPONSES: { value: 'responses', description: 'OpenAI Responses.' },
    MESSAGES: { value: 'messages', description: 'Anthropic Messages.' },
    GEMINI: { value: 'gemini', description: 'Gemini generateContent.' },
  } as const,
});

const upstreamSource = builder.enumType('UpstreamSource', {
  description: 'Who decides about an upstream.',
  values: {
    ENVIRONMENT: { value: 'environment', description: 'The environment of the installation, at each start.' },
    OPERATOR: { value: 'operator', description: 'Operators, through this API.' },
  } as const,
});

export const upstreamRef = builder.loadableNodeRef('Upstream', {
  id: { resolve: (upstream) => upstream.id },
  load: async (ids: string[], { database, actor }: RequestContext) =>
    inIdOrder(ids, actor?.kind === 'operator' ? await findUpstreams(database, ids) : [], (row) => row.id),
  toKey: (upstream) => upstream.id,
  cacheResolved: true,
});

const routeRef = builder.loadableNodeRef('Route', {
  id: { resolve: (route) => route.id },
  load: async (ids: string[], { database, actor }: RequestContext) =>
    inIdOrder(ids, actor?.kind === 'operator' ? await findRoutes(database, ids) : [], (row) => row.id),
  toKey: (route) => route.id,
  cacheResolved: true,
});

const routeEdge = builder.edgeObject({
  name: 'RouteEdge',
  description: 'One of the routes of a page.',
  type: routeRef,
});
const routeConnection = builder.connectionObject(
  { name: 'RouteConnection', description: 'A page of routes.', type: routeRef },
  routeEdge,
);

routeRef.implement({
  description: 'That an upstream can answer for a model, and under which name.',
  fields: (t) => ({
    model: t.field({ type: modelRef, description: 'The model.', resolve: (route) => route.modelId }),
    upstream: t.field({
      type: upstreamRef,
      description: 'The upstream.',
      resolve: (route) => route.upstreamId,
    }),
    providerModel: t.exposeString('providerModel', { description: 'The name that the provider knows.' }),
    weight: t.exposeInt('weight', { description: 'Share of requests among routes of the same priority.' }),
    priority: t.exposeInt('priority', { description: 'Lower is tried first.' }),
  }),
});

const upstreamEdge = builder.edgeObject({
  name: 'UpstreamEdge',
  description: 'One of the upstreams of a page.',
  type: upstreamRef,
});
const upstreamConnection = builder.connectionObject(
  { name: 'UpstreamConnection', description: 'A page of upstreams.', type: upstreamRef },
  upstreamEdge,
);

upstreamRef.implement({
  description: 'An endpoint and credential that requests can be sent to. The credential is never shown.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique; named in usage records.' }),
    vendor: t.exposeString('vendor', { description: 'Code of the company behind it.' }),
    vendorName: t.string({
      description: 'Name of the company behind it.',
      resolve: (upstream) => vendorDisplayName(upstream.vendor),
    }),
    protocol: t.field({
      type: upstreamProtocol,
      description: 'Which protocol it speaks.',
      resolve: (upstream) => upstream.protocol,
    }),
    baseUrl: t.exposeString('baseUrl', {
      description: "As in the vendor's own SDK, without a trailing slash.",
    }),
    source: t.field({
      type: upstreamSource,
      description: 'Who decides about it.',
      resolve: (upstream) => upstream.source,
    }),
    enabled: t.exposeBoolean('enabled', { description: 'False: no request is sent to it.' }),
    hasCredential: t.exposeBoolean('hasCredential', { description: 'True when it has a credential.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was added.' }),
    routes: t.connection(
      {
        type: routeRef,
        description: 'The models it answers for, newest route first.',
        resolve: (upstream, args, context) =>
          pageById(args, { order: 'newest-first', idField: 'id' }, (range) =>
            loadPageOfParent<RouteRow>(context, {
              name: 'routes',
              parentId: upstream.id,
              range,
              parentOf: (row) => row.upstreamId,
              load: (upstreamIds) => listRoutesOf(context.database, upstreamIds, range),
            }),
          ),
      },
      routeConnection,
      routeEdge,
    ),
  }),
});

builder.queryField('upstreams', (t) =>
  t.connection(
    {
      type: upstreamRef,
      description: 'All upstreams, newest first. Operators only.',
      resolve: (_root, args, context) =>
        pageById(args, { order: 'newest-first', idField: 'id' }, (range) =>
          listUpstreams(context.database, range),
        ),
    },
    upstreamConnection,
    upstreamEdge,
  ),
);
