import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Dialect } from '#shared/usage-record.ts';
import { type GatewayUnderTest, PROVIDER_CREDENTIAL, startGateway } from './support/gateway-under-test.ts';
import { oddBody, oddValue } from './support/odd-json.ts';
import { sendTo } from './support/post-to.ts';
import { addProtocolModel } from './support/protocol-models.ts';
import { answersJson } from './support/scripted-provider.ts';
import { answersStep, framesOf, thinkingProviders } from './support/thinking-providers.ts';

const DIALECTS: readonly Dialect[] = ['chat', 'responses', 'messages'];
const RUNS = 150;
const MODEL_MARK = '"@model@"';

let gateway: GatewayUnderTest;
const models = new Map<Dialect, string>();
beforeAll(async () => {
  gateway = await startGateway();
  for (const dialect of DIALECTS)
    models.set(dialect, addProtocolModel(gateway, dialect, gateway.provider.origin, { vendor: 'acme' }));
});
afterAll(() => gateway.stop());
beforeEach(() => {
  gateway.provider.requests.length = 0;
});

/** What a request of the dialect cannot do without, with odd values in every place that is not looked at. */
function requestsOf(dialect: Dialect, stream: boolean): fc.Arbitrary<string> {
  return fc.tuple(oddValue, oddValue, oddValue).chain(([first, second, third]) => {
    const said = `[{"role" : "user","x":${first},"content":[ {"type":"text", "text":"h\\u00e9","y" :${second}}]} ,{"content":"\\ud83d\\ude00","role":"assistant"},{"role":"user","content":"z"}]`;
    const items = `[{"role":"user","x":${first},"content":[ {"type":"input_text","text":"h\\u00e9","y":${second}}]}, {"type":"odd_item","z":${third}}]`;
    const shared = { model: MODEL_MARK, ...(stream ? { stream: 'true' } : {}), metadata: third };
    switch (dialect) {
      case 'chat':
        // Asked for already, so that nothing has to be added.
        return oddBody({
          ...shared,
          messages: said,
          ...(stream ? { stream_options: '{"include_usage" :true}' } : {}),
        });
      case 'responses':
        return oddBody({ ...shared, input: items });
      case 'messages':
        return oddBody({ ...shared, messages: said, max_tokens: '1e3', metadata: '{ "user_id":"u" }' });
    }
  });
}

const named = (text: string, model: string): string => text.replaceAll(MODEL_MARK, JSON.stringify(model));

describe.each(DIALECTS)('a %s request to a provider of its own dialect', (dialect) => {
  it.each([false, true])('arrives byte for byte but for the model’s name, streamed: %s', async (stream) => {
    const step = thinkingProviders[dialect].step('x', true);
    gateway.provider.script = answersStep(step);
    await fc.assert(
      fc.asyncProperty(requestsOf(dialect, stream), async (text) => {
        const answer = await sendTo(gateway, dialect, named(text, models.get(dialect) ?? ''));
        const body = await answer.text();
        if (answer.status !== 200) throw new Error(`${answer.status} ${body}`);
        expect(gateway.provider.requests.pop()?.body.toString()).toBe(named(text, `${dialect}-internal`));
      }),
      { numRuns: RUNS, seed: 20261121 },
    );
  });

  it('is answered byte for byte but for the model’s name', async () => {
    await fc.assert(
      fc.asyncProperty(oddAnswers(dialect), async (text) => {
        gateway.provider.script = answersJson(named(text, `${dialect}-internal`));
        const model = models.get(dialect) ?? '';
        const answer = await sendTo(gateway, dialect, named(simplest(dialect), model));
        expect([answer.status, await answer.text()]).toEqual([200, named(text, model)]);
      }),
      { numRuns: RUNS, seed: 20261121 },
    );
  });

  it('is streamed its answer byte for byte, with comments, odd spacing and unknown events', async () => {
    const model = models.get(dialect) ?? '';
    const original = framesOf(thinkingProviders[dialect].step('x', true))
      .map((frame) =>
        frame.replace('data: {', 'data: {  "x\\u0041" : 1e400 ,').replace('\ndata:', '\nid: 7\ndata:'),
      )
      .join(': a comment\n\nevent: odd\nretry: 5\n\n');
    const internal = `${dialect}-internal`;
    gateway.provider.script = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (let at = 0; at < original.length; at += 7) response.write(original.slice(at, at + 7));
      response.end();
    };
    const streamed = simplest(dialect).replace(
      '{',
      '{"stream":true,"stream_options":{"include_usage":true},',
    );
    const answer = await sendTo(gateway, dialect, named(streamed, model));
    // Open Responses asks for an end marker, which OpenAI's own clients skip.
    const end = dialect === 'responses' ? 'data: [DONE]\n\n' : '';
    expect(await answer.text()).toBe(original.replaceAll(`"${internal}"`, JSON.stringify(model)) + end);
  });
});

function simplest(dialect: Dialect): string {
  const said = '[{"role":"user","content":"z"}]';
  if (dialect === 'responses') return `{"model":${MODEL_MARK},"input":"z"}`;
  return `{"model":${MODEL_MARK},"max_tokens":9,"messages":${said}}`;
}

function oddAnswers(dialect: Dialect): fc.Arbitrary<string> {
  return oddValue.chain((value) => {
    switch (dialect) {
      case 'chat':
        return oddBody({
          model: MODEL_MARK,
          choices: `[{"index":0,"x":${value},"message":{"content":"h\\u00e9","y":${value}},"finish_reason":"stop"}]`,
        });
      case 'responses':
        return oddBody({ model: MODEL_MARK, status: '"completed"', output: `[{"type":"odd","x":${value}}]` });
      case 'messages':
        return oddBody({ type: '"message"', model: MODEL_MARK, content: `[{"type":"odd","x":${value}}]` });
    }
  });
}

describe('headers', () => {
  const theirs = {
    cookie: 'session=1',
    'x-api-key': 'canary-key',
    'x-forwarded-for': '10.0.0.1',
    'openai-organization': 'org-of-the-client',
    'openai-project': 'proj-of-the-client',
    'anthropic-beta': 'context-1m-2025-08-07,odd-beta-2026-01-01',
    'anthropic-version': '2026-10-21',
    'openai-beta': 'responses=experimental',
    'x-stainless-lang': 'js',
  };

  it.each<[Dialect, Record<string, string>]>([
    ['chat', { 'openai-beta': theirs['openai-beta'] }],
    ['responses', { 'openai-beta': theirs['openai-beta'] }],
    [
      'messages',
      { 'anthropic-beta': theirs['anthropic-beta'], 'anthropic-version': theirs['anthropic-version'] },
    ],
  ])(
    'of a %s client that choose what its provider does are passed on, nothing else is',
    async (dialect, passed) => {
      gateway.provider.script = answersStep(thinkingProviders[dialect].step('x', true));
      const body = named(simplest(dialect), models.get(dialect) ?? '');
      const headers = { ...theirs, ...(dialect === 'messages' ? { 'x-api-key': gateway.secret } : {}) };
      expect((await sendTo(gateway, dialect, body, { headers })).status).toBe(200);
      const received = gateway.provider.requests.at(-1)?.headers ?? {};
      const own = [
        'accept',
        'accept-encoding',
        'connection',
        'content-length',
        'content-type',
        'host',
        'user-agent',
      ];
      const credential = dialect === 'messages' ? 'x-api-key' : 'authorization';
      expect(Object.keys(received).sort()).toEqual([...own, credential, ...Object.keys(passed)].sort());
      expect(received).toMatchObject(passed);
      expect(received[credential]).toContain(PROVIDER_CREDENTIAL);
      expect(JSON.stringify(received)).not.toMatch(new RegExp(`canary-key|${gateway.secret}|of-the-client`));
    },
  );
});
