import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { syncEnvironmentUpstreams } from '#control-plane/catalog/environment-upstreams.ts';
import { seedCatalog } from '#control-plane/catalog/seed-catalog.ts';
import type { VendorSettings } from '#control-plane/settings.ts';
import type { Database, Sql } from '#db/client.ts';
import { parseSealingKey, SEAL_PURPOSES, unseal } from '#shared/sealed-secret.ts';
import { testDatabaseUrl } from '#test/setup/test-backends.ts';

const OTHER_KEY = parseSealingKey('ab'.repeat(32));
const KEY = parseSealingKey('cd'.repeat(32));
if (!KEY || !OTHER_KEY) throw new Error('These are keys');
const OPENAI: VendorSettings = { vendorCode: 'openai', apiKey: 'sk-canary', baseUrl: null };

let client: Sql;
let sql: Sql;
let database: Database;
beforeAll(async () => {
  client = postgres(await testDatabaseUrl(), { max: 2 });
  sql = postgres(await testDatabaseUrl(), { max: 1 });
  database = drizzle(client);
  await seedCatalog(database);
});
afterAll(() => Promise.all([client.end(), sql.end()]));

const sync = (...settings: VendorSettings[]) => syncEnvironmentUpstreams(database, settings, KEY);
const upstream = async (name: string) => (await sql`select * from upstreams where name = ${name}`)[0];
const catalogChanges = async () => (await sql`select 1 from config_changes where entity = 'catalog'`).length;

describe('syncEnvironmentUpstreams', () => {
  it('adds an upstream with the default base URL, a sealed credential and a route for each model', async () => {
    expect(await sync(OPENAI)).toBe(true);
    const row = await upstream('openai');
    expect(row).toMatchObject({
      vendor: 'openai',
      protocol: 'chat',
      base_url: 'https://api.openai.com/v1',
      source: 'environment',
      enabled: true,
    });
    expect(row?.sealed_credential).not.toContain('sk-canary');
    expect(unseal(row?.sealed_credential, KEY, SEAL_PURPOSES.upstreamCredential)).toBe('sk-canary');
    const routes = await sql`
      select model_id, provider_model from routes where upstream_id = ${row?.id} order by model_id`;
    const models = await sql`
      select id as model_id, provider_model from models where vendor = 'openai' order by id`;
    expect([...routes]).toEqual([...models]);
  });

  it('changes nothing and tells nobody when the settings are the same', async () => {
    const before = await catalogChanges();
    const row = await upstream('openai');
    expect(await sync(OPENAI)).toBe(false);
    expect(await upstream('openai')).toEqual(row);
    expect(await catalogChanges()).toBe(before);
  });

  it('follows a new credential, a new base URL and a missing credential under the same id', async () => {
    const { id } = (await upstream('openai')) ?? {};
    expect(await sync({ ...OPENAI, apiKey: 'sk-next' })).toBe(true);
    expect(await sync({ ...OPENAI, apiKey: 'sk-next', baseUrl: 'http://127.0.0.1:1/v1' })).toBe(true);
    expect(await sync({ ...OPENAI, apiKey: null, baseUrl: 'http://127.0.0.1:1/v1' })).toBe(true);
    expect(await upstream('openai')).toMatchObject({
      id,
      base_url: 'http://127.0.0.1:1/v1',
      sealed_credential: null,
    });
  });

  it('seals anew what another secret key had sealed', async () => {
    await syncEnvironmentUpstreams(database, [OPENAI], OTHER_KEY);
    expect(await sync(OPENAI)).toBe(true);
    const row = await upstream('openai');
    expect(unseal(row?.sealed_credential, KEY, SEAL_PURPOSES.upstreamCredential)).toBe('sk-canary');
  });

  it('routes a model that the vendor has gained', async () => {
    await sql`
      insert into models (id, vendor, author, display_name, released_on, input_modalities, output_modalities,
        capabilities, status, provider_model)
      values ('openai/gpt-7', 'openai', 'openai', 'GPT-7', '2027-01-01', '{text}', '{text}', '{"tools":true}',
        'listed', 'gpt-7-preview')`;
    expect(await sync(OPENAI)).toBe(true);
    const routes = await sql`
      select provider_model, protocol, priority from routes join upstreams on upstreams.id = upstream_id
      where model_id = 'openai/gpt-7' order by priority`;
    expect([...routes]).toEqual([
      { provider_model: 'gpt-7-preview', protocol: 'chat', priority: 0 },
      { provider_model: 'gpt-7-preview', protocol: 'responses', priority: 1 },
    ]);
    expect(await sync(OPENAI)).toBe(false);
  });

  it.each([
    ['anthropic', 'messages', 'https://api.anthropic.com'],
    ['gemini', 'gemini', 'https://generativelanguage.googleapis.com/v1beta'],
    ['deepseek', 'chat', 'https://api.deepseek.com/v1'],
    ['x-ai', 'chat', 'https://api.x.ai/v1'],
  ])('speaks to %s in its own protocol', async (vendorCode, protocol, baseUrl) => {
    await sync({ vendorCode, apiKey: 'key', baseUrl: null });
    expect(await upstream(vendorCode)).toMatchObject({ protocol, base_url: baseUrl });
  });

  it('removes what is set no longer, with its routes, and leaves the upstreams of operators', async () => {
    await sql`
      insert into upstreams (id, name, vendor, protocol, base_url, source)
      values (uuidv7(), 'our own', 'openai', 'chat', 'http://127.0.0.1:2/v1', 'operator')`;
    await sync(OPENAI);
    expect(await sync()).toBe(true);
    const left = await sql`select name, (select count(*)::int from routes) as routes from upstreams`;
    expect([...left]).toEqual([{ name: 'our own', routes: 0 }]);
    expect(await sync()).toBe(false);
  });
});
