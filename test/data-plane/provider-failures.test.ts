import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  askChat,
  CONTENT,
  DONE,
  hangs,
  messages,
  PROVIDER_ERROR,
  ROLE,
  resets,
  STOP,
} from './support/ask-chat.ts';
import {
  type GatewayUnderTest,
  PROVIDER_CREDENTIAL,
  postChat,
  startGateway,
  testModel,
  testUpstream,
} from './support/gateway-under-test.ts';
import { answersJson, answersStream, type ProviderScript } from './support/scripted-provider.ts';

let gateway: GatewayUnderTest;
beforeAll(async () => {
  const silenceLimits = { firstByteTimeoutMs: 300, idleTimeoutMs: 300, keepAliveAfterMs: 100 };
  gateway = await startGateway({ silenceLimits });
  const unreachable = testUpstream('http://127.0.0.1:1');
  gateway.snapshot.addModel(testModel({ id: 'dead/one' }), [{ upstream: unreachable, providerModel: 'x' }]);
});
afterAll(() => gateway.stop());
beforeEach(() => {
  gateway.provider.requests.length = 0;
  gateway.spool.records.length = 0;
  gateway.quotas.settled.length = 0;
});

describe('a provider’s refusal', () => {
  it.each<[string, number, unknown, object]>([
    [
      'OpenAI, a parameter',
      400,
      {
        error: {
          message: "Unsupported parameter: 'stop' is not supported with this model.",
          type: 'invalid_request_error',
          param: 'stop',
          code: 'unsupported_parameter',
        },
      },
      {
        message: "Unsupported parameter: 'stop' is not supported with this model.",
        type: 'invalid_request_error',
        param: 'stop',
        code: 'unsupported_parameter',
      },
    ],
    [
      'Perplexity, a numeric code',
      400,
      {
        error: {
          message: 'The total length of all messages is too long.',
          type: 'too_many_prompt_tokens',
          code: 400,
        },
      },
      {
        message: 'The total length of all messages is too long.',
        type: 'invalid_request_error',
        param: null,
        code: 'too_many_prompt_tokens',
      },
    ],
    [
      'a shape of its own',
      422,
      { detail: 'temperature must be below 2' },
      {
        message: 'temperature must be below 2',
        type: 'invalid_request_error',
        param: null,
        code: 'invalid_request',
      },
    ],
    [
      'a body too large for it',
      413,
      { error: { message: 'Request exceeds the maximum size', type: 'request_too_large' } },
      {
        message: 'Request exceeds the maximum size',
        type: 'invalid_request_error',
        param: null,
        code: 'request_too_large',
      },
    ],
    [
      'Groq, an error inside 200',
      200,
      {
        error: {
          message: 'Tool choice is required, but model did not call a tool',
          type: 'invalid_request_error',
          code: 'tool_use_failed',
          status_code: 400,
        },
      },
      {
        message: 'Tool choice is required, but model did not call a tool',
        type: 'invalid_request_error',
        param: null,
        code: 'tool_use_failed',
      },
    ],
  ])('of the client’s own mistake is passed on: %s', async (_, status, body, error) => {
    const answer = await askChat(gateway, answersJson(body, status));
    const expected = status === 413 ? 413 : 400;
    expect([answer.status, JSON.parse(answer.text)]).toEqual([expected, { error }]);
    expect(gateway.spool.records).toMatchObject([
      { status: 'error', httpStatus: expected, costNano: '0', upstream: 'deepseek' },
    ]);
    expect(gateway.quotas.settled).toEqual([{ costNano: 0n, usedTokens: 0 }]);
  });

  it.each<[string, number, unknown]>([
    [
      '401',
      401,
      {
        error: {
          message: 'Incorrect API key provided: sk-fake',
          type: 'invalid_request_error',
          code: 'invalid_api_key',
        },
      },
    ],
    ['Mistral 401', 401, { detail: 'Invalid API Key' }],
    ['402', 402, { error: { message: 'Insufficient Balance', type: 'unknown_error' } }],
    ['403', 403, { error: { message: 'You are not allowed to sample from this model', code: null } }],
    [
      'a bad key as 400 (xAI)',
      400,
      {
        code: 'invalid-argument',
        error: 'Incorrect API key provided. You can obtain an API key from https://console.x.ai.',
      },
    ],
    [
      'a bad key as 400 (Gemini)',
      400,
      {
        error: {
          code: 400,
          message: 'API key not valid. Please pass a valid API key.',
          status: 'INVALID_ARGUMENT',
        },
      },
    ],
    [
      'low credit as 400',
      400,
      {
        error: {
          message: 'Your credit balance is too low to access the API.',
          type: 'invalid_request_error',
        },
      },
    ],
    [
      'no money as 429',
      429,
      {
        error: {
          message: 'You exceeded your current quota',
          type: 'insufficient_quota',
          code: 'insufficient_quota',
        },
      },
    ],
    [
      'an unknown model',
      404,
      {
        error: {
          message: 'The model `x` does not exist or you do not have access to it.',
          code: 'model_not_found',
        },
      },
    ],
    ['an unknown address', 404, { error: { code: '404', message: 'Resource not found' } }],
    ['500', 500, { error: { message: 'boom' } }],
    ['529', 529, 'overloaded'],
    ['a redirect', 302, ''],
    ['400 that is no JSON', 400, '<html>bad</html>'],
    ['no content', 204, ''],
    ['a 200 that is no JSON', 200, '<html>'],
    ['a 200 that is no completion', 200, { hello: 1 }],
    [
      'an error inside 200 (OpenRouter)',
      200,
      {
        choices: [{ error: { code: 502, message: 'Error processing stream' }, message: { content: 'x' } }],
        usage: { prompt_tokens: 9, completion_tokens: 9 },
      },
    ],
  ])('of something else is our fault, in our words: %s', async (_, status, body) => {
    const answer = await askChat(gateway, answersJson(body, status));
    expect([answer.status, JSON.parse(answer.text)]).toMatchObject([502, PROVIDER_ERROR]);
    expect(answer.text).toContain('The model provider failed');
    expect(gateway.spool.records).toMatchObject([
      { status: 'error', httpStatus: 502, errorCode: 'provider_error', costNano: '0' },
    ]);
  });

  it('by its rate limit is passed on as one, with its hint when to retry', async () => {
    const error = {
      error: {
        message: 'Rate limit reached in organization org-1',
        type: 'tokens',
        code: 'rate_limit_exceeded',
      },
    };
    const answer = await askChat(gateway, answersJson(error, 429, { 'retry-after': '7' }));
    expect([answer.status, JSON.parse(answer.text)]).toMatchObject([
      429,
      { error: { type: 'rate_limit_error', code: 'provider_rate_limited', param: null } },
    ]);
    expect(answer.headers.get('retry-after')).toBe('7');
    expect(answer.text).not.toContain('org-1');
  });
});

describe('a provider that does not answer', () => {
  it.each<[string, ProviderScript, boolean, string]>([
    ['resets the connection', resets, false, 'connection_lost'],
    ['resets the connection of a stream', resets, true, 'connection_lost'],
    ['stays silent', hangs, false, 'first_byte_timeout'],
    ['stays silent instead of streaming', hangs, true, 'first_byte_timeout'],
    [
      'sends compressed bytes',
      answersJson('x', 200, { 'content-encoding': 'gzip' }),
      false,
      'unreadable_answer',
    ],
    ['sends an empty stream', answersStream([]), true, 'answer_cut_short'],
    ['sends only a role and ends', answersStream([ROLE]), true, 'answer_cut_short'],
    [
      'sends bytes that are no JSON',
      (response) => void response.writeHead(200).end('data: {"a":\n\n'),
      true,
      'unreadable_answer',
    ],
  ])('%s', async (_, script, stream, reason) => {
    const answer = await askChat(gateway, script, { stream });
    const error = stream && answer.status === 200 ? (answer.text.split('data: ')[1] ?? '') : answer.text;
    expect(JSON.parse(error)).toMatchObject(PROVIDER_ERROR);
    expect(gateway.spool.records).toMatchObject([{ errorCode: 'provider_error', costNano: '0' }]);
    expect(gateway.quotas.open).toBe(0);
    expect(JSON.parse(gateway.logLines.at(-1) ?? '{}')).toMatchObject({ reason });
  });

  it('cannot even be asked with the credential that it was given', async () => {
    const upstream = testUpstream(gateway.provider.origin, { credential: 'broken\nin two' });
    gateway.snapshot.addModel(testModel({ id: 'odd/one' }), [{ upstream, providerModel: 'x' }]);
    for (const stream of [false, true]) {
      const answer = await postChat(gateway, { model: 'odd/one', messages, stream });
      expect([answer.status, await answer.json()]).toMatchObject([502, PROVIDER_ERROR]);
    }
    expect(gateway.logLines.join('')).not.toContain('in two');
  });

  it('is not there at all', async () => {
    const answer = await postChat(gateway, { model: 'dead/one', messages });
    expect([answer.status, await answer.json()]).toMatchObject([502, PROVIDER_ERROR]);
    expect(JSON.parse(gateway.logLines.at(-1) ?? '{}')).toMatchObject({
      requestId: answer.headers.get('x-request-id'),
      code: 'provider_error',
      reason: 'connect_failed',
      upstream: 'deepseek',
    });
    expect(gateway.logLines.join('')).not.toContain(PROVIDER_CREDENTIAL);
  });
});

describe('a stream that breaks after its first content', () => {
  it.each<[string, ProviderScript]>([
    [
      'by a lost connection',
      async (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write(CONTENT);
        setTimeout(() => response.socket?.destroy(), 20);
      },
    ],
    ['by an early end', answersStream([ROLE, CONTENT])],
    ['by garbage', answersStream([CONTENT, 'data: {"model":\n\n', STOP, DONE])],
    ['by silence', (response) => void response.writeHead(200).write(CONTENT)],
    [
      'by an error event',
      answersStream([CONTENT, 'data: {"error":{"message":"sorry","type":"server_error"}}\n\n', DONE]),
    ],
    [
      'by a named error event',
      answersStream([CONTENT, 'event: error\ndata: {"error":{"message":"sorry","code":500}}\n\n']),
    ],
  ])('%s, tells the client and never looks complete', async (_, script) => {
    const answer = await askChat(gateway, script, { stream: true });
    expect(answer.status).toBe(200);
    const events = answer.text.split('\n\n').filter((event) => event.startsWith('data: '));
    expect(events.at(-2)).toContain('"content":"Par"');
    expect(JSON.parse(events.at(-1)?.slice('data: '.length) ?? '')).toMatchObject(PROVIDER_ERROR);
    expect(answer.text).not.toContain('[DONE]');
    expect(answer.cut).toBe(true);
    expect(gateway.spool.records).toMatchObject([
      { status: 'error', errorCode: 'provider_error', costNano: '0' },
    ]);
    expect(gateway.quotas.open).toBe(0);
  });
});
