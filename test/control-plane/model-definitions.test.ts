import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const MODEL = `model { id vendor author displayName family releasedOn contextTokens maxOutputTokens inputModalities
  outputModalities status price { id } capabilities { tools json temperature attachment
  reasoning { toggle effort budgetTokens { min max } } } }`;
let count = 0;
const draft = (changes: object = {}) => {
  count += 1;
  return {
    id: `acme/rocket-${count}`,
    displayName: 'Rocket',
    releasedOn: '2026-11-01',
    capabilities: { tools: true },
    ...changes,
  };
};
const catalogChanges = async () =>
  (await api.sql`select 1 from config_changes where entity = 'catalog'`).length;

describe('modelCreate', () => {
  it('adds a model that has no price yet, and tells the data planes', async () => {
    const before = await catalogChanges();
    const { model } = await api.mutate('modelCreate', draft({ id: 'acme/rocket.2:fast' }), MODEL);
    expect(model).toEqual({
      id: 'acme/rocket.2:fast',
      vendor: 'acme',
      author: 'acme',
      displayName: 'Rocket',
      family: null,
      releasedOn: '2026-11-01',
      contextTokens: null,
      maxOutputTokens: null,
      inputModalities: ['text'],
      outputModalities: ['text'],
      status: 'LISTED',
      price: null,
      capabilities: { tools: true, json: null, temperature: null, attachment: null, reasoning: null },
    });
    expect(await catalogChanges()).toBe(before + 1);
  });

  it('keeps every detail, and routes it by an upstream of its vendor that is made later', async () => {
    const reasoning = { toggle: true, effort: ['low', 'max'], budgetTokens: { min: 1024, max: null } };
    const capabilities = { tools: false, json: true, temperature: false, attachment: true, reasoning };
    const input = draft({
      author: 'Acme Labs',
      family: 'rockets',
      contextTokens: 1_000_000,
      maxOutputTokens: 64_000,
      inputModalities: ['TEXT', 'PDF'],
      capabilities,
      providerModel: 'rocket-latest',
      status: 'HIDDEN',
    });
    const { model } = await api.mutate('modelCreate', input, MODEL);
    expect(model).toMatchObject({
      author: 'Acme Labs',
      family: 'rockets',
      contextTokens: 1_000_000,
      maxOutputTokens: 64_000,
      inputModalities: ['text', 'pdf'],
      capabilities,
      status: 'HIDDEN',
    });
    const upstream = {
      name: 'acme cloud',
      vendor: 'acme',
      protocol: 'CHAT',
      baseUrl: 'https://acme.example/v1',
    };
    const answer = await api.mutate(
      'upstreamCreate',
      upstream,
      'upstream { routes(first: 100) { nodes { model { id } providerModel } } }',
    );
    expect(answer.upstream.routes.nodes).toContainEqual({
      model: { id: input.id },
      providerModel: 'rocket-latest',
    });
  });

  it.each([
    ['an id without a vendor', { id: 'rocket' }, ['id']],
    ['an id with a space', { id: 'acme/ro cket' }, ['id']],
    ['a vendor in upper case', { id: 'Acme/rocket' }, ['id']],
    ['a day that is not in the calendar', { releasedOn: '2026-02-30' }, ['releasedOn']],
    ['no input at all', { inputModalities: [] }, ['inputModalities']],
    ['an output named twice', { outputModalities: ['TEXT', 'TEXT'] }, ['outputModalities']],
    ['a context of nothing', { contextTokens: 0 }, ['contextTokens']],
    ['an empty name', { displayName: ' ' }, ['displayName']],
    [
      'an effort that is no word',
      { capabilities: { tools: true, reasoning: { effort: ['Very High'] } } },
      ['capabilities', 'reasoning', 'effort'],
    ],
    [
      'a budget range upside down',
      { capabilities: { tools: true, reasoning: { budgetTokens: { min: 5, max: 4 } } } },
      ['capabilities', 'reasoning', 'budgetTokens'],
    ],
  ])('refuses %s', async (_case, changes, path) => {
    expect(await api.refusal('modelCreate', draft(changes))).toEqual([
      { code: 'INVALID_INPUT', path: ['input', ...path] },
    ]);
  });

  it('refuses the id of a model that exists, also where it is retired', async () => {
    const input = draft();
    await api.mutate('modelCreate', input, MODEL);
    await api.mutate('modelStatusSet', { model: input.id, status: 'RETIRED' }, MODEL);
    expect(await api.refusal('modelCreate', input)).toEqual([{ code: 'NAME_TAKEN', path: ['input', 'id'] }]);
  });
});

describe('modelUpdate', () => {
  it('changes what is given, clears what is null, and leaves the rest', async () => {
    const input = draft({ family: 'rockets', contextTokens: 8_000, maxOutputTokens: 4_000 });
    const { model: made } = await api.mutate('modelCreate', input, MODEL);
    const changes = { displayName: 'Rocket II', family: null, contextTokens: 9_000 };
    const { model } = await api.mutate('modelUpdate', { model: input.id, ...changes }, MODEL);
    expect(model).toEqual({ ...made, ...changes });
  });

  it('tells the data planes nothing when nothing is given', async () => {
    const before = await catalogChanges();
    await api.mutate('modelUpdate', { model: 'openai/gpt-4o-mini' }, MODEL);
    expect(await catalogChanges()).toBe(before);
  });

  it('refuses an unknown model and details that cannot be', async () => {
    expect(await api.refusal('modelUpdate', { model: 'no/model' })).toEqual([
      { code: 'NOT_FOUND', path: ['input', 'model'] },
    ]);
    expect(await api.refusal('modelUpdate', { model: 'openai/gpt-4o-mini', maxOutputTokens: -1 })).toEqual([
      { code: 'INVALID_INPUT', path: ['input', 'maxOutputTokens'] },
    ]);
  });
});
