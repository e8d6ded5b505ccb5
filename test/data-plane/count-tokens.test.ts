import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openSharedFactors } from '#data-plane/token-count/shared-factors.ts';
import { LearningCounter } from '#data-plane/token-count/token-counter.ts';
import { systemClock } from '#shared/clock.ts';
import type { ProviderProtocol } from '#shared/usage-record.ts';
import { testRedisUrl } from '#test/setup/test-backends.ts';
import {
  type GatewayUnderTest,
  MODEL_ID,
  postChat,
  startGateway,
  testModel,
  testUpstream,
} from './support/gateway-under-test.ts';
import { answersJson } from './support/scripted-provider.ts';

const redisUrl = await testRedisUrl();
let gateway: GatewayUnderTest;
let counter: LearningCounter;

beforeAll(async () => {
  const factors = openSharedFactors({ redisUrl, clock: systemClock, logger: pino({ level: 'silent' }) });
  counter = new LearningCounter({ factors, clock: systemClock });
  gateway = await startGateway({ tokenCounter: counter });
});

beforeEach(() => {
  gateway.provider.requests.length = 0;
});

afterAll(async () => {
  await counter.close();
  await gateway.stop();
});

function addModel(id: string, vendor: string, ...protocols: ProviderProtocol[]): void {
  gateway.snapshot.addModel(
    testModel({ id, vendor }),
    protocols.map((protocol) => ({
      upstream: testUpstream(gateway.provider.origin, { vendor, protocol, id: `${id}-${protocol}` }),
      providerModel: 'their-name',
    })),
  );
}

const question = (model: string) => ({
  model,
  system: 'Be brief.',
  messages: [{ role: 'user', content: 'How many tokens is this?' }],
  tools: [{ name: 'weather', description: 'Tells it.', input_schema: { type: 'object', properties: {} } }],
});

interface Count {
  readonly status: number;
  readonly tokens: number;
  readonly isEstimate: boolean;
  readonly headers: Headers;
}

async function count(body: object, secret = gateway.secret): Promise<Count> {
  const answer = await fetch(`${gateway.url}/v1/messages/count_tokens`, {
    method: 'POST',
    headers: { 'x-api-key': secret, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const { input_tokens: tokens } = (await answer.json()) as { input_tokens: number };
  const isEstimate = answer.headers.get('x-crossmodel-estimate') === 'true';
  return { status: answer.status, tokens, isEstimate, headers: answer.headers };
}

describe("a provider's own count", () => {
  const cases: readonly (readonly [ProviderProtocol, object, string])[] = [
    ['messages', { input_tokens: 42 }, '/v1/v1/messages/count_tokens'],
    ['gemini', { totalTokens: 42 }, '/v1/models/their-name:countTokens'],
    ['responses', { object: 'response.input_tokens', input_tokens: 42 }, '/v1/responses/input_tokens'],
  ];

  it.each(cases)('is given where it speaks %s', async (protocol, body, path) => {
    const id = `own/${protocol}`;
    addModel(id, 'vendor-own', 'chat', protocol);
    gateway.provider.script = answersJson(body);
    expect(await count(question(id))).toMatchObject({ status: 200, tokens: 42, isEstimate: false });
    const [asked, ...more] = gateway.provider.requests;
    expect(asked?.url).toBe(path);
    expect(more).toEqual([]);
    const text = asked?.body.toString() ?? '';
    for (const said of ['Be brief.', 'How many tokens is this?', 'weather', 'their-name'])
      expect(text).toContain(said);
    expect(text).not.toMatch(/"(stream|max_tokens|max_output_tokens|store)"/);
    expect(gateway.spool.records).toEqual([]);
  });

  it('is replaced by an estimate when it fails, and not asked for again where there is no such endpoint', async () => {
    addModel('without/count', 'vendor-without', 'messages');
    gateway.provider.script = answersJson({ error: 'none' }, 404);
    for (const asked of [1, 1]) {
      const answer = await count(question('without/count'));
      expect(answer).toMatchObject({ status: 200, isEstimate: true });
      expect(answer.tokens).toBeGreaterThan(15);
      expect(gateway.provider.requests).toHaveLength(asked);
    }
    addModel('failing/count', 'vendor-failing', 'messages');
    gateway.provider.requests.length = 0;
    gateway.provider.script = answersJson({ error: 'busy' }, 529);
    for (const asked of [1, 2]) {
      expect(await count(question('failing/count'))).toMatchObject({ isEstimate: true });
      expect(gateway.provider.requests).toHaveLength(asked);
    }
  });
});

describe('an estimate', () => {
  /** A tokenizer unlike ours: it cuts words into threes, and its template takes 12 tokens. */
  const theirCount = (text: string) =>
    12 + text.split(/\s+/).reduce((sum, word) => sum + Math.ceil(word.length / 3), 0);
  const words = [
    'the',
    'gateway',
    'counts',
    'tokens',
    'of',
    'every',
    'request',
    'carefully',
    'without',
    'haste',
  ];
  const prose = (length: number, seed: number) =>
    Array.from({ length }, (_, index) => words[(index * seed + (index >> 2)) % words.length]).join(' ');

  it('is within 10 % after 20 requests of its family, also in another process', async () => {
    gateway.provider.script = (response, request) => {
      const { messages } = JSON.parse(request.body.toString()) as { messages: { content: string }[] };
      const tokens = theirCount(messages[0]?.content ?? '');
      return answersJson({
        id: 'x',
        object: 'chat.completion',
        created: 1,
        model: 'p',
        choices: [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: tokens, completion_tokens: 1, total_tokens: tokens + 1 },
      })(response, request);
    };
    for (let index = 1; index <= 20; index += 1) {
      const messages = [{ role: 'user', content: prose(10 * index, index) }];
      const answer = await postChat(gateway, { model: MODEL_ID, messages });
      expect(answer.status).toBe(200);
      await answer.text();
    }
    const fresh = openSharedFactors({ redisUrl, clock: systemClock, logger: pino({ level: 'silent' }) });
    await expect
      .poll(async () => (await fresh.read('deepseek')).count, { timeout: 10_000 })
      .toBeGreaterThanOrEqual(20);
    fresh.close();
    for (const length of [15, 80, 400, 3_000]) {
      const content = prose(length, 7);
      const answer = await count({ model: MODEL_ID, messages: [{ role: 'user', content }] });
      expect(answer.isEstimate).toBe(true);
      const error = Math.abs(answer.tokens / theirCount(content) - 1);
      expect(error, `${length} words`).toBeLessThan(0.1);
    }
  });

  it('counts pictures by their size', async () => {
    const text = (await count({ model: MODEL_ID, messages: [{ role: 'user', content: 'hi' }] })).tokens;
    const image = { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } };
    const content = [{ type: 'text', text: 'hi' }, image];
    const both = (await count({ model: MODEL_ID, messages: [{ role: 'user', content }] })).tokens;
    expect(both - text).toBeGreaterThan(500);
  });
});

describe('counting too often', () => {
  it('is refused by a limit of its own, per key, which leaves requests alone', async () => {
    const secret = gateway.snapshot.addKey(`cm-${'z'.repeat(38)}`, { rpmLimit: 1 });
    gateway.provider.script = answersJson({ input_tokens: 1 });
    addModel('limited/count', 'vendor-limited', 'messages');
    const asked = { model: 'limited/count', messages: [{ role: 'user', content: 'x' }] };
    const answers: Count[] = [];
    for (let round = 0; round < 31; round += 1)
      answers.push(...(await Promise.all(Array.from({ length: 20 }, () => count(asked, secret)))));
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(600);
    expect(refused).toHaveLength(20);
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await count(question('limited/count'))).toMatchObject({ status: 200 });
  });
});
