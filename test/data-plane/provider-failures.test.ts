import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type GatewayUnderTest,
  MODEL_ID,
  PROVIDER_CREDENTIAL,
  postChat,
  startGateway,
  testModel,
  testUpstream,
} from './support/gateway-under-test.ts';
import {
  answersJson,
  answersStream,
  type ProviderScript,
  ScriptedProvider,
} from './support/scripted-provider.ts';

const messages = [{ role: 'user', content: 'hello' }];
const ANSWER = {
  model: 'p',
  choices: [{ message: { content: 'x' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1 },
};
const CONTENT =
  'data: {"model":"p","choices":[{"index":0,"delta":{"content":"Par"},"finish_reason":null}]}\n\n';
const ROLE =
  'data: {"model":"p","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n';
const STOP = 'data: {"model":"p","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n';
const PROVIDER_ERROR = { error: { type: 'provider_error', code: 'provider_error', param: null } };

let gateway: GatewayUnderTest;
let spare: ScriptedProvider;
beforeAll(async () => {
  const silenceLimits = { firstByteTimeoutMs: 300, idleTimeoutMs: 300, keepAliveAfterMs: 100 };
  gateway = await startGateway({ silenceLimits });
  spare = await ScriptedProvider.start();
  const upstream = testUpstream(gateway.provider.origin);
  gateway.snapshot.addModel(testModel({ id: 'two/routes' }), [
    { upstream, providerModel: 'first' },
    { upstream: testUpstream(spare.origin, { id: 'spare', name: 'spare' }), providerModel: 'second' },
  ]);
  const closedOrigin = 'http://127.0.0.1:1';
  gateway.snapshot.addModel(testModel({ id: 'dead/one' }), [
    { upstream: testUpstream(closedOrigin), providerModel: 'x' },
  ]);
});
afterAll(async () => {
  await gateway.stop();
  await spare.stop();
});
beforeEach(() => {
  gateway.provider.requests.length = 0;
  spare.requests.length = 0;
  gateway.spool.records.length = 0;
  gateway.quotas.settled.length = 0;
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The connection broke before the answer was complete. */
  readonly cut: boolean;
}

async function ask(script: ProviderScript, extra: object = {}): Promise<Answer> {
  gateway.provider.script = script;
  const answer = await postChat(gateway, { model: MODEL_ID, messages, ...extra });
  let text = '';
  let cut = false;
  try {
    for await (const piece of answer.body ?? []) text += Buffer.from(piece).toString();
  } catch {
    cut = true;
  }
  return { status: answer.status, headers: answer.headers, text, cut };
}

const hangs: ProviderScript = () => {};
const resets: ProviderScript = (response) => void response.socket?.destroy();

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
  ])('of the client’s own mistake is passed on with status 400: %s', async (_, status, body, error) => {
    const answer = await ask(answersJson(body, status));
    expect([answer.status, JSON.parse(answer.text)]).toEqual([400, { error }]);
    expect(gateway.spool.records).toMatchObject([
      { status: 'error', httpStatus: 400, costNano: '0', upstream: 'deepseek' },
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
    const answer = await ask(answersJson(body, status));
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
    const answer = await ask(answersJson(error, 429, { 'retry-after': '7' }));
    expect([answer.status, JSON.parse(answer.text)]).toMatchObject([
      429,
      { error: { type: 'rate_limit_error', code: 'provider_rate_limited', param: null } },
    ]);
    expect(answer.headers.get('retry-after')).toBe('7');
    expect(answer.text).not.toContain('org-1');
  });
});

describe('a provider that does not answer', () => {
  it.each<[string, ProviderScript, boolean]>([
    ['resets the connection', resets, false],
    ['resets the connection of a stream', resets, true],
    ['stays silent', hangs, false],
    ['stays silent instead of streaming', hangs, true],
    ['sends compressed bytes', answersJson('x', 200, { 'content-encoding': 'gzip' }), false],
    ['sends an empty stream', answersStream([]), true],
    ['sends only a role and ends', answersStream([ROLE]), true],
    [
      'sends an end marker and nothing else that ends',
      (response) => void response.writeHead(200).end('data: {"a":\n\n'),
      true,
    ],
  ])('%s', async (_, script, stream) => {
    const answer = await ask(script, { stream });
    const error = stream && answer.status === 200 ? (answer.text.split('data: ')[1] ?? '') : answer.text;
    expect(JSON.parse(error)).toMatchObject(PROVIDER_ERROR);
    expect(gateway.spool.records).toMatchObject([{ errorCode: 'provider_error', costNano: '0' }]);
    expect(gateway.quotas.open).toBe(0);
  });

  it('is not there at all', async () => {
    const answer = await postChat(gateway, { model: 'dead/one', messages });
    expect([answer.status, await answer.json()]).toMatchObject([502, PROVIDER_ERROR]);
    expect(gateway.logLines.at(-1)).toContain('"code":"provider_error"');
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
    ['by garbage', answersStream([CONTENT, 'data: {"model":\n\n', STOP, 'data: [DONE]\n\n'])],
    ['by silence', (response) => void response.writeHead(200).write(CONTENT)],
    [
      'by an error event',
      answersStream([
        CONTENT,
        'data: {"error":{"message":"sorry","type":"server_error"}}\n\n',
        'data: [DONE]\n\n',
      ]),
    ],
    [
      'by a named error event',
      answersStream([CONTENT, 'event: error\ndata: {"error":{"message":"sorry","code":500}}\n\n']),
    ],
  ])('%s, tells the client and never looks complete', async (_, script) => {
    const answer = await ask(script, { stream: true });
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

describe('a second route', () => {
  it.each<[string, ProviderScript, boolean]>([
    ['the first answers 500', answersJson('x', 500), false],
    ['the first limits us', answersJson('{}', 429), true],
    ['the first refuses our key', answersJson('{}', 401), false],
    ['the first cannot be reached', resets, true],
    ['the first stays silent', hangs, false],
    ['the first sends a role and then breaks', answersStream([ROLE]), true],
    [
      'the first sends an error as its first event',
      answersStream(['data: {"error":{"message":"overloaded","code":529}}\n\n']),
      true,
    ],
  ])('answers when %s, under the same hold', async (_, script, stream) => {
    gateway.quotas.held.length = 0;
    spare.script = stream ? answersStream([CONTENT, STOP, 'data: [DONE]\n\n']) : answersJson(ANSWER);
    const answer = await ask(script, { model: 'two/routes', stream });
    expect(answer.status).toBe(200);
    expect(answer.text).toContain('two/routes');
    expect(answer.text.match(/"role"/g)).toBeNull();
    expect(spare.requests.map(({ body }) => JSON.parse(body.toString()).model)).toEqual(['second']);
    expect(gateway.spool.records).toMatchObject([{ status: 'success', upstream: 'spare' }]);
    expect(gateway.quotas.held).toHaveLength(1);
    expect(gateway.quotas.settled).toHaveLength(1);
  });

  it('is not asked about the client’s own mistake, nor after content', async () => {
    const mistake = answersJson({ error: { message: 'bad stop', param: 'stop', code: 'bad' } }, 400);
    expect((await ask(mistake, { model: 'two/routes' })).status).toBe(400);
    expect((await ask(answersStream([CONTENT]), { model: 'two/routes', stream: true })).cut).toBe(true);
    expect(spare.requests).toHaveLength(0);
  });
});

describe('a silent provider of a stream', () => {
  it('is covered by comments, before and within its answer, which do not count as its signs of life', async () => {
    const script: ProviderScript = async (response) => {
      await new Promise((resolve) => setTimeout(resolve, 250));
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(CONTENT);
      await new Promise((resolve) => setTimeout(resolve, 250));
      response.end(`${STOP}data: [DONE]\n\n`);
    };
    const answer = await ask(script, { stream: true });
    const [before = '', after = ''] = answer.text.split('"Par"');
    expect(before.match(/: keep-alive\n\n/g)?.length).toBe(2);
    expect(after.match(/: keep-alive\n\n/g)?.length).toBe(2);
    expect(answer.text.endsWith('data: [DONE]\n\n')).toBe(true);

    const comments: ProviderScript = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(CONTENT);
      const timer = setInterval(() => response.write(': PROCESSING\n\n'), 50);
      response.on('close', () => clearInterval(timer));
    };
    expect((await ask(comments, { stream: true })).cut).toBe(true);
  });

  it('that fails after the head has gone is reported in the stream', async () => {
    const answer = await ask(
      async (response) => {
        await new Promise((resolve) => setTimeout(resolve, 150));
        response.writeHead(500).end('{}');
      },
      { stream: true },
    );
    expect(answer.status).toBe(200);
    expect(answer.text).toMatch(/^: keep-alive\n\ndata: \{"error":/);
    expect(answer.cut).toBe(true);
  });
});
