import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fault } from '#shared/fault.ts';
import {
  type GatewayUnderTest,
  MODEL_ID,
  startGateway,
  testModel,
  testUpstream,
} from './support/gateway-under-test.ts';

let gateway: GatewayUnderTest;
let aliasSecret: string;
beforeAll(async () => {
  gateway = await startGateway();
  const upstream = testUpstream(gateway.provider.origin);
  const add = (model: ReturnType<typeof testModel>): void =>
    gateway.snapshot.addModel(model, [{ upstream, providerModel: 'x' }]);
  add(
    testModel({
      id: 'openai/gpt-5-mini',
      author: 'openai',
      contextTokens: null,
      maxOutputTokens: null,
      inputModalities: ['text', 'image'],
      capabilities: { tools: false, json: null, temperature: null, attachment: null },
    }),
  );
  add(testModel({ id: 'hidden/one', status: 'hidden' }));
  add(testModel({ id: 'old/one', status: 'retired' }));
  aliasSecret = gateway.snapshot.addKey('cm-aliases', {
    id: 'key-aliases',
    aliases: [
      { alias: 'basic', kind: 'exact', model: MODEL_ID },
      { alias: 'openai/gpt-5-mini', kind: 'exact', model: MODEL_ID },
      { alias: 'claude-opus', kind: 'prefix', model: 'openai/gpt-5-mini' },
      { alias: 'lost', kind: 'exact', model: 'gone/one' },
      { alias: 'retired', kind: 'exact', model: 'old/one' },
    ],
  });
});
afterAll(() => gateway.stop());

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly json: Record<string, unknown>;
}

async function get(
  path: string,
  headers: Record<string, string> = { authorization: `Bearer ${gateway.secret}` },
  method = 'GET',
): Promise<Answer> {
  const answer = await fetch(gateway.url + path, { headers, method });
  return { status: answer.status, headers: answer.headers, json: JSON.parse((await answer.text()) || '{}') };
}
const withAliases = (path: string): Promise<Answer> => get(path, { authorization: `Bearer ${aliasSecret}` });

describe('GET /v1/models', () => {
  it('lists the catalog on one page, in the union of both schemas', async () => {
    const { status, json } = await get('/v1/models?limit=1&after_id=x');
    expect(status).toBe(200);
    expect(json).toEqual({
      object: 'list',
      data: [expect.objectContaining({ id: MODEL_ID }), expect.objectContaining({ id: 'openai/gpt-5-mini' })],
      has_more: false,
      first_id: MODEL_ID,
      last_id: 'openai/gpt-5-mini',
    });
    expect((json.data as unknown[])[0]).toEqual({
      id: MODEL_ID,
      object: 'model',
      type: 'model',
      display_name: 'DeepSeek V4 Pro',
      created: 1_780_000_000,
      created_at: '2026-05-28T20:26:40+00:00',
      owned_by: 'deepseek',
      context_length: 1_000_000,
      max_completion_tokens: 384_000,
      architecture: { input_modalities: ['text'], output_modalities: ['text'] },
      capabilities: { tools: true, json: true, temperature: true },
    });
  });

  it('leaves out what is unknown', async () => {
    const { json } = await get('/v1/models/openai%2Fgpt-5-mini');
    expect(Object.keys(json)).toEqual([
      'id',
      'object',
      'type',
      'display_name',
      'created',
      'created_at',
      'owned_by',
      'architecture',
    ]);
  });

  it('lists the aliases of the key first, with their targets, and none whose target is gone', async () => {
    const { json } = await withAliases('/v1/models');
    const entries = (json.data as { id: string; root?: string }[]).map(({ id, root }) => [id, root]);
    expect(entries).toEqual([
      ['basic', MODEL_ID],
      ['openai/gpt-5-mini', MODEL_ID],
      ['claude-opus', 'openai/gpt-5-mini'],
      [MODEL_ID, undefined],
      ['openai/gpt-5-mini', undefined],
    ]);
    expect(json.first_id).toBe('basic');
  });

  it('is an empty list without models', async () => {
    const { models } = gateway.snapshot;
    const kept = [...models];
    models.clear();
    const { json } = await get('/v1/models');
    for (const [id, model] of kept) models.set(id, model);
    expect(json).toEqual({ object: 'list', data: [], has_more: false, first_id: null, last_id: null });
  });
});

describe('GET /v1/models/{model}', () => {
  it.each([
    ['with the slash encoded', '/v1/models/deepseek%2Fdeepseek-v4-pro', MODEL_ID],
    ['with the slash as it is', '/v1/models/deepseek/deepseek-v4-pro', MODEL_ID],
    ['with more encoded than needed', '/v1/models/deepseek%2fdeepseek%2Dv4-pro', MODEL_ID],
    ['hidden from the list', '/v1/models/hidden%2Fone', 'hidden/one'],
  ])('finds a model %s', async (_, path, id) => {
    const { status, json } = await get(path);
    expect([status, json.id, json.root]).toEqual([200, id, undefined]);
  });

  it.each([
    ['an exact alias', 'basic', MODEL_ID],
    ['an alias with the name of a real model', 'openai%2Fgpt-5-mini', MODEL_ID],
    ['a name that a prefix alias matches', 'claude-opus-4-9', 'openai/gpt-5-mini'],
    ['the prefix itself', 'claude-opus', 'openai/gpt-5-mini'],
  ])('shows %s under the name asked for, with its root', async (_, name, root) => {
    const { status, json } = await withAliases(`/v1/models/${name}`);
    expect([status, json.id, json.root]).toEqual([200, decodeURIComponent(name), root]);
  });

  it.each(['foo%2Fbar', 'old%2Fone', '', '%ff', 'hidden'])(
    'does not find "%s", and names no parameter',
    async (name) => {
      const { status, json } = await get(`/v1/models/${name}`);
      expect([status, json]).toMatchObject([
        404,
        { error: { type: 'invalid_request_error', code: 'model_not_found', param: null } },
      ]);
    },
  );
});

describe('GET /v1/credits', () => {
  it('rounds what can be spent down and what is held up to micro-USD', async () => {
    gateway.quotas.wallet = { spendableNano: 4_999_999_999n, uncollectedNano: 1n };
    expect((await get('/v1/credits')).json).toEqual({
      currency: 'USD',
      balance_micro: 4_999_999,
      uncollected_micro: 1,
    });
    gateway.quotas.wallet = { spendableNano: -1n, uncollectedNano: 0n };
    expect((await get('/v1/credits')).json).toMatchObject({ balance_micro: -1 });
  });

  it('is zero without a wallet', async () => {
    gateway.quotas.wallet = undefined;
    expect(await get('/v1/credits')).toMatchObject({
      status: 200,
      json: { currency: 'USD', balance_micro: 0, uncollected_micro: 0 },
    });
  });

  it('says so when no figure is at hand', async () => {
    gateway.quotas.wallet = fault('db_error', 'The balance cannot be read right now.');
    expect(await get('/v1/credits')).toMatchObject({
      status: 500,
      json: { error: { type: 'api_error', code: 'db_error', param: null } },
    });
  });
});

describe('GET /v1/usage', () => {
  it('shows the three windows, with totals, exactly', async () => {
    const answer = await fetch(`${gateway.url}/v1/usage`, { headers: { 'x-api-key': gateway.secret } });
    const text = await answer.text();
    expect(text).toContain('"cost_micro":90071992547409930,');
    expect(JSON.parse(text)).toMatchObject({
      currency: 'USD',
      daily: {
        cost_micro: 12,
        prompt_tokens: 3,
        completion_tokens: 4,
        total_tokens: 7,
        request_count: 2,
        success_count: 1,
      },
      weekly: { request_count: 20 },
      monthly: { total_tokens: 700 },
    });
  });
});

describe('the shared endpoints', () => {
  const paths = ['/v1/models', '/v1/models/foo%2Fbar', '/v1/credits', '/v1/usage'];

  it.each(paths)('GET %s answers errors in the shape that the key header selects', async (path) => {
    const missing = await get(path, {});
    expect(missing).toMatchObject({
      status: 401,
      json: {
        error: {
          message: 'Missing Bearer token in Authorization header.',
          type: 'authentication_error',
          param: null,
          code: 'missing_api_key',
        },
      },
    });
    const unknown = await get(path, { 'x-api-key': 'cm-unknown', 'anthropic-version': '2023-06-01' });
    expect([unknown.status, unknown.json]).toEqual([
      401,
      {
        type: 'error',
        error: { type: 'authentication_error', message: 'Invalid API key.' },
        request_id: unknown.headers.get('x-request-id'),
      },
    ]);
    const empty = await get(path, { 'x-api-key': '' });
    expect(empty.json).toMatchObject({ error: { code: 'missing_api_key' } });
  });

  it('take either header, Bearer first', async () => {
    expect((await get('/v1/models', { 'x-api-key': gateway.secret })).status).toBe(200);
    expect(
      (await get('/v1/models', { 'x-api-key': 'cm-x', authorization: `Bearer ${gateway.secret}` })).status,
    ).toBe(200);
  });

  it('send both id headers on every answer', async () => {
    for (const path of [...paths, '/api/models', '/healthz', '/nowhere']) {
      const { headers } = await get(path);
      expect(headers.get('x-request-id')).toMatch(/^req_cm_[0-9a-f]{32}$/);
      expect(headers.get('request-id')).toBe(headers.get('x-request-id'));
    }
  });

  it('leave no usage record', () => {
    expect(gateway.spool.records).toEqual([]);
  });
});

describe('GET /api/models', () => {
  it('is the public catalog with prices as published', async () => {
    const { status, json } = await get('/api/models', {});
    expect(status).toBe(200);
    expect((json.data as { id: string }[]).map(({ id }) => id)).toEqual([MODEL_ID, 'openai/gpt-5-mini']);
    expect((json.data as unknown[])[0]).toMatchObject({
      id: MODEL_ID,
      vendor_code: 'deepseek',
      display_name: 'DeepSeek V4 Pro',
      context_window_tokens: 1_000_000,
      max_output_tokens: 384_000,
      modalities: { input: ['text'], output: ['text'] },
      capabilities: { json: true, tools: true },
      status: 'active',
      currency: 'USD',
      pricing: {
        tiers: [
          {
            threshold: 0,
            input_micro_per_1m: 1_000_000,
            output_micro_per_1m: 4_000_000,
            cache_read_micro_per_1m: 100_000,
            cache_creation_micro_per_1m: null,
          },
        ],
      },
    });
  });
});

describe('health and unknown paths', () => {
  it('the process is alive, and ready while its snapshot is fresh and its spool accepts', async () => {
    expect(await get('/healthz', {})).toMatchObject({ status: 200, json: { status: 'ok' } });
    expect(await get('/readyz', {})).toMatchObject({
      status: 200,
      json: {
        ready: true,
        reasons: [],
        snapshot: { sequence: 1, ageSeconds: 0 },
        spool: { accepting: true },
        redis: 'up',
      },
    });
    gateway.spool.accepting = false;
    expect(await get('/readyz', {})).toMatchObject({
      status: 503,
      json: { ready: false, reasons: ['spool_not_accepting'] },
    });
    gateway.spool.accepting = true;
  });

  it('the process is not ready with a snapshot beyond its age', async () => {
    const old = await startGateway({
      snapshots: { current: () => gateway.snapshot, ageMs: () => 86_400_001 },
    });
    const answer = await fetch(`${old.url}/readyz`);
    expect([answer.status, await answer.json()]).toMatchObject([503, { reasons: ['snapshot_too_old'] }]);
    await old.stop();
  });

  it('HEAD answers like GET, without a body', async () => {
    const answer = await get('/healthz', {}, 'HEAD');
    expect([answer.status, answer.headers.get('content-length')]).toEqual([200, '15']);
  });

  it.each([
    ['GET', '/v1/chat/completions', 'POST'],
    ['DELETE', '/v1/models', 'GET, HEAD'],
    ['POST', '/v1/models/x', 'GET, HEAD'],
    ['OPTIONS', '/v1/credits', 'GET, HEAD'],
  ])('%s %s is 405 and says what the path takes', async (method, path, allowed) => {
    const { status, headers, json } = await get(path, {}, method);
    expect([status, headers.get('allow'), json]).toMatchObject([
      405,
      allowed,
      { error: { code: 'method_not_allowed' } },
    ]);
  });

  it('an unknown path is 404, in the Anthropic shape below /v1/messages', async () => {
    expect(await get('/v1/embeddings', {})).toMatchObject({
      status: 404,
      json: { error: { code: 'not_found' } },
    });
    expect(await get('/v1/messages/batches', {}, 'POST')).toMatchObject({
      status: 404,
      json: { type: 'error', error: { type: 'not_found_error' } },
    });
  });
});
