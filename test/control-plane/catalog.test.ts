import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCatalog } from '#control-plane/snapshot/build-snapshot.ts';
import { systemClock } from '#shared/clock.ts';
import { costOf } from '#shared/price.ts';
import { NO_TOKENS } from '#shared/token-usage.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const TIERS = `tiers { aboveTokens inputUsdPerMillion outputUsdPerMillion cacheReadUsdPerMillion
  cacheWriteUsdPerMillion cacheWriteHourUsdPerMillion }`;
const tier = (changes: object = {}) => ({
  aboveTokens: 0,
  inputUsdPerMillion: '1.25',
  outputUsdPerMillion: '10',
  ...changes,
});

describe('models', () => {
  it('shows customers the listed models with their prices, by id', async () => {
    const { managementToken } = await api.openAccount();
    const { data } = await api.call(`{ models(first: 1000) { nodes { id status price { ${TIERS} } } } }`, {
      token: managementToken,
    });
    const ids = data.models.nodes.map((model: { id: string }) => model.id);
    expect(ids).toEqual([...ids].sort());
    expect(ids).toHaveLength(70);
    expect(new Set(data.models.nodes.map((model: { status: string }) => model.status))).toEqual(
      new Set(['LISTED']),
    );
    const byId = new Map(data.models.nodes.map((model: { id: string }) => [model.id, model]));
    expect(byId.get('gemini/gemini-2.5-pro')).toMatchObject({
      price: {
        tiers: [
          {
            aboveTokens: 0,
            inputUsdPerMillion: '1.25',
            outputUsdPerMillion: '10.00',
            cacheReadUsdPerMillion: '0.125',
            cacheWriteUsdPerMillion: '1.25',
            cacheWriteHourUsdPerMillion: null,
          },
          { aboveTokens: 200_000, inputUsdPerMillion: '2.50', cacheReadUsdPerMillion: '0.25' },
        ],
      },
    });
    expect(byId.get('anthropic/claude-sonnet-5-5')).toMatchObject({ price: null });
  });

  it('shows operators retired models too, and pages by name', async () => {
    const all = await api.call('{ models(first: 1000) { nodes { id } } }');
    expect(all.data.models.nodes).toHaveLength(72);
    const first = await api.call('{ models(first: 2) { nodes { id } pageInfo { endCursor } } }');
    const next = await api.call(
      `{ models(first: 2, after: "${first.data.models.pageInfo.endCursor}") { nodes { id } } }`,
    );
    expect([...first.data.models.nodes, ...next.data.models.nodes]).toEqual(
      all.data.models.nodes.slice(0, 4),
    );
  });

  it('describes a model as the public catalog does', async () => {
    const { data } = await api.call(`{ model(id: "anthropic/claude-haiku-4-5") {
      id vendor vendorName author displayName family releasedOn contextTokens maxOutputTokens inputModalities
      outputModalities capabilities { tools json temperature attachment reasoning { toggle effort budgetTokens { min max } } }
    } missing: model(id: "anthropic/claude-9") { id } }`);
    expect(data).toEqual({
      model: {
        id: 'anthropic/claude-haiku-4-5',
        vendor: 'anthropic',
        vendorName: 'Anthropic',
        author: 'anthropic',
        displayName: 'Claude Haiku 4.5 (latest)',
        family: 'claude-haiku',
        releasedOn: '2025-10-15',
        contextTokens: 200_000,
        maxOutputTokens: 64_000,
        inputModalities: ['text', 'image'],
        outputModalities: ['text'],
        capabilities: {
          tools: true,
          json: true,
          temperature: true,
          attachment: true,
          reasoning: {
            toggle: true,
            effort: ['low', 'medium', 'high'],
            budgetTokens: { min: 1_024, max: 32_000 },
          },
        },
      },
      missing: null,
    });
  });
});

describe('priceSet', () => {
  const model = 'openai/gpt-5.5';
  const currentPrice = async () =>
    (await api.call(`{ model(id: "${model}") { price { id ${TIERS} perRequestUsd } } }`)).data.model.price;

  it('adds a version that holds from now on, and keeps the earlier ones', async () => {
    const before = await currentPrice();
    const tiers = [
      tier({ cacheReadUsdPerMillion: '0.000001' }),
      tier({ aboveTokens: 100_000, inputUsdPerMillion: '2.5', cacheWriteHourUsdPerMillion: '5' }),
    ];
    const { price } = await api.mutate('priceSet', { model, tiers, perRequestUsd: '0.001' }, 'price { id }');
    expect(await currentPrice()).toEqual({
      id: price.id,
      perRequestUsd: '0.001',
      tiers: [
        {
          aboveTokens: 0,
          inputUsdPerMillion: '1.25',
          outputUsdPerMillion: '10.00',
          cacheReadUsdPerMillion: '0.000001',
          cacheWriteUsdPerMillion: null,
          cacheWriteHourUsdPerMillion: null,
        },
        {
          aboveTokens: 100_000,
          inputUsdPerMillion: '2.50',
          outputUsdPerMillion: '10.00',
          cacheReadUsdPerMillion: null,
          cacheWriteUsdPerMillion: null,
          cacheWriteHourUsdPerMillion: '5.00',
        },
      ],
    });
    const { data } = await api.call(`{ model(id: "${model}") { prices { nodes { id } } } }`);
    expect(data.model.prices.nodes).toEqual([{ id: price.id }, { id: before.id }]);
  });

  it('gives service tiers and server tools prices of their own, which data planes and bills take', async () => {
    const priced = 'openai/gpt-5.4';
    const input = {
      model: priced,
      tiers: [tier()],
      serviceTiers: [{ name: 'priority', tiers: [tier({ inputUsdPerMillion: '2.5' })] }],
      serverTools: [{ tool: 'WEB_SEARCH', usdPerCall: '0.01' }],
    };
    const selection = `price { serviceTiers { name tiers { inputUsdPerMillion } } serverTools { tool usdPerCall } }`;
    const payload = await api.mutate('priceSet', input, selection);
    expect(payload.price).toEqual({
      serviceTiers: [{ name: 'priority', tiers: [{ inputUsdPerMillion: '2.50' }] }],
      serverTools: [{ tool: 'WEB_SEARCH', usdPerCall: '0.01' }],
    });
    const catalog = await readCatalog(api.sql, systemClock.nowMs(), undefined);
    const version = catalog.models.find(({ id }) => id === priced)?.prices.at(-1);
    if (version === undefined) throw new Error('The model has a price');
    const usage = { ...NO_TOKENS, input: 1_000, serverTools: { web_search: 2 } };
    expect(costOf(usage, version)).toBe(1_250_000n + 20_000_000n);
    expect(costOf({ ...usage, serviceTier: 'priority' }, version)).toBe(2_500_000n + 20_000_000n);
    const refused = [
      [{ serviceTiers: [{ name: 'default', tiers: [tier()] }] }, ['serviceTiers', '0', 'name']],
      [{ serviceTiers: [{ name: 'flex', tiers: [] }] }, ['serviceTiers', '0', 'tiers']],
      [{ serverTools: [{ tool: 'WEB_SEARCH', usdPerCall: '-1' }] }, ['serverTools', '0', 'usdPerCall']],
    ] as const;
    for (const [changes, path] of refused)
      expect(await api.refusal('priceSet', { model: priced, tiers: [tier()], ...changes })).toEqual([
        { code: 'INVALID_INPUT', path: ['input', ...path] },
      ]);
  });

  it('schedules a version without touching the price in force', async () => {
    const before = await currentPrice();
    const input = { model, tiers: [tier()], effectiveAt: '2099-01-01T00:00:00Z' };
    await api.mutate('priceSet', input, 'price { effectiveAt }');
    expect(await currentPrice()).toEqual(before);
    expect(await api.refusal('priceSet', input)).toEqual([
      { code: 'PRICE_TIME_TAKEN', path: ['input', 'effectiveAt'] },
    ]);
  });

  it.each([
    ['the past', { effectiveAt: '2020-01-01T00:00:00Z' }, ['effectiveAt'], 'INVALID_INPUT'],
    ['no tiers', { tiers: [] }, ['tiers'], 'INVALID_INPUT'],
    ['tiers without a base', { tiers: [tier({ aboveTokens: 5 })] }, ['tiers'], 'INVALID_INPUT'],
    ['tiers that do not rise', { tiers: [tier(), tier()] }, ['tiers'], 'INVALID_INPUT'],
    [
      'a fraction of a micro-dollar',
      { tiers: [tier({ inputUsdPerMillion: '0.0000001' })] },
      ['tiers', '0', 'inputUsdPerMillion'],
      'INVALID_INPUT',
    ],
    [
      'a negative price',
      { tiers: [tier({ outputUsdPerMillion: '-1' })] },
      ['tiers', '0', 'outputUsdPerMillion'],
      'INVALID_INPUT',
    ],
    ['a flat price that is no number', { perRequestUsd: 'free' }, ['perRequestUsd'], 'INVALID_INPUT'],
    ['an unknown model', { model: 'no/model' }, ['model'], 'NOT_FOUND'],
  ])('refuses %s', async (_case, changes, path, code) => {
    expect(await api.refusal('priceSet', { model, tiers: [tier()], ...changes })).toEqual([
      { code, path: ['input', ...path] },
    ]);
  });
});

describe('modelStatusSet', () => {
  it('hides a model from customers and tells the data planes once', async () => {
    const model = 'openai/gpt-4o-mini';
    const changes = async () => (await api.sql`select 1 from config_changes where entity = 'catalog'`).length;
    const before = await changes();
    for (let round = 0; round < 2; round += 1) {
      const answer = await api.mutate('modelStatusSet', { model, status: 'HIDDEN' }, 'model { status }');
      expect(answer.model.status).toBe('HIDDEN');
    }
    expect(await changes()).toBe(before + 1);
    const { managementToken } = await api.openAccount();
    const { data } = await api.call('{ models(vendor: "openai", first: 100) { nodes { id } } }', {
      token: managementToken,
    });
    expect(data.models.nodes).not.toContainEqual({ id: model });
    expect(await api.refusal('modelStatusSet', { model: 'no/model', status: 'HIDDEN' })).toEqual([
      { code: 'NOT_FOUND', path: ['input', 'model'] },
    ]);
  });
});
