import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type GatewayUnderTest, MODEL_ID, postChat, startGateway } from './support/gateway-under-test.ts';
import type { ProviderScript } from './support/scripted-provider.ts';

const messages = [{ role: 'user', content: 'hello there' }];
const chunk = (content: string): string =>
  `data: ${JSON.stringify({ model: 'p', choices: [{ index: 0, delta: { content } }] })}\n\n`;
const USAGE = 'data: {"model":"p","choices":[],"usage":{"prompt_tokens":4,"completion_tokens":2}}\n\n';
const STOP = 'data: {"model":"p","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n';
const DONE = 'data: [DONE]\n\n';

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());
beforeEach(() => {
  gateway.provider.requests.length = 0;
  gateway.spool.records.length = 0;
  gateway.quotas.settled.length = 0;
});

/** Streams without end. */
const endless =
  (first: string, more: string, gapMs: number): ProviderScript =>
  (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(first);
    const timer = setInterval(() => response.write(more), gapMs);
    response.on('close', () => clearInterval(timer));
  };

/** A raw client, because only sockets can be read slowly. */
function openStream(): Socket {
  const { hostname, port } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  const body = JSON.stringify({ model: MODEL_ID, messages, stream: true });
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${gateway.secret}\r\n`;
  socket.write(`${head}content-length: ${body.length}\r\n\r\n${body}`);
  return socket;
}

describe('a client that leaves', () => {
  it('in the middle of a stream cancels its provider at once and pays an estimate of what was produced', async () => {
    gateway.provider.script = endless(chunk('x'.repeat(40)), chunk('x'.repeat(40)), 5);
    const controller = new AbortController();
    const answer = await postChat(
      gateway,
      { model: MODEL_ID, messages, stream: true },
      { signal: controller.signal },
    );
    await answer.body?.getReader().read();
    controller.abort();
    await gateway.provider.requests[0]?.cut;
    const [record] = await gateway.spool.wait(1);
    expect(record).toMatchObject({
      status: 'aborted',
      httpStatus: 499,
      errorCode: 'client_closed',
      priceVersionId: 'price-1',
      usage: { source: 'estimated', cacheRead: 0 },
    });
    const { input, output } = record?.usage ?? { input: 0, output: 0 };
    expect(input).toBeGreaterThan(10);
    expect(output).toBeGreaterThanOrEqual(10);
    expect(record?.costNano).toBe(String(input * 1_000 + output * 4_000));
    expect(gateway.quotas.settled).toEqual([
      { costNano: BigInt(record?.costNano ?? 0), usedTokens: input + output },
    ]);
  });

  it('after the provider’s counts have arrived pays by them', async () => {
    gateway.provider.script = endless(chunk('Hi') + STOP + USAGE, ': still here\n\n', 5);
    const controller = new AbortController();
    const answer = await postChat(
      gateway,
      { model: MODEL_ID, messages, stream: true },
      { signal: controller.signal },
    );
    await answer.body?.getReader().read();
    controller.abort();
    expect((await gateway.spool.wait(1))[0]).toMatchObject({
      status: 'aborted',
      usage: { input: 4, output: 2, source: 'upstream' },
      costNano: '12000',
    });
  });

  it('before the first byte cancels its provider and pays for the prompt', async () => {
    let asked = (): void => {};
    const arrived = new Promise<void>((resolve) => {
      asked = resolve;
    });
    gateway.provider.script = () => asked();
    const controller = new AbortController();
    const answer = postChat(gateway, { model: MODEL_ID, messages }, { signal: controller.signal });
    await arrived;
    controller.abort();
    await expect(answer).rejects.toThrow();
    await gateway.provider.requests[0]?.cut;
    expect((await gateway.spool.wait(1))[0]).toMatchObject({
      status: 'aborted',
      usage: { output: 0, source: 'estimated' },
    });
  });

  it('before its request is admitted is recorded, asks no provider and pays nothing', async () => {
    const { hold } = gateway.quotas;
    const controller = new AbortController();
    gateway.quotas.hold = async (request) => {
      controller.abort();
      await new Promise((resolve) => setTimeout(resolve, 50));
      return hold.call(gateway.quotas, request);
    };
    await expect(
      postChat(gateway, { model: MODEL_ID, messages }, { signal: controller.signal }),
    ).rejects.toThrow();
    const [record] = await gateway.spool.wait(1);
    gateway.quotas.hold = hold;
    expect(record).toMatchObject({ status: 'aborted', upstream: null, costNano: '0' });
    expect(gateway.provider.requests).toHaveLength(0);
    expect(gateway.quotas.open).toBe(0);
  });

  it('in the middle of its body is forgotten', async () => {
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${gateway.secret}\r\ncontent-length: 100\r\n\r\n{"mo`,
    );
    await new Promise((resolve) => setTimeout(resolve, 30));
    socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(gateway.spool.records).toEqual([]);
    expect(gateway.quotas.open).toBe(0);
  });
});

describe('a client that reads slowly', () => {
  it('pauses its provider instead of filling our memory, and gets every byte', async () => {
    const piece = chunk('x'.repeat(64 * 1024));
    const pieces = 800;
    let written = 0;
    gateway.provider.script = async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (let index = 0; index < pieces; index += 1) {
        written += piece.length;
        if (!response.write(piece)) await new Promise((resolve) => response.once('drain', resolve));
      }
      response.end(STOP + DONE);
    };
    const socket = openStream();
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.pause();
    const before = process.memoryUsage.rss();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(written).toBeLessThan((pieces * piece.length) / 2);
    expect(process.memoryUsage.rss() - before).toBeLessThan(48 * 1024 * 1024);
    let received = 0;
    let tail = '';
    await new Promise<void>((resolve) => {
      socket.on('data', (data) => {
        received += data.length;
        tail = (tail + data.toString('latin1')).slice(-200);
        if (tail.includes('[DONE]')) resolve();
      });
      socket.resume();
    });
    socket.destroy();
    expect(received).toBeGreaterThan(pieces * piece.length);
    expect((await gateway.spool.wait(1))[0]).toMatchObject({ status: 'success' });
  });

  it('gets what it is owed although its provider has fallen silent', async () => {
    const big = chunk('x'.repeat(12_000_000));
    gateway.provider.script = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(big);
    };
    const socket = openStream();
    socket.pause();
    await new Promise((resolve) => setTimeout(resolve, 800));
    let received = 0;
    await new Promise<void>((resolve, reject) => {
      setTimeout(() => reject(new Error(`only ${received} bytes came`)), 5_000).unref();
      socket.on('data', (data) => {
        received += data.length;
        if (received > big.length) resolve();
      });
      socket.resume();
    });
    socket.destroy();
    expect(received).toBeGreaterThan(big.length);
    await gateway.provider.requests[0]?.cut;
  });

  it('gets the error event of a broken stream after all that came before', async () => {
    const big = chunk('x'.repeat(12_000_000));
    gateway.provider.script = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`${big}data: {"error":{"message":"sorry"}}\n\n`);
    };
    const socket = openStream();
    socket.pause();
    await gateway.spool.wait(1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    let tail = '';
    let received = 0;
    socket.on('data', (data) => {
      received += data.length;
      tail = (tail + data.toString('latin1')).slice(-600);
    });
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.resume();
    await closed;
    expect(received).toBeGreaterThan(big.length);
    expect(tail).toContain('"code":"provider_error"');
    expect(tail).not.toContain('[DONE]');
  });
});

describe('draining', () => {
  it('finishes open streams, asks clients to close, and takes no new connection', async () => {
    const draining = await startGateway();
    draining.provider.script = async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(chunk('a'));
      await new Promise((resolve) => setTimeout(resolve, 200));
      response.end(STOP + DONE);
    };
    const answer = await postChat(draining, { model: MODEL_ID, messages, stream: true });
    const drained = draining.server.drain({ deadlineMs: 5_000, lingerMs: 0 });
    await nextTurn();
    await expect(fetch(`${draining.url}/healthz`)).rejects.toThrow();
    expect(await answer.text()).toContain('[DONE]');
    await drained;
    await draining.stop();
  });

  it('answers what an idle connection still sends, closes that, and does not wait for silent ones', async () => {
    const draining = await startGateway();
    const { port } = draining.server;
    const [speaking, silent] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
    await Promise.all([once(speaking, 'connect'), once(silent, 'connect')]);
    speaking.write('GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n');
    await once(speaking, 'data');
    const drained = draining.server.drain({ deadlineMs: 60_000, lingerMs: 300 });
    await nextTurn();
    speaking.write('GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n');
    expect(String((await once(speaking, 'data'))[0])).toMatch(/^HTTP\/1.1 200 .*\r\nconnection: close\r\n/is);
    await once(speaking, 'close');
    await drained;
    silent.destroy();
    await draining.stop();
  });

  it('tells the client of a stream that begins meanwhile that its connection ends with it', async () => {
    const draining = await startGateway();
    draining.provider.script = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(chunk('a') + STOP + DONE);
    };
    const client = connect(draining.server.port, '127.0.0.1');
    await once(client, 'connect');
    client.write('GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n');
    await once(client, 'data');
    let received = '';
    client.on('data', (data) => {
      received += data.toString('latin1');
    });
    const drained = draining.server.drain({ deadlineMs: 60_000, lingerMs: 300 });
    const body = JSON.stringify({ model: MODEL_ID, messages, stream: true });
    const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${draining.secret}\r\n`;
    client.write(`${head}content-length: ${body.length}\r\n\r\n${body}`);
    await drained;
    client.destroy();
    expect(received).toMatch(/^HTTP\/1.1 200 .*\r\nconnection: close\r\n/is);
    expect(received).toContain('[DONE]');
    await draining.stop();
  });

  it('does not linger once every client has gone', async () => {
    const draining = await startGateway();
    const client = connect(draining.server.port, '127.0.0.1');
    await once(client, 'connect');
    const drained = draining.server.drain({ deadlineMs: 60_000, lingerMs: 60_000 });
    client.end();
    await drained;
    await draining.stop();
  });

  it('gives up on streams that outlast the deadline', async () => {
    const draining = await startGateway();
    draining.provider.script = endless(chunk('a'), chunk('b'), 20);
    const answer = await postChat(draining, { model: MODEL_ID, messages, stream: true });
    expect(await draining.server.drain({ deadlineMs: 50, lingerMs: 0 })).toBe(1);
    draining.server.close();
    await expect(answer.text()).rejects.toThrow();
    expect((await draining.spool.wait(1))[0]).toMatchObject({ status: 'aborted' });
    await draining.stop();
  });
});
