import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Dialect, ProviderProtocol } from '#shared/usage-record.ts';
import { type GatewayUnderTest, startGateway } from './support/gateway-under-test.ts';
import { type PostedAnswer, postTo } from './support/post-to.ts';
import { addProtocolModel, PROTOCOLS } from './support/protocol-models.ts';
import { answersJson, answersStream, type ProviderScript } from './support/scripted-provider.ts';
import { framesOf, thinkingProviders } from './support/thinking-providers.ts';

const DIALECTS: readonly Dialect[] = ['chat', 'responses', 'messages'];
/** What no client may ever read: names of ours, in the words of providers. */
const CANARY = 'sk-live-canary org-canary';
const CLIENTS_OWN = 'max_tokens: 999999 > 8192, which is the maximum for this request';

let gateway: GatewayUnderTest;
const models = new Map<ProviderProtocol, string>();
beforeAll(async () => {
  gateway = await startGateway();
  for (const protocol of PROTOCOLS)
    models.set(protocol, addProtocolModel(gateway, protocol, gateway.provider.origin));
});
afterAll(() => gateway.stop());
beforeEach(() => {
  gateway.spool.records.length = 0;
});

/** An error as each protocol writes it. */
const BODIES: Readonly<Record<ProviderProtocol, (status: number, message: string) => unknown>> = {
  chat: (status, message) => ({ error: { message, type: openAiType(status), param: null, code: null } }),
  responses: (status, message) => ({ error: { message, type: openAiType(status), param: null, code: null } }),
  messages: (status, message) => ({
    type: 'error',
    error: { type: anthropicType(status), message },
    request_id: 'req_1',
  }),
  gemini: (status, message) => ({ error: { code: status, message, status: googleStatus(status) } }),
};

function openAiType(status: number): string {
  return status >= 500 ? 'server_error' : status === 429 ? 'rate_limit_error' : 'invalid_request_error';
}

function anthropicType(status: number): string {
  const types: Record<number, string> = {
    401: 'authentication_error',
    402: 'billing_error',
    403: 'permission_error',
    404: 'not_found_error',
    413: 'request_too_large',
    429: 'rate_limit_error',
    529: 'overloaded_error',
  };
  return types[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error');
}

function googleStatus(status: number): string {
  const names: Record<number, string> = {
    401: 'UNAUTHENTICATED',
    403: 'PERMISSION_DENIED',
    404: 'NOT_FOUND',
    429: 'RESOURCE_EXHAUSTED',
    500: 'INTERNAL',
    503: 'UNAVAILABLE',
  };
  return names[status] ?? 'INVALID_ARGUMENT';
}

type Expected = 'clients' | 'too_large' | 'limited' | 'ours';

/** Status, OpenAI's type and code, Anthropic's type. */
const MEANING: Readonly<Record<Expected, readonly [number, string, string, string]>> = {
  clients: [400, 'invalid_request_error', 'invalid_request', 'invalid_request_error'],
  too_large: [413, 'invalid_request_error', 'request_too_large', 'request_too_large'],
  limited: [429, 'rate_limit_error', 'provider_rate_limited', 'rate_limit_error'],
  ours: [502, 'provider_error', 'provider_error', 'api_error'],
};

const CASES: readonly (readonly [name: string, status: number, message: string, expected: Expected])[] = [
  ['the client’s mistake', 400, CLIENTS_OWN, 'clients'],
  ['the client’s mistake as 422', 422, CLIENTS_OWN, 'clients'],
  ['a bad key as 400', 400, `Incorrect API key provided: ${CANARY}`, 'ours'],
  ['no credit as 400', 400, `Your credit balance is too low (${CANARY})`, 'ours'],
  ['a spent limit as 400', 400, `You have reached your specified API usage limits. ${CANARY}`, 'ours'],
  ['an unverified account', 400, `Your organization must be verified to stream. ${CANARY}`, 'ours'],
  ['401', 401, `invalid x-api-key ${CANARY}`, 'ours'],
  ['402', 402, `Insufficient Balance ${CANARY}`, 'ours'],
  ['403', 403, `Your key may not use this ${CANARY}`, 'ours'],
  ['an unknown model', 404, `The model \`secret-deployment\` does not exist ${CANARY}`, 'ours'],
  ['a body too large for it', 413, 'Request exceeds the maximum size', 'too_large'],
  ['429', 429, `Rate limit reached for ${CANARY}`, 'limited'],
  ['500', 500, `Internal error at ${CANARY}`, 'ours'],
  ['503', 503, `The model is overloaded ${CANARY}`, 'ours'],
  ['529', 529, `Overloaded ${CANARY}`, 'ours'],
];

function expectError(
  dialect: Dialect,
  { status, text, headers }: PostedAnswer,
  expected: Expected,
  message: string,
): void {
  const [wantedStatus, type, code, anthropic] = MEANING[expected];
  const body = JSON.parse(text) as { error: Record<string, unknown> };
  expect(status).toBe(wantedStatus);
  if (dialect === 'messages') {
    expect(body).toEqual({
      type: 'error',
      error: { type: anthropic, message: expect.any(String) },
      request_id: headers.get('request-id'),
    });
  } else {
    expect(body).toEqual({
      error: { message: expect.any(String), type, param: null, code: expect.any(String) },
    });
    // Of the client's own mistakes the provider's code is passed on where it has one.
    if (expected !== 'clients' && expected !== 'too_large') expect(body.error.code).toBe(code);
  }
  const isShown = expected === 'clients' || expected === 'too_large';
  if (isShown) expect(body.error.message).toBe(message);
  expect(text).not.toMatch(/canary|secret-deployment/);
  expect(headers.get('content-type')).toBe('application/json');
  expect(headers.get('x-request-id')).toMatch(/^req_cm_/);
}

describe.each(PROTOCOLS)('an error of a %s provider', (protocol) => {
  describe.each(DIALECTS)('towards a %s client', (dialect) => {
    describe.each([false, true])('streamed: %s', (stream) => {
      const ask = (script: ProviderScript) => {
        gateway.provider.script = script;
        return postTo(gateway, dialect, models.get(protocol) ?? '', { stream });
      };

      it.each(CASES)('says what it is: %s', async (_, status, message, expected) => {
        const script = answersJson(BODIES[protocol](status, message), status, { 'retry-after': '7' });
        const answer = await ask(script);
        expectError(dialect, answer, expected, message);
        const isTheirs = expected === 'limited' || expected === 'ours';
        expect(answer.headers.get('retry-after')).toBe(isTheirs ? '7' : null);
        const [httpStatus] = MEANING[expected];
        expect(gateway.spool.records).toMatchObject([{ status: 'error', httpStatus, costNano: '0' }]);
        expect(gateway.quotas.open).toBe(0);
      });

      it.each<[string, ProviderScript]>([
        ['HTML with 400', (response) => void response.writeHead(400, HTML).end(`<h1>${CANARY}</h1>`)],
        ['HTML with 502', (response) => void response.writeHead(502, HTML).end(`<h1>${CANARY}</h1>`)],
        ['HTML with 200', (response) => void response.writeHead(200, HTML).end(`<h1>${CANARY}</h1>`)],
        ['nothing with 400', (response) => void response.writeHead(400).end()],
        ['nothing with 500', (response) => void response.writeHead(500).end()],
        ['nothing with 200', (response) => void response.writeHead(200).end()],
        ['half a JSON with 400', answersJson(`{"error":{"message":"${CANARY}`, 400)],
        ['half a JSON with 200', answersJson(`{"error":{"message":"${CANARY}`)],
        ['a JSON of something else with 200', answersJson({ hello: [CANARY] })],
        ['a list with 400', answersJson([[CANARY]], 400)],
        ['an error without words', answersJson({ error: { message: '', type: '' } }, 400)],
      ])('is the provider’s failure when it is %s', async (_, script) => {
        expectError(dialect, await ask(script), 'ours', '');
      });

      it('may come with 200 all the same', async () => {
        expectError(dialect, await ask(answersJson(BODIES[protocol](500, CANARY))), 'ours', '');
        expectError(dialect, await ask(answersJson(BODIES[protocol](429, CANARY))), 'limited', '');
      });
    });

    it('as the first event of a stream is an answer of its own', async () => {
      for (const [status, expected] of [
        [500, 'ours'],
        [429, 'limited'],
      ] as const) {
        gateway.provider.script = answersStream([inStreamError(protocol, status)]);
        const answer = await postTo(gateway, dialect, models.get(protocol) ?? '', { stream: true });
        expectError(dialect, answer, expected, '');
      }
    });

    it('in the middle of a stream ends it with the dialect’s error event, and never as if it were complete', async () => {
      const frames = lastStep(protocol);
      const half = frames.slice(0, Math.ceil(frames.length / 2));
      gateway.provider.script = answersStream([...half, inStreamError(protocol, 500, half.length)]);
      const answer = await postTo(gateway, dialect, models.get(protocol) ?? '', { stream: true });
      expect([answer.status, answer.cut]).toEqual([200, true]);
      expect(answer.text).not.toContain('canary');
      expectBroken(dialect, answer.text);
    });
  });
});

const HTML = { 'content-type': 'text/html' };

function lastStep(protocol: ProviderProtocol): string[] {
  return framesOf(thinkingProviders[protocol].step('x', true));
}

function inStreamError(protocol: ProviderProtocol, status: number, sequenceNumber = 0): string {
  const error = BODIES[protocol](status, `went wrong ${CANARY}`);
  switch (protocol) {
    case 'chat':
      return `data: ${JSON.stringify(error)}\n\n`;
    case 'messages':
      return `event: error\ndata: ${JSON.stringify(error)}\n\n`;
    case 'responses': {
      const code = status === 429 ? 'rate_limit_exceeded' : 'server_error';
      const payload = { type: 'error', code, message: CANARY, param: null, sequence_number: sequenceNumber };
      return `event: error\ndata: ${JSON.stringify(payload)}\n\n`;
    }
    case 'gemini':
      // Google leaves out the framing here.
      return `${JSON.stringify(error, null, 2)}\n`;
  }
}

function expectBroken(dialect: Dialect, text: string): void {
  const last = text.trimEnd().split('\n\n').at(-1) ?? '';
  const payload = JSON.parse(last.slice(last.indexOf('data: ') + 'data: '.length)) as Record<string, unknown>;
  switch (dialect) {
    case 'chat':
      expect(payload).toMatchObject({ error: { type: 'provider_error', code: 'provider_error' } });
      expect(text).not.toContain('[DONE]');
      return;
    case 'messages':
      expect(last).toMatch(/^event: error\n/);
      expect(payload).toMatchObject({ type: 'error', error: { type: 'api_error' } });
      expect(text).not.toContain('message_stop');
      return;
    case 'responses': {
      expect(text).toMatch(/event: error\ndata: \{"type":"error"/);
      expect(text).not.toContain('response.completed');
      const numbers = [...text.matchAll(/"sequence_number":(\d+)/g)].map((match) => Number(match[1]));
      expect(numbers).toEqual(numbers.map((_, index) => index));
    }
  }
}

describe('the official SDKs', () => {
  it.each(PROTOCOLS)(
    'raise the errors of their own classes, whatever a %s provider says',
    async (protocol) => {
      const model = models.get(protocol) ?? '';
      const openai = new OpenAI({ apiKey: gateway.secret, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
      const anthropic = new Anthropic({ apiKey: gateway.secret, baseURL: gateway.url, maxRetries: 0 });
      const hi = [{ role: 'user' as const, content: 'hi' }];
      const fails = (status: number, message = CANARY) => {
        gateway.provider.script = answersJson(BODIES[protocol](status, message), status);
      };
      fails(400, CLIENTS_OWN);
      await expect(openai.chat.completions.create({ model, messages: hi })).rejects.toBeInstanceOf(
        OpenAI.BadRequestError,
      );
      await expect(openai.responses.create({ model, input: 'hi' })).rejects.toBeInstanceOf(
        OpenAI.BadRequestError,
      );
      await expect(anthropic.messages.create({ model, max_tokens: 5, messages: hi })).rejects.toBeInstanceOf(
        Anthropic.BadRequestError,
      );
      fails(429);
      await expect(openai.chat.completions.create({ model, messages: hi })).rejects.toBeInstanceOf(
        OpenAI.RateLimitError,
      );
      await expect(openai.responses.create({ model, input: 'hi' })).rejects.toBeInstanceOf(
        OpenAI.RateLimitError,
      );
      await expect(anthropic.messages.create({ model, max_tokens: 5, messages: hi })).rejects.toBeInstanceOf(
        Anthropic.RateLimitError,
      );
      fails(401);
      await expect(openai.chat.completions.create({ model, messages: hi })).rejects.toBeInstanceOf(
        OpenAI.InternalServerError,
      );
      await expect(openai.responses.create({ model, input: 'hi' })).rejects.toBeInstanceOf(
        OpenAI.InternalServerError,
      );
      await expect(anthropic.messages.create({ model, max_tokens: 5, messages: hi })).rejects.toBeInstanceOf(
        Anthropic.InternalServerError,
      );
    },
  );

  it.each(PROTOCOLS)('raise for a stream that a %s provider breaks off', async (protocol) => {
    const model = models.get(protocol) ?? '';
    const frames = lastStep(protocol);
    gateway.provider.script = answersStream(frames.slice(0, Math.ceil(frames.length / 2)));
    const openai = new OpenAI({ apiKey: gateway.secret, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    const anthropic = new Anthropic({ apiKey: gateway.secret, baseURL: gateway.url, maxRetries: 0 });
    const hi = [{ role: 'user' as const, content: 'hi' }];
    await expect(
      openai.chat.completions.stream({ model, messages: hi }).finalChatCompletion(),
    ).rejects.toThrow();
    await expect(openai.responses.stream({ model, input: 'hi' }).finalResponse()).rejects.toThrow();
    await expect(
      anthropic.messages.stream({ model, max_tokens: 5, messages: hi }).finalMessage(),
    ).rejects.toThrow();
  });
});

describe('a provider’s wish to be asked later', () => {
  it.each([
    ['seconds', { 'retry-after': '7' }, '7'],
    [
      'a date',
      { date: 'Sat, 21 Nov 2026 03:00:00 GMT', 'retry-after': 'Sat, 21 Nov 2026 03:01:30 GMT' },
      '90',
    ],
    [
      'a date that has passed',
      { date: 'Sat, 21 Nov 2026 03:00:00 GMT', 'retry-after': 'Sat, 21 Nov 2026 02:00:00 GMT' },
      '0',
    ],
    ['milliseconds', { 'retry-after-ms': '1500' }, '2'],
    ['nothing that can be read', { 'retry-after': 'soon' }, null],
  ])('is passed on in seconds: %s', async (_, headers, expected) => {
    gateway.provider.script = answersJson('{}', 429, headers as Record<string, string>);
    const answer = await postTo(gateway, 'chat', models.get('chat') ?? '');
    expect(answer.headers.get('retry-after')).toBe(expected);
  });
});
