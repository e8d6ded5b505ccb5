import { createContextCache } from '@pothos/core';
import DataLoader from 'dataloader';
import { formatUsd } from '#shared/money.ts';
import { listUnspentGrants, type PromotionalGrant } from '../ledger/list-promotional-grants.ts';
import { accountRef } from './account.ts';
import { builder } from './builder.ts';
import type { RequestContext } from './request-context.ts';

const grantsOf = createContextCache(
  (context: RequestContext) =>
    new DataLoader<string, PromotionalGrant[]>(
      async (accountIds) => {
        const found = await listUnspentGrants(context.database, accountIds);
        return accountIds.map((id) => found.filter((grant) => grant.accountId === id));
      },
      { cache: false },
    ),
);

const grantRef = builder.objectRef<PromotionalGrant>('PromotionalGrant').implement({
  description: 'Credit that an operator gave. It is spent before paid credit, what expires first first.',
  fields: (t) => ({
    amountUsd: t.string({
      description: 'What was given, USD.',
      resolve: (grant) => formatUsd(grant.amountNano),
    }),
    remainingUsd: t.string({
      description: 'What is left of it, USD.',
      resolve: (grant) => formatUsd(grant.remainingNano),
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When what is left goes; null for never.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was given.' }),
  }),
});

builder.objectField(accountRef, 'promotionalGrants', (t) =>
  t.field({
    type: [grantRef],
    description: 'Promotional credit of which something is left, in the order in which it is spent.',
    resolve: (account, _args, context) => grantsOf(context).load(account.id),
  }),
);
