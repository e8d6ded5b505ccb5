import { z } from 'zod';
import type { PublishedPriceTier } from '#shared/price.ts';
import { type Outcome, refused, succeeded, type UserError, userError } from '../user-error.ts';
import { type PriceTierInput, readTiers } from './set-price.ts';

export type PriceListFormat = 'json' | 'csv';
/** What a provider charges for one model. */
export interface ListedCost {
  readonly model: string;
  readonly tiers: readonly PublishedPriceTier[];
}

const MAX_MODELS = 2_000;
const MAX_ERRORS = 20;
const CSV_HEADER = 'model,above_tokens,input,output,cache_read,cache_write,cache_write_hour';

const amount = z.string().max(40);
const jsonList = z.strictObject({
  models: z.array(
    z.strictObject({
      model: z.string().min(1).max(200),
      tiers: z.array(
        z.strictObject({
          aboveTokens: z.int().min(0).max(2_000_000_000).default(0),
          input: amount,
          output: amount,
          cacheRead: amount.nullish(),
          cacheWrite: amount.nullish(),
          cacheWriteHour: amount.nullish(),
        }),
      ),
    }),
  ),
});
type Entries = z.infer<typeof jsonList>['models'];

/**
 * Reads a price list: decimal USD per 1,000,000 tokens, by model and prompt length. As JSON
 * `{"models": [{"model": "…", "tiers": [{"aboveTokens": 0, "input": "1.25", "output": "10", "cacheRead": "0.125"}]}]}`, as CSV
 * a line per tier below the header above; empty where there is no such price.
 */
export function parsePriceList(text: string, format: PriceListFormat): Outcome<ListedCost[]> {
  const entries = format === 'json' ? readJson(text) : readCsv(text);
  if (!entries.ok) return entries;
  if (entries.value.length === 0 || entries.value.length > MAX_MODELS)
    return refused([malformed(`A price list has 1 to ${MAX_MODELS} models.`)]);
  const errors: UserError[] = [];
  const seen = new Set<string>();
  const costs = entries.value.map(({ model, tiers }) => {
    if (seen.has(model)) errors.push(malformed(`${model} is listed twice.`));
    seen.add(model);
    const wrong: UserError[] = [];
    const read = readTiers(tiers.map(toTierInput), [], wrong);
    errors.push(...wrong.map(({ message, path }) => malformed(`${model} ${path.join('.')}: ${message}`)));
    return { model, tiers: read };
  });
  return errors.length === 0 ? succeeded(costs) : refused(errors.slice(0, MAX_ERRORS));
}

function malformed(message: string): UserError {
  return userError('INVALID_INPUT', message, 'priceList');
}

function toTierInput(tier: Entries[number]['tiers'][number]): PriceTierInput {
  return {
    aboveTokens: tier.aboveTokens,
    inputUsdPerMillion: tier.input,
    outputUsdPerMillion: tier.output,
    cacheReadUsdPerMillion: tier.cacheRead ?? null,
    cacheWriteUsdPerMillion: tier.cacheWrite ?? null,
    cacheWriteHourUsdPerMillion: tier.cacheWriteHour ?? null,
  };
}

function readJson(text: string): Outcome<Entries> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return refused([malformed('This is not JSON.')]);
  }
  const list = jsonList.safeParse(parsed);
  if (list.success) return succeeded(list.data.models);
  return refused(
    list.error.issues
      .slice(0, MAX_ERRORS)
      .map(({ path, message }) => malformed(`${path.join('.')}: ${message}`)),
  );
}

/** Neither ids nor numbers need quotes, so there are none. */
function readCsv(text: string): Outcome<Entries> {
  const [header, ...lines] = text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .map((line) => line.trim());
  if (header !== CSV_HEADER) return refused([malformed(`The first line must be: ${CSV_HEADER}`)]);
  const byModel = new Map<string, Entries[number]['tiers']>();
  const errors: UserError[] = [];
  for (const [index, line] of lines.entries()) {
    if (line === '') continue;
    const [model = '', aboveTokens = '', input = '', output = '', ...rest] = line.split(',');
    const [cacheRead = '', cacheWrite = '', cacheWriteHour = ''] = rest;
    if (rest.length !== 3 || model === '' || !/^\d{1,9}$/.test(aboveTokens)) {
      errors.push(malformed(`Line ${index + 2} must have seven cells, a model and a number of tokens.`));
      continue;
    }
    const tiers = byModel.get(model) ?? [];
    const orNull = (cell: string) => (cell === '' ? null : cell);
    tiers.push({
      aboveTokens: Number(aboveTokens),
      input,
      output,
      cacheRead: orNull(cacheRead),
      cacheWrite: orNull(cacheWrite),
      cacheWriteHour: orNull(cacheWriteHour),
    });
    byModel.set(model, tiers);
  }
  if (errors.length > 0) return refused(errors.slice(0, MAX_ERRORS));
  return succeeded([...byModel].map(([model, tiers]) => ({ model, tiers })));
}
