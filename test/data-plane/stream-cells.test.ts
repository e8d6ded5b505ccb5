import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Dialect, ProviderProtocol } from '#shared/usage-record.ts';
import { type GatewayUnderTest, startGateway } from './support/gateway-under-test.ts';
import { requestOf, sendTo } from './support/post-to.ts';
import { addProtocolModel, PROTOCOLS } from './support/protocol-models.ts';
import type { ProviderScript } from './support/scripted-provider.ts';
import { framesOf, thinkingProviders } from './support/thinking-providers.ts';

const DIALECTS: readonly Dialect[] = ['chat', 'responses', 'messages'];
const cells = PROTOCOLS.flatMap((provider) => DIALECTS.map((client) => ({ client, provider })));
const PATHS = { chat: '/v1/chat/completions', responses: '/v1/responses', messages: '/v1/messages' } as const;
const SSE = { 'content-type': 'text/event-stream' };

let gateway: GatewayUnderTest;
const models = new Map<ProviderProtocol, string>();
beforeAll(async () => {
  gateway = await startGateway();
  for (const protocol of PROTOCOLS)
    models.set(protocol, addProtocolModel(gateway, protocol, gateway.provider.origin));
});
afterAll(() => gateway.stop());
beforeEach(() => {
  gateway.provider.requests.length = 0;
  gateway.spool.records.length = 0;
});

/** The stream of a last step, cut where its text is told: what leads to the text, one piece of it, and the rest. */
function textStream(protocol: ProviderProtocol): {
  before: string;
  piece: (text: string) => string;
  after: string;
} {
  const frames = framesOf(thinkingProviders[protocol].step('x', true));
  const at = frames.findIndex((frame) => /"(?:The|The )"/.test(frame));
  const frame = frames[at] ?? '';
  return {
    before: frames.slice(0, at).join(''),
    piece: (text) => frame.replace(/"The ?"/, JSON.stringify(text)),
    after: frames.slice(at + 1).join(''),
  };
}

describe.each(cells)('a $client client of a $provider provider that leaves', ({ client, provider }) => {
  const ask = (stream: boolean, signal: AbortSignal) =>
    sendTo(gateway, client, requestOf(client, models.get(provider) ?? '', { stream }), { signal });

  it('in the middle of a stream stops its provider, and pays for what it was sent', async () => {
    const { before, piece } = textStream(provider);
    gateway.provider.script = (response) =>
      void response.writeHead(200, SSE).write(before + piece('x'.repeat(400)));
    const controller = new AbortController();
    const answer = await ask(true, controller.signal);
    const reader = answer.body?.getReader();
    let text = '';
    while (!text.includes('xxxx')) text += Buffer.from((await reader?.read())?.value ?? []).toString();
    controller.abort();
    await gateway.provider.requests[0]?.cut;
    const [record] = await gateway.spool.wait(1);
    expect(record).toMatchObject({ status: 'aborted', httpStatus: 499 });
    // By the provider's own counts where it has sent some, else by the size of the text.
    expect(record?.usage.output).toBeGreaterThanOrEqual(provider === 'gemini' ? 10 : 100);
    expect(gateway.quotas.open).toBe(0);
  });

  it.each([true, false])('before the first byte stops its provider, streamed: %s', async (stream) => {
    const controller = new AbortController();
    gateway.provider.script = () => controller.abort();
    await expect(ask(stream, controller.signal)).rejects.toThrow();
    await gateway.provider.requests[0]?.cut;
    expect((await gateway.spool.wait(1))[0]).toMatchObject({ status: 'aborted', httpStatus: 499 });
    expect(gateway.quotas.open).toBe(0);
  });
});

/** A raw client, because only sockets can be read slowly. */
function openStream(client: Dialect, model: string): Socket {
  const { hostname, port } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  const body = JSON.stringify(requestOf(client, model, { stream: true }));
  const head = `POST ${PATHS[client]} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${gateway.secret}\r\n`;
  socket.write(`${head}content-length: ${body.length}\r\n\r\n${body}`);
  return socket;
}

describe.each([
  { client: 'messages', provider: 'gemini' },
  { client: 'chat', provider: 'messages' },
  { client: 'responses', provider: 'chat' },
] as const)('a $client client of a $provider provider that reads slowly', ({ client, provider }) => {
  it('pauses its provider instead of filling our memory, and gets every byte', async () => {
    const { before, piece, after } = textStream(provider);
    const frame = piece('x'.repeat(32 * 1024));
    const pieces = 800;
    let written = 0;
    gateway.provider.script = (async (response) => {
      response.writeHead(200, SSE).write(before);
      for (let index = 0; index < pieces; index += 1) {
        written += frame.length;
        if (!response.write(frame)) await new Promise((resolve) => response.once('drain', resolve));
      }
      response.end(after);
    }) satisfies ProviderScript;
    const socket = openStream(client, models.get(provider) ?? '');
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.pause();
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(written).toBeLessThan((pieces * frame.length) / 2);
    let streamed = 0;
    await new Promise<void>((resolve) => {
      let tail = '';
      socket.on('data', (data) => {
        for (const byte of data) if (byte === 0x78) streamed += 1;
        tail = (tail + data.toString('latin1')).slice(-400);
        if (/\[DONE\]|message_stop/.test(tail)) resolve();
      });
      socket.resume();
    });
    socket.destroy();
    expect(streamed).toBeGreaterThanOrEqual(pieces * 32 * 1024);
    expect((await gateway.spool.wait(1))[0]).toMatchObject({ status: 'success' });
  });
});
