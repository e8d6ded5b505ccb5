import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SEAL_PURPOSES, unseal } from '#shared/sealed-secret.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const UPSTREAM = `upstream { id name vendor vendorName protocol baseUrl source enabled hasCredential
  routes(first: 100) { nodes { model { id } providerModel weight priority } } }`;
let count = 0;
const draft = (changes: object = {}) => {
  count += 1;
  return {
    name: `proxy ${count}`,
    vendor: 'deepseek',
    protocol: 'CHAT',
    baseUrl: 'https://proxy.example/v1/',
    credential: 'sk-canary-credential',
    ...changes,
  };
};
const sealedCredentialOf = async (upstreamId: string): Promise<string | null> => {
  const [row] = await api.sql<{ sealed: string | null }[]>`
    select sealed_credential as sealed from upstreams where id = ${upstreamId.slice(3)}::uuid`;
  return row?.sealed ?? null;
};

describe('upstreamCreate', () => {
  it('serves every model of its vendor, and keeps the credential sealed', async () => {
    const { upstream } = await api.mutate('upstreamCreate', draft(), UPSTREAM);
    expect(upstream).toMatchObject({
      vendor: 'deepseek',
      vendorName: 'DeepSeek',
      protocol: 'CHAT',
      baseUrl: 'https://proxy.example/v1',
      source: 'OPERATOR',
      enabled: true,
      hasCredential: true,
    });
    const models = await api.call('{ models(vendor: "deepseek") { nodes { id } } }');
    const routed = upstream.routes.nodes.map((route: { model: { id: string } }) => route.model.id);
    expect(routed.sort()).toEqual(models.data.models.nodes.map((model: { id: string }) => model.id));
    const sealed = (await sealedCredentialOf(upstream.id)) ?? '';
    expect(sealed).not.toContain('canary');
    expect(unseal(sealed, api.sealingKey, SEAL_PURPOSES.upstreamCredential)).toBe('sk-canary-credential');
    expect(api.logLines.join('')).not.toContain('canary');
  });

  it('takes routes of its own', async () => {
    const routes = [
      { model: 'openai/gpt-5-mini' },
      { model: 'minimax/minimax-m3', weight: 3, priority: 2, providerModel: 'local-m3' },
    ];
    const { upstream } = await api.mutate('upstreamCreate', draft({ routes }), UPSTREAM);
    expect(upstream.routes.nodes).toEqual([
      { model: { id: 'minimax/minimax-m3' }, providerModel: 'local-m3', weight: 3, priority: 2 },
      { model: { id: 'openai/gpt-5-mini' }, providerModel: 'gpt-5-mini', weight: 1, priority: 0 },
    ]);
  });

  it.each([
    ['a base URL that is none', { baseUrl: 'proxy.example' }, ['baseUrl'], 'INVALID_INPUT'],
    ['a base URL with credentials', { baseUrl: 'https://a:b@c.example' }, ['baseUrl'], 'INVALID_INPUT'],
    ['a vendor with blanks', { vendor: 'my vendor' }, ['vendor'], 'INVALID_INPUT'],
    ['a credential with a line break', { credential: 'a\nb' }, ['credential'], 'INVALID_INPUT'],
    ['the name of a vendor', { name: 'openai' }, ['name'], 'NAME_TAKEN'],
    ['the name of the sandbox', { name: 'sandbox' }, ['name'], 'NAME_TAKEN'],
    ['an unknown model', { routes: [{ model: 'no/model' }] }, ['routes', '0', 'model'], 'NOT_FOUND'],
    [
      'no weight',
      { routes: [{ model: 'openai/gpt-5-mini', weight: 0 }] },
      ['routes', '0', 'weight'],
      'INVALID_INPUT',
    ],
    [
      'two routes for a model',
      { routes: [{ model: 'openai/gpt-5-mini' }, { model: 'openai/gpt-5-mini' }] },
      ['routes', '1', 'model'],
      'INVALID_INPUT',
    ],
  ])('refuses %s and leaves nothing behind', async (_case, changes, path, code) => {
    const before = await api.sql`select id from upstreams`;
    expect(await api.refusal('upstreamCreate', draft(changes))).toEqual([{ code, path: ['input', ...path] }]);
    expect(await api.sql`select id from upstreams`).toHaveLength(before.length);
  });

  it('refuses a name that another upstream has', async () => {
    const { upstream } = await api.mutate('upstreamCreate', draft(), UPSTREAM);
    expect(await api.refusal('upstreamCreate', draft({ name: upstream.name }))).toEqual([
      { code: 'NAME_TAKEN', path: ['input', 'name'] },
    ]);
  });
});

describe('upstreamUpdate', () => {
  it('changes what is given and leaves the rest', async () => {
    const { upstream } = await api.mutate('upstreamCreate', draft(), UPSTREAM);
    const sealed = await sealedCredentialOf(upstream.id);
    const change = async (changes: object) =>
      (await api.mutate('upstreamUpdate', { upstreamId: upstream.id, ...changes }, UPSTREAM)).upstream;
    expect(await change({ enabled: false })).toEqual({ ...upstream, enabled: false });
    expect(await sealedCredentialOf(upstream.id)).toBe(sealed);
    expect((await change({ baseUrl: 'http://127.0.0.1:1/v1' })).baseUrl).toBe('http://127.0.0.1:1/v1');
    await change({ credential: 'sk-next' });
    expect(
      unseal((await sealedCredentialOf(upstream.id)) ?? '', api.sealingKey, SEAL_PURPOSES.upstreamCredential),
    ).toBe('sk-next');
    expect((await change({ credential: null })).hasCredential).toBe(false);
    const rerouted = await change({ routes: [{ model: 'deepseek/deepseek-chat', weight: 9 }] });
    expect(rerouted.routes.nodes).toEqual([
      { model: { id: 'deepseek/deepseek-chat' }, providerModel: 'deepseek-chat', weight: 9, priority: 0 },
    ]);
    expect((await change({ routes: [] })).routes.nodes).toEqual([]);
  });

  it('leaves upstreams of the environment alone', async () => {
    await api.sql`
      insert into upstreams (id, name, vendor, protocol, base_url, source)
      values (uuidv7(), 'mistral', 'mistral', 'chat', 'https://api.mistral.ai/v1', 'environment')`;
    const { data } = await api.call('{ upstreams { nodes { id source } } }');
    const { id } = data.upstreams.nodes.find((node: { source: string }) => node.source === 'ENVIRONMENT');
    for (const name of ['upstreamUpdate', 'upstreamDelete'])
      expect(await api.refusal(name, { upstreamId: id })).toEqual([
        { code: 'UPSTREAM_MANAGED_BY_ENVIRONMENT', path: ['input', 'upstreamId'] },
      ]);
  });

  it('answers NOT_FOUND for an upstream that does not exist', async () => {
    expect(await api.refusal('upstreamUpdate', { upstreamId: 'up_00' })).toEqual([
      { code: 'NOT_FOUND', path: ['input', 'upstreamId'] },
    ]);
  });
});

describe('the name of an upstream', () => {
  it('goes to one of two that ask for it at the same moment', async () => {
    const { upstream } = await api.mutate('upstreamCreate', draft(), UPSTREAM);
    const name = 'wanted';
    const create = `mutation ($input: UpstreamCreateInput!) { payload: upstreamCreate(input: $input) { userErrors { code } } }`;
    const update = `mutation ($input: UpstreamUpdateInput!) { payload: upstreamUpdate(input: $input) { userErrors { code } } }`;
    const answers = await Promise.all([
      api.call(create, { variables: { input: draft({ name }) } }),
      api.call(update, { variables: { input: { upstreamId: upstream.id, name } } }),
      api.call(create, { variables: { input: draft({ name }) } }),
    ]);
    const outcomes = answers.map((answer) => answer.data.payload.userErrors);
    expect(outcomes.filter((errors) => errors.length === 0)).toHaveLength(1);
    expect(outcomes.flat()).toEqual([{ code: 'NAME_TAKEN' }, { code: 'NAME_TAKEN' }]);
  });
});

describe('upstreamDelete', () => {
  it('removes the upstream, its credential and its routes', async () => {
    const { upstream } = await api.mutate('upstreamCreate', draft(), UPSTREAM);
    const deleted = await api.mutate('upstreamDelete', { upstreamId: upstream.id }, 'deletedUpstreamId');
    expect(deleted.deletedUpstreamId).toBe(upstream.id);
    expect((await api.call(`{ node(id: "${upstream.id}") { id } }`)).data.node).toBeNull();
    expect(
      await api.sql`select 1 from routes where upstream_id = ${upstream.id.slice(3)}::uuid`,
    ).toHaveLength(0);
  });
});
