import { inArray } from 'drizzle-orm';
import { priceVersions } from '#db/schema/catalog.ts';
import { formatUsd } from '#shared/money.ts';
import type { PublishedPrice, PublishedPriceTier } from '#shared/price.ts';
import { SERVER_TOOLS, type ServerTool } from '#shared/token-usage.ts';
import { builder } from './builder.ts';
import { inIdOrder } from './id-order.ts';
import type { RequestContext } from './request-context.ts';

const NANO_PER_MICRO = 1_000n;

function usdPerMillion(micro: number): string {
  return formatUsd(BigInt(micro) * NANO_PER_MICRO);
}

export const priceTierRef = builder.objectRef<PublishedPriceTier>('PriceTier').implement({
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

export const serverTool = builder.enumType('ServerTool', {
  description: 'A tool that a provider runs itself and charges for by the call.',
  values: {
    WEB_SEARCH: { value: 'web_search', description: 'A search of the web.' },
    WEB_FETCH: { value: 'web_fetch', description: 'A page fetched from the web.' },
    FILE_SEARCH: { value: 'file_search', description: 'A search of uploaded files.' },
    CODE_EXECUTION: { value: 'code_execution', description: 'A run of code.' },
    IMAGE_GENERATION: { value: 'image_generation', description: 'An image.' },
  } as const,
});

const serviceTierPriceRef = builder
  .objectRef<PublishedPrice['serviceTiers'][number]>('ServiceTierPrice')
  .implement({
    description: 'Token prices of requests that the provider serves in a tier of its own.',
    fields: (t) => ({
      name: t.exposeString('name', { description: 'As the provider names it, such as `priority`.' }),
      tiers: t.expose('tiers', {
        type: [priceTierRef],
        description: 'By prompt length, shortest first; at most 10.',
      }),
    }),
  });

const serverToolPriceRef = builder
  .objectRef<{ readonly tool: ServerTool; readonly nano: string }>('ServerToolPrice')
  .implement({
    description: 'What a call of a tool costs that the provider runs itself.',
    fields: (t) => ({
      tool: t.expose('tool', { type: serverTool, description: 'The tool.' }),
      usdPerCall: t.string({
        description: 'USD per call.',
        resolve: ({ nano }) => formatUsd(BigInt(nano)),
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
    serviceTiers: t.expose('serviceTiers', {
      type: [serviceTierPriceRef],
      description: 'Service tiers with prices of their own, at most 8; every other one takes `tiers`.',
    }),
    serverTools: t.field({
      type: [serverToolPriceRef],
      description: "What calls of the provider's own tools cost, at most 5; a tool that is missing is free.",
      resolve: ({ perToolCallNano }) =>
        SERVER_TOOLS.flatMap((tool) => {
          const nano = perToolCallNano[tool];
          return nano === undefined ? [] : [{ tool, nano }];
        }),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was set.' }),
  }),
});
