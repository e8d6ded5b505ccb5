import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Dialect, ProviderProtocol } from '#shared/usage-record.ts';
import { type GatewayUnderTest, startGateway } from './support/gateway-under-test.ts';
import { postTo } from './support/post-to.ts';
import { addProtocolModel, PROTOCOLS } from './support/protocol-models.ts';
import type { ProviderScript } from './support/scripted-provider.ts';
import { framesOf, thinkingProviders } from './support/thinking-providers.ts';

const DIALECTS: readonly Dialect[] = ['chat', 'responses', 'messages'];
const cells = PROTOCOLS.flatMap((provider) => DIALECTS.map((client) => ({ client, provider })));
/** Longer than the keep-alive, shorter than the idle limit. */
const PAUSE_MS = 170;
const KEEP_ALIVE_MS = 60;
const IDLE_MS = 400;

let gateway: GatewayUnderTest;
const models = new Map<ProviderProtocol, string>();
beforeAll(async () => {
  const silenceLimits = {
    firstByteTimeoutMs: IDLE_MS,
    idleTimeoutMs: IDLE_MS,
    keepAliveAfterMs: KEEP_ALIVE_MS,
  };
  gateway = await startGateway({ silenceLimits });
  for (const protocol of PROTOCOLS)
    models.set(protocol, addProtocolModel(gateway, protocol, gateway.provider.origin));
});
afterAll(() => gateway.stop());
beforeEach(() => {
  gateway.spool.records.length = 0;
});

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const SSE = { 'content-type': 'text/event-stream' };

function lastStep(protocol: ProviderProtocol): string[] {
  return framesOf(thinkingProviders[protocol].step('x', true));
}

/** Silent before its head, in the middle of the answer and before its end. */
function hesitates(protocol: ProviderProtocol): ProviderScript {
  return async (response) => {
    const frames = lastStep(protocol);
    const middle = Math.ceil(frames.length / 2);
    await wait(PAUSE_MS);
    response.writeHead(200, SSE).write(frames.slice(0, middle).join(''));
    await wait(PAUSE_MS);
    response.write(frames.slice(middle, -1).join(''));
    await wait(PAUSE_MS);
    response.end(frames.at(-1));
  };
}

const KEEP_ALIVE: Readonly<Record<Dialect, RegExp>> = {
  chat: /^: keep-alive$/,
  responses: /^: keep-alive$/,
  messages: /^event: ping\ndata: \{"type":"ping"\}$/,
};

function isKeepAlive(dialect: Dialect, event: string): boolean {
  return KEEP_ALIVE[dialect].test(event);
}

describe.each(cells)('a silent $provider provider of a $client client', ({ client, provider }) => {
  const model = () => models.get(provider) ?? '';

  it('is covered by keep-alives of the dialect, before its first byte and within its answer', async () => {
    gateway.provider.script = hesitates(provider);
    const answer = await postTo(gateway, client, model(), { stream: true });
    expect([answer.status, answer.cut]).toEqual([200, false]);
    const events = answer.text.split('\n\n').filter((event) => event !== '');
    expect(isKeepAlive(client, events[0] ?? '')).toBe(true);
    const content = events.filter((event) => !isKeepAlive(client, event));
    const within = events.slice(events.indexOf(content[0] ?? ''), events.indexOf(content.at(-1) ?? ''));
    expect(within.some((event) => isKeepAlive(client, event))).toBe(true);
    expect(answer.text).toContain('d.');
    expect(gateway.spool.records).toMatchObject([{ status: 'success' }]);
  });

  it('is given up at the idle limit, whatever keep-alives were sent, with the error event of the dialect', async () => {
    for (const script of [
      (response) => void response,
      (response) => void response.writeHead(200, SSE).write(lastStep(provider)[0]),
      (response) => void response.writeHead(200, SSE).write(lastStep(provider).slice(0, -2).join('')),
    ] satisfies ProviderScript[]) {
      gateway.provider.script = script;
      const answer = await postTo(gateway, client, model(), { stream: true });
      expect([answer.status, answer.cut]).toEqual([200, true]);
      const last = answer.text.trimEnd().split('\n\n').at(-1);
      expect(last).toMatch(/"(?:code|type)":"(?:provider_error|api_error|server_error)"/);
      expect(answer.text).not.toMatch(/\[DONE\]|message_stop|response\.completed/);
      expect((await gateway.provider.requests.at(-1)?.cut) ?? 'cut').toBe('cut');
    }
    expect(gateway.spool.records.map(({ status }) => status)).toEqual(['error', 'error', 'error']);
  });

  it('is given up at the idle limit although it sends comments and heartbeats of its own', async () => {
    gateway.provider.script = (response) => {
      response.writeHead(200, SSE).write(lastStep(provider).slice(0, -2).join(''));
      const timer = setInterval(() => response.write(heartbeat(provider)), KEEP_ALIVE_MS / 2);
      response.on('close', () => clearInterval(timer));
    };
    const answer = await postTo(gateway, client, model(), { stream: true });
    expect(answer.cut).toBe(true);
    // What the provider says for itself alone is no reason to leave the client in silence.
    const keepAlives = answer.text.split('\n\n').filter((event) => isKeepAlive(client, event));
    if (client !== provider) expect(keepAlives.length).toBeGreaterThanOrEqual(2);
  });
});

function heartbeat(protocol: ProviderProtocol): string {
  switch (protocol) {
    case 'messages':
      return 'event: ping\ndata: {"type": "ping"}\n\n';
    case 'responses':
      return 'event: keepalive\ndata: {"type":"keepalive","sequence_number":99}\n\n';
    default:
      return ': PROCESSING\n\n';
  }
}

describe.each(PROTOCOLS)('the official SDKs', (protocol) => {
  it(`read the answer of a hesitant ${protocol} provider to its end`, async () => {
    const model = models.get(protocol) ?? '';
    const messages = [{ role: 'user' as const, content: 'hi' }];
    const openai = new OpenAI({ apiKey: gateway.secret, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    const anthropic = new Anthropic({ apiKey: gateway.secret, baseURL: gateway.url, maxRetries: 0 });
    gateway.provider.script = hesitates(protocol);
    const [chat, response, message] = await Promise.all([
      openai.chat.completions.stream({ model, messages }).finalChatCompletion(),
      openai.responses.stream({ model, input: 'hi' }).finalResponse(),
      anthropic.messages.stream({ model, max_tokens: 50, messages }).finalMessage(),
    ]);
    expect(chat.choices[0]?.message.content).toBe('The end.');
    expect(response.output_text).toBe('The end.');
    expect(message.content.map((block) => (block.type === 'text' ? block.text : '')).join('')).toBe(
      'The end.',
    );
  });
});
