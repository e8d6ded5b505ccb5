import { createContextCache } from '@pothos/core';
import DataLoader from 'dataloader';
import { systemClock } from '#shared/clock.ts';
import { formatUsd } from '#shared/money.ts';
import {
  MAX_SUMMARY_GROUPS,
  summarizeUsage,
  USAGE_DIMENSIONS,
  type UsageDimension,
  type UsageFigures,
  type UsageGroup,
  usageOfKeys,
} from '../usage/summarize-usage.ts';
import { apiError } from './api-error.ts';
import { apiKeyRef } from './api-key.ts';
import { builder } from './builder.ts';
import { encodeGlobalId, uuidOf } from './global-ids.ts';
import { accountsToList, type RequestContext } from './request-context.ts';

const MS_PER_DAY = 86_400_000;
const DEFAULT_DAYS = 30;
const MAX_DAYS = 366;

const DIMENSIONS: Readonly<Record<UsageDimension, { name: string; description: string }>> = {
  hour: { name: 'HOUR', description: 'By hour, UTC.' },
  day: { name: 'DAY', description: 'By day, UTC.' },
  month: { name: 'MONTH', description: 'By month, UTC.' },
  model: { name: 'MODEL', description: 'By model of the catalog.' },
  apiKey: { name: 'API_KEY', description: 'By API key.' },
  dialect: { name: 'DIALECT', description: "By the client's protocol." },
  endUser: {
    name: 'END_USER',
    description: 'By end user, as a digest; combines with `HOUR`, `DAY` and `MONTH` only.',
  },
};

const dimensionEnum = builder.enumType('UsageDimension', {
  description: 'What usage can be grouped by.',
  values: Object.fromEntries(
    USAGE_DIMENSIONS.map((value) => {
      const { name, description } = DIMENSIONS[value];
      return [name, { value, description }];
    }),
  ),
});

const figuresRef = builder.objectRef<UsageFigures>('UsageFigures').implement({
  description: 'What requests used and cost together.',
  fields: (t) => ({
    costUsd: t.string({
      description: 'What they cost, USD, exact.',
      resolve: ({ costNano }) => formatUsd(costNano),
    }),
    costNano: t.expose('costNano', { type: 'NanoUSD', description: 'As `costUsd`, in nano-USD.' }),
    requestCount: t.exposeFloat('requestCount', { description: 'How many requests, refused ones included.' }),
    successCount: t.exposeFloat('successCount', { description: 'How many were answered in full.' }),
    inputTokens: t.exposeFloat('inputTokens', { description: 'Input tokens, without those of the cache.' }),
    outputTokens: t.exposeFloat('outputTokens', { description: 'Output tokens, reasoning included.' }),
    cacheReadTokens: t.exposeFloat('cacheReadTokens', { description: 'Tokens read from the prompt cache.' }),
    cacheWriteTokens: t.exposeFloat('cacheWriteTokens', {
      description: 'Tokens written to the prompt cache.',
    }),
  }),
});

const groupRef = builder.objectRef<UsageGroup>('UsageGroup').implement({
  description: 'One group of a usage summary. What it was not grouped by is null.',
  fields: (t) => ({
    startsAt: t.expose('startsAt', {
      type: 'DateTime',
      nullable: true,
      description: 'The beginning of its hour, day or month, UTC.',
    }),
    model: t.exposeString('model', {
      nullable: true,
      description: 'Id of the model; null also where requests failed before one was known.',
    }),
    apiKeyId: t.id({
      nullable: true,
      description: 'Global id of the API key.',
      resolve: ({ apiKeyId }) => apiKeyId && encodeGlobalId('ApiKey', apiKeyId),
    }),
    dialect: t.exposeString('dialect', { nullable: true, description: "The client's protocol." }),
    endUser: t.exposeString('endUser', { nullable: true, description: 'Digest of the end user.' }),
    usage: t.field({ type: figuresRef, description: 'What it used and cost.', resolve: (group) => group }),
  }),
});

builder.queryField('usageSummary', (t) =>
  t.field({
    type: [groupRef],
    description: `Usage in groups, of one account, else of the caller's own accounts; for operators everybody's. Of whole hours, at most ${MAX_SUMMARY_GROUPS} groups. Up to date within seconds.`,
    args: {
      groupBy: t.arg({
        type: [dimensionEnum],
        required: true,
        description: 'At most one of hour, day and month, and any of the others; empty for one total.',
      }),
      from: t.arg({ type: 'DateTime', required: true, description: 'From the hour of this instant on.' }),
      to: t.arg({ type: 'DateTime', required: true, description: 'Up to this instant.' }),
      accountId: t.arg.id({ description: 'Only the usage of this account.' }),
      apiKeyId: t.arg.id({ description: 'Only the usage of this API key.' }),
      model: t.arg.id({ description: 'Only requests billed as this model.' }),
      dialect: t.arg.string({
        description: 'Only requests in this protocol: `chat`, `responses` or `messages`.',
      }),
    },
    resolve: async (_root, { groupBy, from, to, accountId, apiKeyId, model, dialect }, context) => {
      const accountIds = await accountsToList(context, 'usageSummary', accountId);
      const outcome = await summarizeUsage(context.database, {
        accountIds,
        groupBy,
        from,
        to,
        apiKeyId: apiKeyId === null || apiKeyId === undefined ? undefined : uuidOf('ApiKey', apiKeyId),
        model: model?.toString(),
        dialect: dialect ?? undefined,
      });
      if (outcome.ok) return outcome.value;
      throw apiError('BAD_USER_INPUT', outcome.errors.map((error) => error.message).join(' '));
    },
  }),
);

/** One loader per number of days that a request asks about. */
const keyUsageIn = createContextCache((_context: RequestContext) => new Map<number, KeyUsageLoader>());
type KeyUsageLoader = DataLoader<string, UsageFigures>;

function keyUsage(context: RequestContext, days: number): KeyUsageLoader {
  const loaders = keyUsageIn(context);
  const known = loaders.get(days);
  if (known) return known;
  const since = new Date(systemClock.nowMs() - (days - 1) * MS_PER_DAY);
  const loader: KeyUsageLoader = new DataLoader((ids) => usageOfKeys(context.database, ids, since), {
    cache: false,
  });
  loaders.set(days, loader);
  return loader;
}

builder.objectField(apiKeyRef, 'usage', (t) =>
  t.field({
    type: figuresRef,
    description: 'What was used and spent with it in the last days, today included, UTC.',
    args: {
      days: t.arg.int({ defaultValue: DEFAULT_DAYS, description: `How many days, 1 to ${MAX_DAYS}.` }),
    },
    resolve: (key, { days }, context) => {
      const asked = days ?? DEFAULT_DAYS;
      if (asked < 1 || asked > MAX_DAYS)
        throw apiError('BAD_USER_INPUT', `\`days\` must be from 1 to ${MAX_DAYS}.`);
      return keyUsage(context, asked).load(key.id);
    },
  }),
);
