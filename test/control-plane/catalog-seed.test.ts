import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { SEED_MODELS } from '#control-plane/catalog/seed/seed-models.ts';
import { seedCatalog } from '#control-plane/catalog/seed-catalog.ts';
import { VENDORS, vendorDisplayName } from '#control-plane/catalog/vendors.ts';
import type { Database, Sql } from '#db/client.ts';
import { testDatabaseUrl } from '#test/setup/test-backends.ts';

describe('the seeded catalog', () => {
  it('has every model once, under a vendor of ours, with tiers that rise from zero', () => {
    expect(new Set(SEED_MODELS.map((model) => model.id)).size).toBe(SEED_MODELS.length);
    const vendors = new Set(VENDORS.map((vendor) => vendor.code));
    for (const { id, tiers } of SEED_MODELS) {
      expect(vendors).toContain(id.slice(0, id.indexOf('/')));
      const thresholds = (tiers ?? [{ aboveTokens: 0 }]).map((tier) => tier.aboveTokens);
      expect([id, thresholds[0]]).toEqual([id, 0]);
      expect(thresholds).toEqual([...thresholds].sort((left, right) => left - right));
    }
  });

  it('has the ids that public examples use, at their published prices', () => {
    const pricesOf = (id: string) => SEED_MODELS.find((model) => model.id === id)?.tiers?.[0];
    expect(pricesOf('deepseek/deepseek-chat')).toMatchObject({
      inputMicroPerM: 140_000,
      outputMicroPerM: 280_000,
      cacheReadMicroPerM: 2_800,
      cacheWrite5mMicroPerM: null,
    });
    expect(pricesOf('anthropic/claude-sonnet-4.6')).toMatchObject({
      inputMicroPerM: 3_000_000,
      outputMicroPerM: 15_000_000,
      cacheReadMicroPerM: 300_000,
      cacheWrite5mMicroPerM: 3_750_000,
    });
    expect(pricesOf('openai/gpt-5-mini')).toMatchObject({
      inputMicroPerM: 250_000,
      outputMicroPerM: 2_000_000,
      cacheReadMicroPerM: 25_000,
      cacheWrite5mMicroPerM: null,
    });
    expect(pricesOf('deepseek/deepseek-v4-pro')).toMatchObject({ inputMicroPerM: 1_215_000 });
  });

  it('asks a vendor for a model by the name that the vendor knows', () => {
    const nameOf = (id: string) => SEED_MODELS.find((model) => model.id === id)?.providerModel;
    expect(nameOf('anthropic/claude-sonnet-4.6')).toBe('claude-sonnet-4-6');
    expect(nameOf('minimax/minimax-m3')).toBe('MiniMax-M3');
    expect(nameOf('x-ai/grok-4.7')).toBe('grok-4.7');
  });
});

describe('seedCatalog', () => {
  let client: Sql;
  let sql: Sql;
  let database: Database;
  beforeAll(async () => {
    client = postgres(await testDatabaseUrl(), { max: 3 });
    sql = postgres(await testDatabaseUrl(), { max: 1 });
    database = drizzle(client);
  });
  afterAll(() => Promise.all([client.end(), sql.end()]));

  it('fills an empty catalog, twice at once, and then adds nothing', async () => {
    await Promise.all([seedCatalog(database), seedCatalog(database)]);
    const [counts] = await sql`
      select (select count(*)::int from models) as models, (select count(*)::int from price_versions) as prices`;
    expect(counts).toEqual({
      models: SEED_MODELS.length,
      prices: SEED_MODELS.filter((model) => model.tiers !== null).length,
    });
    const changes = async () => (await sql`select 1 from config_changes`).length;
    const before = await changes();
    expect(await seedCatalog(database)).toEqual({ models: 0, prices: 0 });
    expect(await changes()).toBe(before);
  });

  it('leaves what operators have changed', async () => {
    await sql`update models set status = 'hidden', display_name = 'Ours' where id = 'openai/gpt-5.5'`;
    await seedCatalog(database);
    const [model] = await sql`select status, display_name from models where id = 'openai/gpt-5.5'`;
    expect(model).toEqual({ status: 'hidden', display_name: 'Ours' });
  });
});

const optionShape = z.object({
  type: z.string(),
  values: z.array(z.string()).optional(),
  min: z.number().optional(),
  max: z.number().optional(),
});
const tierShape = z.object({
  threshold: z.number(),
  input_micro_per_1m: z.number(),
  output_micro_per_1m: z.number(),
  cache_read_micro_per_1m: z.number().nullable(),
  cache_creation_micro_per_1m: z.number().nullable(),
});
const publishedCatalog = z.object({
  models: z.array(
    z.object({
      id: z.string(),
      vendor_code: z.string(),
      vendor: z.string(),
      author: z.string(),
      name: z.string(),
      family: z.string().nullable(),
      release_date: z.string().nullable(),
      context: z.number().nullable(),
      output_limit: z.number().nullable(),
      modalities: z.object({ input: z.array(z.string()), output: z.array(z.string()) }).nullable(),
      attachment: z.boolean().nullable(),
      reasoning: z.boolean().nullable(),
      tool_call: z.boolean().nullable(),
      temperature: z.boolean().nullable(),
      structured_output: z.boolean().nullable(),
      reasoning_options: z.array(optionShape).nullable(),
      price_micro_per_1m: z.object({ tiers: z.array(tierShape) }).nullable(),
      status: z.string(),
    }),
  ),
});

const sharedMaterial = process.env.CROSSMODEL_SHARED ?? '';
const publishedFile = path.join(sharedMaterial, 'specs', 'catalog-crossmodel.json');

describe.skipIf(sharedMaterial === '' || !existsSync(publishedFile))(
  'the seeded catalog beside the published one (needs CROSSMODEL_SHARED)',
  () => {
    it('has every published model with every fact, price and tier', () => {
      const { models } = publishedCatalog.parse(JSON.parse(readFileSync(publishedFile, 'utf8')));
      expect(models).toHaveLength(69);
      for (const published of models) {
        const seeded = SEED_MODELS.find((model) => model.id === published.id);
        expect(seeded, published.id).toMatchObject(factsOf(published));
        expect([published.id, seeded?.capabilities.reasoning]).toEqual([
          published.id,
          reasoningOf(published),
        ]);
        expect(vendorDisplayName(published.vendor_code)).toBe(published.vendor);
      }
    });
  },
);

type Published = z.infer<typeof publishedCatalog>['models'][number];

function factsOf(published: Published): object {
  return {
    author: published.author,
    displayName: published.name,
    family: published.family,
    contextTokens: published.context,
    maxOutputTokens: published.output_limit,
    status: published.status,
    ...(published.release_date && { releasedOn: `${published.release_date}-01`.slice(0, 10) }),
    ...(published.modalities && {
      inputModalities: published.modalities.input,
      outputModalities: published.modalities.output,
    }),
    capabilities: {
      tools: published.tool_call ?? false,
      json: published.structured_output,
      temperature: published.temperature,
      attachment: published.attachment,
    },
    tiers:
      published.price_micro_per_1m?.tiers.map((tier) => ({
        aboveTokens: tier.threshold,
        inputMicroPerM: tier.input_micro_per_1m,
        outputMicroPerM: tier.output_micro_per_1m,
        cacheReadMicroPerM: tier.cache_read_micro_per_1m,
        cacheWrite5mMicroPerM: tier.cache_creation_micro_per_1m,
        cacheWrite1hMicroPerM: null,
      })) ?? null,
  };
}

/** As the public catalog writes it: absent for models that do not reason, empty where there is no control. */
function reasoningOf(published: Published): object | undefined {
  if (!published.reasoning) return undefined;
  const reasoning: Record<string, unknown> = {};
  for (const { type, values, ...range } of published.reasoning_options ?? []) {
    if (type === 'toggle') reasoning.toggle = true;
    else if (type === 'effort') reasoning.effort = values;
    else reasoning.budget_tokens = range;
  }
  return reasoning;
}
