import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { askChat, CONTENT, DONE, hangs, ROLE, resets, STOP } from './support/ask-chat.ts';
import {
  type GatewayUnderTest,
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

const ANSWER = {
  model: 'p',
  choices: [{ message: { content: 'x' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1 },
};

let gateway: GatewayUnderTest;
let spare: ScriptedProvider;
beforeAll(async () => {
  const silenceLimits = { firstByteTimeoutMs: 300, idleTimeoutMs: 300, keepAliveAfterMs: 100 };
  gateway = await startGateway({ silenceLimits });
  spare = await ScriptedProvider.start();
  gateway.snapshot.addModel(testModel({ id: 'two/routes' }), [
    { upstream: testUpstream(gateway.provider.origin), providerModel: 'first' },
    { upstream: testUpstream(spare.origin, { id: 'spare', name: 'spare' }), providerModel: 'second' },
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
    spare.script = stream ? answersStream([CONTENT, STOP, DONE]) : answersJson(ANSWER);
    const answer = await askChat(gateway, script, { model: 'two/routes', stream });
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
    expect((await askChat(gateway, mistake, { model: 'two/routes' })).status).toBe(400);
    expect(
      (await askChat(gateway, answersStream([CONTENT]), { model: 'two/routes', stream: true })).cut,
    ).toBe(true);
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
    const answer = await askChat(gateway, script, { stream: true });
    const [before = '', after = ''] = answer.text.split('"Par"');
    expect(before.match(/: keep-alive\n\n/g)?.length).toBe(2);
    expect(after.match(/: keep-alive\n\n/g)?.length).toBe(2);
    expect(answer.text.endsWith(DONE)).toBe(true);

    const comments: ProviderScript = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(CONTENT);
      const timer = setInterval(() => response.write(': PROCESSING\n\n'), 50);
      response.on('close', () => clearInterval(timer));
    };
    expect((await askChat(gateway, comments, { stream: true })).cut).toBe(true);
  });

  it('is covered from the first byte of silence on, whichever of two providers was silent', async () => {
    const slowlyFails: ProviderScript = async (response) => {
      await new Promise((resolve) => setTimeout(resolve, 70));
      response.writeHead(500).end('{}');
    };
    spare.script = async (response) => {
      await new Promise((resolve) => setTimeout(resolve, 70));
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(CONTENT + STOP + DONE);
    };
    const answer = await askChat(gateway, slowlyFails, { model: 'two/routes', stream: true });
    expect(answer.text).toMatch(/^: keep-alive\n\ndata: /);
  });

  it('that fails after the head has gone is reported in the stream', async () => {
    const answer = await askChat(
      gateway,
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
