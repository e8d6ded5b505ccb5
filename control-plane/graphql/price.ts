import { inArray } from 'drizzle-orm';
import { priceVersions } from '#db/schema/catalog.ts';
import { formatUsd } from '#shared/money.ts';
import type { PublishedPriceTier } from '#shared/price.ts';
import { builder } from './builder.ts';
import { inIdOrder } from './id-order.ts';
import type { RequestContext } from './request-context.ts';

const NANO_PER_MICRO = 1_000n;

function usdPerMillion(micro: number): string {
  return formatUsd(BigInt(micro) * NANO_PER_MICRO);
}

const priceTierRef = builder.objectRef<PublishedPriceTier>('PriceTier').implement({
  description:
    'What tokens cost, USD per 1,000,000 tokens. A request whose prompt (input and cache tokens) is longer than a threshold takes that tier whole.',
  fields: (t) => ({
    aboveTokens: t.exposeInt('aboveTokens', {
      description: 'For prompts longer than this many tokens; 0 for the base tier.',
    }),
    inputUsdPerMillion: t.string({
      description: 'Input tokens.',
      resolve: (tier) => usdPerMillion(tier.inputMicroPerM),
    }),
    outputUsdPerMillion: t.string({
      description: 'Output tokens, reasoning included.',
      resolve: (tier) => usdPerMillion(tier.outputMicroPerM),
    }),
    cacheReadUsdPerMillion: t.string({
      nullable: true,
      description: 'Tokens read from the prompt cache; null: the input price.',
      resolve: (tier) => (tier.cacheReadMicroPerM === null ? null : usdPerMillion(tier.cacheReadMicroPerM)),
    }),
    cacheWriteUsdPerMillion: t.string({
      nullable: true,
      description: 'Tokens written to the prompt cache for 5 minutes; null: the input price.',
      resolve: (tier) =>
        tier.cacheWrite5mMicroPerM === null ? null : usdPerMillion(tier.cacheWrite5mMicroPerM),
    }),
    cacheWriteHourUsdPerMillion: t.string({
      nullable: true,
      description:
        'Tokens written to the prompt cache for an hour; null: twice the input price at Anthropic, else as for 5 minutes.',
      resolve: (tier) =>
        tier.cacheWrite1hMicroPerM === null ? null : usdPerMillion(tier.cacheWrite1hMicroPerM),
    }),
  }),
});

export const priceRef = builder.loadableNodeRef('Price', {
  id: { resolve: (price) => price.id },
  load: async (ids: string[], { database }: RequestContext) => {
    const rows = await database.select().from(priceVersions).where(inArray(priceVersions.id, ids));
    return inIdOrder(ids, rows, (row) => row.id);
  },
  toKey: (price) => price.id,
  cacheResolved: true,
});

export const priceEdge = builder.edgeObject({
  name: 'PriceEdge',
  description: 'One of the price versions of a page.',
  type: priceRef,
});
export const priceConnection = builder.connectionObject(
  { name: 'PriceConnection', description: 'A page of price versions.', type: priceRef },
  priceEdge,
);

priceRef.implement({
  description: 'An immutable price of a model. A new price is a new version with its own effective time.',
  fields: (t) => ({
    modelId: t.exposeID('modelId', { description: 'The model it is of.' }),
    effectiveAt: t.expose('effectiveAt', {
      type: 'DateTime',
      description: 'Requests admitted from then on take this price.',
    }),
    tiers: t.expose('tiers', {
      type: [priceTierRef],
      description: 'By prompt length, shortest first; at most 10.',
    }),
    perRequestUsd: t.string({
      description: 'Flat price of a request on top of its tokens, USD.',
      resolve: (price) => formatUsd(price.perRequestNano),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was set.' }),
  }),
});
