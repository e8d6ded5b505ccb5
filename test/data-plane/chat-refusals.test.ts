import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Fault, fault } from '#shared/fault.ts';
import {
  type GatewayUnderTest,
  MODEL_ID,
  postChat,
  startGateway,
  testModel,
  testUpstream,
} from './support/gateway-under-test.ts';
import { answersJson } from './support/scripted-provider.ts';

const messages = [{ role: 'user', content: 'hello' }];
const request = { model: MODEL_ID, messages };

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await startGateway({ bodyLimits: { maxBodyBytes: 4_096, uploadTimeoutMs: 200 } });
  gateway.provider.script = answersJson({ choices: [{ message: { content: 'x' } }] });
});
afterAll(() => gateway.stop());
afterEach(() => {
  gateway.spool.records.length = 0;
  gateway.spool.accepting = true;
  gateway.quotas.refusal = undefined;
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly json: { error: Record<string, unknown> };
}

async function post(body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const answer = await postChat(gateway, body, { headers });
  return { status: answer.status, headers: answer.headers, json: JSON.parse(await answer.text()) };
}

const openai = (
  status: number,
  type: string,
  code: string,
  message: unknown,
  param: string | null = null,
): object => ({
  status,
  json: { error: { message, type, param, code } },
});
const bearer = (secret: string): Record<string, string> => ({ authorization: `Bearer ${secret}` });

describe('a request without a usable key', () => {
  it.each([
    ['no header', { authorization: '' }],
    ['another scheme', { authorization: 'Basic abc' }],
    ['an empty bearer', { authorization: 'Bearer   ' }],
    ['an empty x-api-key', { authorization: '', 'x-api-key': ' ' }],
  ])('is told that its key is missing: %s', async (_, headers) => {
    expect(await post(request, headers)).toMatchObject(
      openai(401, 'authentication_error', 'missing_api_key', 'Missing Bearer token in Authorization header.'),
    );
    expect(gateway.spool.records).toEqual([]);
  });

  it('is told that its key is unknown, and leaves no record', async () => {
    expect(await post(request, bearer('cm-unknown'))).toMatchObject(
      openai(401, 'authentication_error', 'invalid_api_key', 'Invalid API key.'),
    );
    expect(gateway.spool.records).toEqual([]);
  });

  it('is told to retry an unknown key that may be newer than the copy of the snapshot, and known keys are served', async () => {
    gateway.snapshot.mayLackNewest = true;
    try {
      const refused = await post(request, bearer('cm-newer'));
      expect(refused).toMatchObject(openai(503, 'api_error', 'model_unavailable', expect.any(String)));
      expect(refused.headers.get('retry-after')).toBe('1');
      expect((await post(request, { authorization: '' })).status).toBe(401);
      expect((await post(request)).status).toBe(200);
    } finally {
      gateway.snapshot.mayLackNewest = false;
    }
    expect((await post(request, bearer('cm-newer'))).status).toBe(401);
  });

  it.each([
    ['disabled', { status: 'disabled' as const }, 'api_key_inactive'],
    ['expired', { expiresAtMs: 1 }, 'api_key_inactive'],
    ['of a suspended account', { accountId: 'suspended' }, 'user_inactive'],
    ['of an account that is gone', { accountId: 'gone' }, 'user_inactive'],
  ])('is refused and recorded against its key: %s', async (name, overrides, code) => {
    const secret = gateway.snapshot.addKey(`cm-${name}`, { id: name, ...overrides });
    gateway.snapshot.accounts.set('suspended', { id: 'suspended', status: 'suspended' });
    gateway.snapshot.accounts.delete('gone');
    expect(await post(request, bearer(secret))).toMatchObject(
      openai(401, 'authentication_error', code, expect.any(String)),
    );
    expect(gateway.spool.records).toMatchObject([
      { apiKeyId: name, status: 'error', httpStatus: 401, errorCode: code, costNano: '0', model: null },
    ]);
  });

  it('is refused before its body is read', async () => {
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    socket.write('POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer cm-x\r\n');
    socket.write('content-length: 1000000\r\n\r\n');
    const [head] = await once(socket, 'data');
    socket.destroy();
    expect(String(head)).toMatch(/^HTTP\/1.1 401 Unauthorized\r\n/);
  });

  it('may send its key as x-api-key; a Bearer key counts before it', async () => {
    expect((await post(request, { authorization: '', 'x-api-key': gateway.secret })).status).toBe(200);
    expect((await post(request, { 'x-api-key': 'cm-unknown' })).status).toBe(200);
    expect((await post(request, { ...bearer('cm-unknown'), 'x-api-key': gateway.secret })).status).toBe(401);
    expect((await post(request, { authorization: `bearer  ${gateway.secret} ` })).status).toBe(200);
  });
});

describe('a request that breaks a rule', () => {
  it('is answered in the OpenAI shape with both id headers, and recorded', async () => {
    const answer = await post({ ...request, reasoning_effort: 'ultra' });
    expect(answer).toMatchObject(
      openai(400, 'invalid_request_error', 'unsupported_parameter', expect.any(String), 'reasoning_effort'),
    );
    expect(Object.keys(answer.json.error)).toEqual(['message', 'type', 'param', 'code']);
    expect(answer.headers.get('x-request-id')).toMatch(/^req_cm_[0-9a-f]{32}$/);
    expect(answer.headers.get('request-id')).toBe(answer.headers.get('x-request-id'));
    expect(gateway.spool.records).toMatchObject([
      {
        status: 'error',
        httpStatus: 400,
        errorCode: 'unsupported_parameter',
        model: MODEL_ID,
        upstream: null,
        count: 1,
      },
    ]);
  });

  it('may ask for the reasoning efforts that its model lists', async () => {
    const reasoning = { effort: ['low', 'max'] };
    const model = testModel({ id: 'deep/thinker', capabilities: { ...testModel().capabilities, reasoning } });
    const upstream = testUpstream(gateway.provider.origin);
    gateway.snapshot.addModel(model, [{ upstream, providerModel: 'thinker' }]);
    expect((await post({ ...request, model: 'deep/thinker', reasoning_effort: 'max' })).status).toBe(200);
    expect((await post({ ...request, reasoning_effort: 'max' })).status).toBe(400);
  });

  it('asks for a model that does not exist, or is retired', async () => {
    gateway.snapshot.addModel(testModel({ id: 'old/one', status: 'retired' }), []);
    for (const model of ['foo/bar', 'old/one']) {
      const message = `Model '${model}' was not found or is unavailable.`;
      expect(await post({ ...request, model })).toMatchObject(
        openai(404, 'invalid_request_error', 'model_not_found', message, 'model'),
      );
    }
    expect(gateway.spool.records).toMatchObject([
      { requestedModel: 'foo/bar', model: null },
      { requestedModel: 'old/one' },
    ]);
  });

  it.each([
    ['without a price', testModel({ id: 'x/unpriced', prices: [] }), true],
    ['with a price of the future only', testModel({ id: 'x/future', prices: futurePrices() }), true],
    ['without a route', testModel({ id: 'x/unrouted' }), false],
  ])('asks for a model %s', async (_, model, hasRoute) => {
    const upstream = testUpstream(gateway.provider.origin);
    gateway.snapshot.addModel(model, hasRoute ? [{ upstream, providerModel: 'x' }] : []);
    expect(await post({ ...request, model: model.id })).toMatchObject(
      openai(503, 'api_error', 'model_unavailable', expect.any(String)),
    );
  });

  it('has a body beyond the limit, announced or not', async () => {
    const long = { ...request, padding: 'x'.repeat(5_000) };
    const tooLarge = openai(
      413,
      'invalid_request_error',
      'request_too_large',
      expect.stringContaining('4096'),
    );
    expect(await post(long)).toMatchObject(tooLarge);
    const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: bearer(gateway.secret),
      body: new Blob([JSON.stringify(long)]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(answer.status).toBe(413);
    expect(gateway.spool.records).toMatchObject([{ httpStatus: 413 }, { httpStatus: 413 }]);
  });

  it('has a body that does not arrive in time', async () => {
    const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: bearer(gateway.secret),
      body: new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('{"model":')) }),
      duplex: 'half',
    } as RequestInit);
    expect([answer.status, await answer.json()]).toMatchObject([408, { error: { code: 'request_timeout' } }]);
  });

  it('has a compressed body', async () => {
    expect(await post(request, { 'content-encoding': 'gzip' })).toMatchObject(
      openai(400, 'invalid_request_error', 'invalid_request', expect.stringContaining('content-encoding')),
    );
  });
});

describe('a request that may not be admitted', () => {
  it.each([
    [
      402,
      'billing_error',
      fault('insufficient_balance', 'Insufficient balance. Please recharge your wallet.'),
    ],
    [402, 'billing_error', fault('no_wallet', 'This account has no wallet.')],
    [503, 'api_error', fault('model_unavailable', 'Balances cannot be checked.')],
  ])('is answered %i %s as the quotas say', async (status, type, refusal) => {
    gateway.quotas.refusal = refusal;
    expect(await post(request)).toMatchObject(openai(status, type, refusal.kind, refusal.message));
    expect(gateway.spool.records).toMatchObject([
      { httpStatus: status, errorCode: refusal.kind, costNano: '0' },
    ]);
  });

  it('is told when to retry', async () => {
    const message = 'Rate limit exceeded: max 60 requests per minute.';
    gateway.quotas.refusal = fault('rate_limit_exceeded', message, { retryAfterMs: 1_200 });
    const answer = await post(request);
    expect(answer).toMatchObject(openai(429, 'rate_limit_error', 'rate_limit_exceeded', message));
    expect(answer.headers.get('retry-after')).toBe('2');
  });

  it('is told when repeating it is of no use', async () => {
    const advice = async (refusal: Fault) => {
      gateway.quotas.refusal = refusal;
      return (await post(request)).headers.get('x-should-retry');
    };
    expect(await advice(fault('insufficient_balance', 'Recharge.'))).toBe('false');
    expect(await advice(fault('rate_limit_exceeded', 'Too many.', { retryAfterMs: 1_200 }))).toBeNull();
    expect(await advice(fault('model_unavailable', 'Balances cannot be checked.'))).toBeNull();
  });

  it('is refused while usage cannot be recorded', async () => {
    gateway.spool.accepting = false;
    expect(await post(request)).toMatchObject(
      openai(503, 'api_error', 'model_unavailable', expect.any(String)),
    );
  });

  it('reserves its worst case: the stated limit times n, or 4,096 tokens', async () => {
    gateway.quotas.held.length = 0;
    const bytes = JSON.stringify({ ...request, max_tokens: 100, n: 2 }).length;
    await post({ ...request, max_tokens: 100, n: 2 });
    await post(request);
    const [stated, unstated] = gateway.quotas.held;
    expect(stated?.worstCaseNano).toBe(BigInt(Math.ceil(bytes / 2) * 1_000 + 200 * 4_000));
    expect(stated?.reservedTokens).toBe(Math.ceil(bytes / 4) + 200);
    expect(unstated?.worstCaseNano).toBeGreaterThan(4_096n * 4_000n);
  });
});

function futurePrices(): ReturnType<typeof testModel>['prices'] {
  return testModel().prices.map((price) => ({ ...price, effectiveAtMs: 9_999_999_999_999 }));
}

describe('a bug of ours', () => {
  it('is answered 500 with nothing of its cause, logged with the request id, and holds nothing', async () => {
    const { hold } = gateway.quotas;
    gateway.quotas.hold = () => Promise.reject(new Error('secret detail'));
    const answer = await post(request);
    gateway.quotas.hold = hold;
    expect(answer).toMatchObject(
      openai(500, 'api_error', 'internal_error', expect.not.stringContaining('secret')),
    );
    expect(gateway.logLines.join('')).toContain(answer.headers.get('x-request-id'));
    expect(gateway.spool.records).toMatchObject([{ httpStatus: 500, errorCode: 'internal_error' }]);
  });
});
