import type { InputShapeFromFields } from '@pothos/core';
import { formatUsd } from '#shared/money.ts';
import { SERVER_TOOLS, type ServerTool } from '#shared/token-usage.ts';
import {
  findUsageRecords,
  listAllUsageRecords,
  listUsageRecordsOf,
  listUsageRecordsOfKeys,
  type UsageRecordFilter,
  type UsageRecordRow,
} from '../usage/list-usage-records.ts';
import { accountRef } from './account.ts';
import { apiKeyRef } from './api-key.ts';
import { builder } from './builder.ts';
import { encodeGlobalId, uuidOf } from './global-ids.ts';
import { inIdOrder } from './id-order.ts';
import { loadPageOfParent, pageById } from './page.ts';
import { serverTool } from './price.ts';
import { accountsToList, onlyVisible, type RequestContext } from './request-context.ts';

export const usageStatus = builder.enumType('UsageStatus', {
  description: 'How a request ended.',
  values: {
    SUCCESS: { value: 'success', description: 'Answered in full.' },
    ERROR: { value: 'error', description: 'Refused or failed; costs nothing unless tokens were delivered.' },
    ABORTED: { value: 'aborted', description: 'The client left; billed for what was produced.' },
  } as const,
});

const serverToolCallsRef = builder
  .objectRef<{ readonly tool: ServerTool; readonly count: number }>('ServerToolCalls')
  .implement({
    description: 'How often a provider called a tool of its own.',
    fields: (t) => ({
      tool: t.expose('tool', { type: serverTool, description: 'The tool.' }),
      count: t.exposeInt('count', { description: 'How often.' }),
    }),
  });

export const usageRecordRef = builder.loadableNodeRef('UsageRecord', {
  id: { resolve: (record) => record.requestId },
  load: async (ids: string[], context: RequestContext) => {
    const rows = await findUsageRecords(context.database, ids);
    return inIdOrder(ids, await onlyVisible(context, rows, (row) => row.accountId), (row) => row.requestId);
  },
  toKey: (record) => record.requestId,
  cacheResolved: true,
});

const usageRecordEdge = builder.edgeObject({
  name: 'UsageRecordEdge',
  description: 'One of the usage records of a page.',
  type: usageRecordRef,
});
const usageRecordConnection = builder.connectionObject(
  { name: 'UsageRecordConnection', description: 'A page of usage records.', type: usageRecordRef },
  usageRecordEdge,
);

usageRecordRef.implement({
  description: 'What one request used and cost. Never a prompt or a completion.',
  fields: (t) => ({
    requestId: t.id({
      description: 'The `x-request-id` of the answer, `req_cm_…`.',
      resolve: (record) => encodeGlobalId('UsageRecord', record.requestId),
    }),
    account: t.field({ type: accountRef, description: 'Who pays.', resolve: (record) => record.accountId }),
    apiKey: t.field({
      type: apiKeyRef,
      description: 'The key that was used.',
      resolve: (record) => record.apiKeyId,
    }),
    status: t.field({ type: usageStatus, description: 'How it ended.', resolve: (record) => record.status }),
    model: t.exposeString('modelId', {
      nullable: true,
      description:
        'The model of the catalog that was billed; null when the request failed before one was known.',
    }),
    requestedModel: t.exposeString('requestedModel', {
      nullable: true,
      description: 'The name that the client asked for.',
    }),
    alias: t.exposeString('alias', { nullable: true, description: 'The alias that the name went through.' }),
    dialect: t.exposeString('dialect', {
      description: "The client's protocol: `chat`, `responses` or `messages`.",
    }),
    endUser: t.exposeString('endUser', {
      nullable: true,
      description: 'Keyed digest of the end-user id; null when the client named nobody.',
    }),
    upstream: t.exposeString('upstream', {
      nullable: true,
      description: 'The upstream that answered; null when none was asked.',
    }),
    sandbox: t.exposeBoolean('sandbox', { description: 'True when the built-in sandbox answered.' }),
    stream: t.exposeBoolean('stream', { description: 'True when the answer was streamed.' }),
    httpStatus: t.exposeInt('httpStatus', { description: 'The status of the answer.' }),
    errorCode: t.exposeString('errorCode', { nullable: true, description: 'The error code of the answer.' }),
    costUsd: t.string({
      description: 'What it cost, USD, exact.',
      resolve: (record) => formatUsd(record.costNano),
    }),
    costNano: t.field({
      type: 'NanoUSD',
      description: 'As `costUsd`, in nano-USD.',
      resolve: (record) => record.costNano,
    }),
    priceId: t.id({
      nullable: true,
      description: 'The price version it was billed by; null when nothing was billable.',
      resolve: ({ priceVersionId }) => priceVersionId && encodeGlobalId('Price', priceVersionId),
    }),
    latencyMs: t.exposeInt('latencyMs', { description: 'From arrival to the last byte, ms.' }),
    firstTokenMs: t.exposeInt('firstTokenMs', {
      nullable: true,
      description: 'From arrival to the first content, ms; null when there was none.',
    }),
    requestCount: t.exposeInt('requestCount', {
      description: 'How many requests it stands for: many refusals in one second share one record.',
    }),
    createdAt: t.expose('occurredAt', { type: 'DateTime', description: 'When the request was admitted.' }),
  }),
});

/** What the provider counted, in classes that never overlap. */
builder.objectFields(usageRecordRef, (t) => ({
  inputTokens: t.exposeInt('inputTokens', { description: 'Input tokens, without those of the cache.' }),
  outputTokens: t.exposeInt('outputTokens', { description: 'Output tokens, reasoning included.' }),
  reasoningTokens: t.exposeInt('reasoningTokens', { description: 'The reasoning part of the output.' }),
  cacheReadTokens: t.exposeInt('cacheReadTokens', { description: 'Tokens read from the prompt cache.' }),
  cacheWriteTokens: t.int({
    description: 'Tokens written to the prompt cache, for 5 minutes or an hour.',
    resolve: (record) => record.cacheWrite5mTokens + record.cacheWrite1hTokens,
  }),
  cacheWriteHourTokens: t.exposeInt('cacheWrite1hTokens', {
    description: 'Those of them written for an hour.',
  }),
  serviceTier: t.exposeString('serviceTier', {
    nullable: true,
    description: 'The service tier that the provider says it served; null when it said nothing.',
  }),
  serverToolCalls: t.field({
    type: [serverToolCallsRef],
    description: "Calls of the provider's own tools, at most 5.",
    resolve: ({ serverTools }) =>
      SERVER_TOOLS.flatMap((tool) => {
        const count = serverTools?.[tool];
        return count === undefined ? [] : [{ tool, count }];
      }),
  }),
  estimated: t.exposeBoolean('estimated', {
    description: 'True when the provider sent no counts and these are ours.',
  }),
}));

const commonFilters = builder.args((t) => ({
  from: t.field({ type: 'DateTime', description: 'Only requests admitted at this time or later.' }),
  to: t.field({ type: 'DateTime', description: 'Only requests admitted before this time.' }),
  model: t.id({ description: 'Only requests billed as this model.' }),
  dialect: t.string({ description: 'Only requests in this protocol: `chat`, `responses` or `messages`.' }),
  status: t.field({ type: usageStatus, description: 'Only requests that ended like this.' }),
  endUser: t.string({ description: 'Only requests of this end user: its keyed digest.' }),
}));
const keyFilter = builder.args((t) => ({
  apiKeyId: t.id({ description: 'Only the requests made with this API key.' }),
}));

type Filter = InputShapeFromFields<typeof commonFilters> & Partial<InputShapeFromFields<typeof keyFilter>>;
type ListArguments = Parameters<typeof pageById>[0] & Filter;

function toFilter({ from, to, apiKeyId, model, dialect, status, endUser }: Filter): UsageRecordFilter {
  return {
    from: from ?? undefined,
    to: to ?? undefined,
    apiKeyId: apiKeyId === null || apiKeyId === undefined ? undefined : uuidOf('ApiKey', apiKeyId),
    model: model?.toString(),
    dialect: dialect ?? undefined,
    status: status ?? undefined,
    endUser: endUser ?? undefined,
  };
}

const NEWEST_FIRST = { order: 'newest-first', idField: 'requestId' } as const;

function recordsOf(
  context: RequestContext,
  parent: 'accountId' | 'apiKeyId',
  parentId: string,
  args: ListArguments,
) {
  const filter = toFilter(args);
  const list = parent === 'accountId' ? listUsageRecordsOf : listUsageRecordsOfKeys;
  return pageById(args, NEWEST_FIRST, (range) =>
    loadPageOfParent<UsageRecordRow>(context, {
      name: `usageRecords:${parent}:${JSON.stringify(filter)}`,
      parentId,
      range,
      parentOf: (row) => row[parent],
      load: (parentIds) => list(context.database, parentIds, filter, range),
    }),
  );
}

builder.objectField(accountRef, 'usageRecords', (t) =>
  t.connection(
    {
      type: usageRecordRef,
      description: 'Its requests, newest first.',
      args: { ...commonFilters, ...keyFilter },
      resolve: (account, args, context) => recordsOf(context, 'accountId', account.id, args),
    },
    usageRecordConnection,
    usageRecordEdge,
  ),
);

builder.objectField(apiKeyRef, 'usageRecords', (t) =>
  t.connection(
    {
      type: usageRecordRef,
      description: 'The requests made with it, newest first.',
      args: commonFilters,
      resolve: (key, args, context) => recordsOf(context, 'apiKeyId', key.id, args),
    },
    usageRecordConnection,
    usageRecordEdge,
  ),
);

builder.queryField('usageRecords', (t) =>
  t.connection(
    {
      type: usageRecordRef,
      description: 'Requests, newest first: those of one account, or all that the token may see.',
      args: {
        accountId: t.arg.id({ description: 'Only the requests of this account.' }),
        ...keyFilter,
        ...commonFilters,
      },
      resolve: async (_root, { accountId, ...args }, context) => {
        const listed = await accountsToList(context, 'usageRecords', accountId);
        const filter = toFilter(args);
        return await pageById(args, NEWEST_FIRST, (range) =>
          listed === null
            ? listAllUsageRecords(context.database, filter, range)
            : listUsageRecordsOf(context.database, listed, filter, range),
        );
      },
    },
    usageRecordConnection,
    usageRecordEdge,
  ),
);
