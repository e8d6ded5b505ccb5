import { formatUsd } from '#shared/money.ts';
import { findStatements, listStatements, type Statement } from '../billing/list-billing.ts';
import { accountRef } from './account.ts';
import { builder } from './builder.ts';
import { inIdOrder } from './id-order.ts';
import { pageById } from './page.ts';
import { accountsToList, onlyVisible, type RequestContext } from './request-context.ts';
import { linkTo } from './top-up.ts';

const statementLine = builder.objectRef<Statement['usageByModel'][number]>('StatementUsage').implement({
  description: 'What one model came to in a month.',
  fields: (t) => ({
    model: t.exposeString('model', { description: 'Its id.' }),
    requests: t.exposeInt('requests', { description: 'How many requests.' }),
    costUsd: t.string({
      description: 'What they cost, USD.',
      resolve: (line) => formatUsd(BigInt(line.costNano)),
    }),
  }),
});

const statementRef = builder.loadableNodeRef('Statement', {
  id: { resolve: (statement) => statement.id },
  load: async (ids: string[], context: RequestContext) => {
    const rows = await findStatements(context.database, ids);
    return inIdOrder(ids, await onlyVisible(context, rows, (row) => row.accountId), (row) => row.id);
  },
  toKey: (statement) => statement.id,
  cacheResolved: true,
});

statementRef.implement({
  description:
    'A closed month of an account: opening + top-ups + usage + other = closing. Never changed once written.',
  fields: (t) => ({
    account: t.field({ type: accountRef, description: 'Whose it is.', resolve: (row) => row.accountId }),
    number: t.exposeString('number', { description: 'Printed on it; unique.' }),
    month: t.exposeString('month', { description: 'Such as "2026-11", UTC.' }),
    openingUsd: t.string({
      description: 'Balance at the beginning, USD.',
      resolve: (row) => formatUsd(row.openingNano),
    }),
    toppedUpUsd: t.string({ description: 'Top-ups, USD.', resolve: (row) => formatUsd(row.toppedUpNano) }),
    usageUsd: t.string({
      description: 'What was used, USD; below zero.',
      resolve: (row) => formatUsd(row.usageNano),
    }),
    otherUsd: t.string({
      description: 'Grants, transfers, refunds and everything else, USD.',
      resolve: (row) => formatUsd(row.otherNano),
    }),
    closingUsd: t.string({
      description: 'Balance at the end, USD.',
      resolve: (row) => formatUsd(row.closingNano),
    }),
    usageByModel: t.field({
      type: [statementLine],
      description: 'Usage by model, by the time of the request; dearest first.',
      resolve: (row) => [...row.usageByModel],
    }),
    url: t.string({
      description: 'The PDF; the link works for an hour, for whoever has it.',
      resolve: (row, _args, context) => linkTo(context, 'statements', row.id),
    }),
  }),
});

builder.queryField('statements', (t) =>
  t.connection(
    {
      type: statementRef,
      description: 'Monthly statements, newest first.',
      args: {
        accountId: t.arg.id({ description: 'Only of this account; of all that are yours when left out.' }),
      },
      resolve: (_root, { accountId, ...args }, context) =>
        pageById(args, { order: 'newest-first', idField: 'id' }, async (range) => {
          const within = await accountsToList(context, 'statements', accountId);
          const rows = await listStatements(context.database, within, range);
          await context.access.learn(rows.map((row) => row.accountId));
          return rows;
        }),
    },
    { name: 'StatementConnection', description: 'A page of statements.' },
    { name: 'StatementEdge', description: 'One of the statements of a page.' },
  ),
);
