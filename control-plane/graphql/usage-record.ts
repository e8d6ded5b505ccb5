import { formatUsd } from '#shared/money.ts';
import { SERVER_TOOLS, type ServerTool } from '#shared/token-usage.ts';
import {
  findUsageRecords,
  listAllUsageRecords,
  listUsageRecordsOf,
  listUsageRecordsOfKeys,
  type UsageRecordRow,
} from '../usage/list-usage-records.ts';
import { accountRef } from './account.ts';
import { apiKeyRef } from './api-key.ts';
import { builder } from './builder.ts';
import { encodeGlobalId } from './global-ids.ts';
import { inIdOrder } from './id-order.ts';
import { loadPageOfParent, pageById } from './page.ts';
import { serverTool } from './price.ts';
import { accountsToList, onlyVisible, type RequestContext } from './request-context.ts';

const usageStatus = builder.enumType('UsageStatus', {
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

const usageRecordRef = builder.loadableNodeRef('UsageRecord', {
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

function recordsOfAccount(context: RequestContext, accountId: string, args: Parameters<typeof pageById>[0]) {
  return pageById(args, { order: 'newest-first', idField: 'requestId' }, (range) =>
    loadPageOfParent<UsageRecordRow>(context, {
      name: 'usageRecordsOfAccount',
      parentId: accountId,
      range,
      parentOf: (row) => row.accountId,
      load: (accountIds) => listUsageRecordsOf(context.database, accountIds, range),
    }),
  );
}

builder.objectField(accountRef, 'usageRecords', (t) =>
  t.connection(
    {
      type: usageRecordRef,
      description: 'Its requests, newest first.',
      resolve: (account, args, context) => recordsOfAccount(context, account.id, args),
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
      resolve: (key, args, context) =>
        pageById(args, { order: 'newest-first', idField: 'requestId' }, (range) =>
          loadPageOfParent<UsageRecordRow>(context, {
            name: 'usageRecordsOfKey',
            parentId: key.id,
            range,
            parentOf: (row) => row.apiKeyId,
            load: (apiKeyIds) => listUsageRecordsOfKeys(context.database, apiKeyIds, range),
          }),
        ),
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
      args: { accountId: t.arg.id({ description: 'Only the requests of this account.' }) },
      resolve: async (_root, { accountId, ...args }, context) => {
        const listed = await accountsToList(context, 'usageRecords', accountId);
        return await pageById(args, { order: 'newest-first', idField: 'requestId' }, (range) =>
          listed === null
            ? listAllUsageRecords(context.database, range)
            : listUsageRecordsOf(context.database, listed, range),
        );
      },
    },
    usageRecordConnection,
    usageRecordEdge,
  ),
);
