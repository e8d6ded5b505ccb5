import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withMargin } from '#control-plane/catalog/apply-margin.ts';
import { systemClock } from '#shared/clock.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const MODEL = 'openai/gpt-5-mini';
const CHANGES =
  'isApplied changes { modelId action marginBasisPoints before { inputUsdPerMillion } after { aboveTokens inputUsdPerMillion outputUsdPerMillion cacheReadUsdPerMillion } }';
const csv = (...lines: string[]) =>
  ['model,above_tokens,input,output,cache_read,cache_write,cache_write_hour', ...lines].join('\n');
const later = (minutes: number) => new Date(systemClock.nowMs() + minutes * 60_000).toISOString();

const importList = async (input: object) =>
  await api.mutate('priceListImport', { format: 'CSV', ...input }, CHANGES);
const setMargin = async (input: object) => await api.mutate('marginRuleSet', input, CHANGES);
const pricesOf = async (model: string) =>
  (
    await api.sql`select effective_at, tiers from price_versions where model_id = ${model} order by effective_at`
  ).map(({ tiers }) => tiers[0].inputMicroPerM);

describe('a price list', () => {
  it('is compared first, then applied from its time on, and changes nothing when it comes again', async () => {
    const priceList = csv(
      `${MODEL},0,0.30,2.5,0.03,,`,
      `${MODEL},200000,0.60,5,,,`,
      'nobody/nothing,0,1,2,,,',
      '',
    );
    const before = await pricesOf(MODEL);
    const effectiveAt = later(10);
    const dry = await importList({ priceList, effectiveAt });
    expect(dry).toMatchObject({
      isApplied: false,
      changes: [
        {
          modelId: MODEL,
          action: 'CHANGED',
          marginBasisPoints: 0,
          after: [
            {
              aboveTokens: 0,
              inputUsdPerMillion: '0.30',
              outputUsdPerMillion: '2.50',
              cacheReadUsdPerMillion: '0.03',
            },
            { aboveTokens: 200_000, inputUsdPerMillion: '0.60', cacheReadUsdPerMillion: null },
          ],
        },
        { modelId: 'nobody/nothing', action: 'UNKNOWN_MODEL', after: null },
      ],
    });
    expect(await pricesOf(MODEL)).toEqual(before);
    const key = randomUUID();
    const done = await importList({ priceList, effectiveAt, dryRun: false, idempotencyKey: key });
    expect(done).toEqual({ ...dry, isApplied: true });
    expect(await importList({ priceList, effectiveAt, dryRun: false, idempotencyKey: key })).toEqual(done);
    const again = await importList({ priceList, effectiveAt: later(20), dryRun: false });
    expect(again.changes[0].action).toBe('UNCHANGED');
    expect(await pricesOf(MODEL)).toEqual([...before, 300_000]);
  });

  it('may be JSON, and says what is wrong with it', async () => {
    const list = (tiers: unknown) => JSON.stringify({ models: [{ model: 'x-ai/grok-4', tiers }] });
    const refusal = async (priceList: string, format = 'JSON') =>
      await api.refusal('priceListImport', { priceList, format, effectiveAt: later(30) });
    const wrong = { code: 'INVALID_INPUT', path: ['input', 'priceList'] };
    for (const text of [
      '{',
      '[]',
      list([{ input: '1' }]),
      list([{ input: '-1', output: '2' }]),
      list([]),
      list([{ input: '1', output: '2', aboveTokens: 5 }]),
    ])
      expect(await refusal(text)).toEqual([wrong]);
    for (const text of ['model\n', csv('a,b'), csv('a/b,0,1,2,,'), csv(), csv(`${MODEL},0,1e3,2,,,`)])
      expect(await refusal(text, 'CSV')).toEqual([wrong]);
    const [line] = (
      await importList({
        priceList: list([{ input: '1', output: '2' }]),
        format: 'JSON',
        effectiveAt: later(30),
      })
    ).changes;
    expect(line.modelId).toBe('x-ai/grok-4');
    expect(
      await api.refusal('priceListImport', {
        priceList: csv(`${MODEL},0,1,2,,,`),
        format: 'CSV',
        effectiveAt: later(-1),
      }),
    ).toEqual([{ code: 'INVALID_INPUT', path: ['input', 'effectiveAt'] }]);
  });

  it('keeps what the model charges beside its tokens', async () => {
    await api.sql`
      insert into price_versions (id, model_id, effective_at, tiers, per_request_nano, per_tool_call_nano)
      select uuidv7(), model_id, now(), tiers, 5000, '{"web_search":"10000000"}' from price_versions
      where model_id = 'anthropic/claude-haiku-4-5' order by effective_at desc limit 1`;
    await importList({
      priceList: csv('anthropic/claude-haiku-4-5,0,1.5,6,,,'),
      effectiveAt: later(1),
      dryRun: false,
    });
    const [newest] = await api.sql`
      select per_request_nano::text as request, per_tool_call_nano as tools from price_versions
      where model_id = 'anthropic/claude-haiku-4-5' order by effective_at desc limit 1`;
    expect(newest).toEqual({ request: '5000', tools: { web_search: '10000000' } });
  });
});

describe('a margin', () => {
  it('of the model goes before that of the vendor and the general one, and reprices at its time', async () => {
    const model = 'deepseek/deepseek-v4-pro';
    await importList({ priceList: csv(`${model},0,1,2,,,`), effectiveAt: later(1), dryRun: false });
    const margin = (input: object, minutes: number) =>
      setMargin({ ...input, effectiveAt: later(minutes), dryRun: false });
    const priceAfter = async (input: object, minutes: number) =>
      (await margin(input, minutes)).changes.find((change: { modelId: string }) => change.modelId === model)
        ?.after[0].inputUsdPerMillion;
    expect(await priceAfter({ vendor: 'deepseek', basisPoints: 1_000 }, 60)).toBe('1.10');
    expect(await priceAfter({ basisPoints: 5_000 }, 70)).toBe('1.10');
    expect(await priceAfter({ model, basisPoints: 333 }, 80)).toBe('1.0333');
    const { data } = await api.call('{ marginRules { scope basisPoints } }');
    expect(data.marginRules).toEqual([
      { scope: 'all', basisPoints: 5_000 },
      { scope: 'model:deepseek/deepseek-v4-pro', basisPoints: 333 },
      { scope: 'vendor:deepseek', basisPoints: 1_000 },
    ]);
    expect((await pricesOf(model)).slice(-3)).toEqual([1_000_000, 1_100_000, 1_033_300]);
    const next = await importList({ priceList: csv(`${model},0,2,4,,,`), effectiveAt: later(90) });
    expect(next.changes[0]).toMatchObject({
      marginBasisPoints: 333,
      after: [{ inputUsdPerMillion: '2.0666' }],
    });
    expect(await api.refusal('marginRuleSet', { model, basisPoints: 1, effectiveAt: later(0.5) })).toEqual([
      { code: 'PRICE_TIME_TAKEN', path: ['input', 'effectiveAt'] },
    ]);
  });

  it('of a dry run leaves nothing behind, and nonsense is refused', async () => {
    const rules = async () => (await api.sql`select 1 from margin_rules`).length;
    const before = await rules();
    await setMargin({ vendor: 'openai', basisPoints: 100, effectiveAt: later(120) });
    expect(await rules()).toBe(before);
    const codes = async (input: object) => (await api.refusal('marginRuleSet', input))[0]?.code;
    expect(await codes({ basisPoints: -1 })).toBe('INVALID_INPUT');
    expect(await codes({ basisPoints: 1, vendor: 'nobody' })).toBe('NOT_FOUND');
    expect(await codes({ basisPoints: 1, vendor: 'openai', model: MODEL })).toBe('INVALID_INPUT');
  });

  it('is rounded half up to the micro-dollar', () => {
    const cost = {
      aboveTokens: 0,
      inputMicroPerM: 1,
      outputMicroPerM: 3,
      cacheReadMicroPerM: null,
      cacheWrite5mMicroPerM: 0,
      cacheWrite1hMicroPerM: 99_999_999_999,
    };
    expect(withMargin(cost, 5_000)).toEqual({
      ...cost,
      inputMicroPerM: 2,
      outputMicroPerM: 5,
      cacheWrite1hMicroPerM: 149_999_999_999,
    });
    expect(withMargin(cost, 4_999)).toMatchObject({ inputMicroPerM: 1, outputMicroPerM: 4 });
  });
});

describe('an external id that two calls take at one moment', () => {
  it('goes to one of them, and the other is told so', async () => {
    const call = (name: string) =>
      api.call(
        `mutation { accountCreate(input: { name: "${name}", externalId: "same" }) { account { id } userErrors { code } } }`,
      );
    const answers = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(call));
    const payloads = answers.map(({ data }) => data.accountCreate);
    expect(payloads.filter(({ account }) => account !== null)).toHaveLength(1);
    expect(payloads.flatMap(({ userErrors }) => userErrors)).toEqual(
      Array(4).fill({ code: 'EXTERNAL_ID_TAKEN' }),
    );
  });
});
