import { formatUsd } from '#shared/money.ts';
import { listUsageExcesses, type UsageExcessRow } from '../usage/list-usage-excesses.ts';
import { accountRef } from './account.ts';
import { apiKeyRef } from './api-key.ts';
import { builder } from './builder.ts';
import { encodeGlobalId, uuidOf } from './global-ids.ts';
import { pageById } from './page.ts';

const usageExcessRef = builder.objectRef<UsageExcessRow>('UsageExcess');
const usageExcessEdge = builder.edgeObject({
  name: 'UsageExcessEdge',
  description: 'One of the excesses of a page.',
  type: usageExcessRef,
});
const usageExcessConnection = builder.connectionObject(
  { name: 'UsageExcessConnection', description: 'A page of excesses.', type: usageExcessRef },
  usageExcessEdge,
);

usageExcessRef.implement({
  description:
    'A request that cost more than was held for it: the provider counted more than the limit that was stated or the model has. A balance can have been overrun by as much.',
  fields: (t) => ({
    requestId: t.id({
      description: 'The `x-request-id` of the answer, `req_cm_…`.',
      resolve: (excess) => encodeGlobalId('UsageRecord', excess.requestId),
    }),
    account: t.field({ type: accountRef, description: 'Who paid.', resolve: (excess) => excess.accountId }),
    apiKey: t.field({
      type: apiKeyRef,
      description: 'The key that was used.',
      resolve: (excess) => excess.apiKeyId,
    }),
    excessUsd: t.string({
      description: 'What it cost beyond its hold, USD, exact.',
      resolve: (excess) => formatUsd(excess.excessNano),
    }),
    excessNano: t.field({
      type: 'NanoUSD',
      description: 'As `excessUsd`, in nano-USD.',
      resolve: (excess) => excess.excessNano,
    }),
  }),
});

builder.queryField('usageExcesses', (t) =>
  t.connection(
    {
      type: usageExcessRef,
      description: 'Requests that cost more than was held for them, newest first. Operators only.',
      args: { accountId: t.arg.id({ description: 'Only those of this account; all when left out.' }) },
      resolve: (_root, { accountId, ...args }, { database }) =>
        pageById(args, { order: 'newest-first', idField: 'requestId' }, (range) =>
          listUsageExcesses(database, accountId == null ? undefined : uuidOf('Account', accountId), range),
        ),
    },
    usageExcessConnection,
    usageExcessEdge,
  ),
);
