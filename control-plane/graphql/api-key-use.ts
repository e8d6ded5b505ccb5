import { createContextCache } from '@pothos/core';
import DataLoader from 'dataloader';
import { lastNetworksOf, lastUsesOf } from '../keys/last-use.ts';
import { apiKeyRef } from './api-key.ts';
import { builder } from './builder.ts';
import type { RequestContext } from './request-context.ts';

const lastUsesIn = createContextCache(
  (context: RequestContext) =>
    new DataLoader<string, Date | null>((ids) => lastUsesOf(context.database, ids), { cache: false }),
);
const lastNetworksIn = createContextCache(
  (context: RequestContext) =>
    new DataLoader<string, string | null>((ids) => lastNetworksOf(context.database, ids), { cache: false }),
);

builder.objectFields(apiKeyRef, (t) => ({
  lastUsedAt: t.field({
    type: 'DateTime',
    nullable: true,
    description: 'When its last recorded request was admitted; null when there was none.',
    resolve: (key, _args, context) => lastUsesIn(context).load(key.id),
  }),
  lastUsedNetwork: t.string({
    nullable: true,
    description:
      'The network it was last used from, a /24 of IPv4 or a /48 of IPv6; up to a minute old. Null when it was never used.',
    resolve: (key, _args, context) => lastNetworksIn(context).load(key.id),
  }),
}));
