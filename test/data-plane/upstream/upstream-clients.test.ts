import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createHttp1Client } from '#data-plane/upstream/http1-client.ts';
import { createUndiciClient } from '#data-plane/upstream/undici-client.ts';
import type { UpstreamClient, UpstreamClientOptions } from '#data-plane/upstream/upstream-client.ts';
import { TEST_AUTHORITY } from '#test/fakes/test-certificate.ts';
import { RawServer, requestTo, sendTo } from './raw-server.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const BIG_HEADER = `x-big: ${'a'.repeat(10 * 1024 * 1024)}\r\n`;
const MEBIBYTE = 1024 * 1024;

const clients: readonly (readonly [string, (options: UpstreamClientOptions) => UpstreamClient])[] = [
  ['our own client', createHttp1Client],
  ['undici', createUndiciClient],
];

describe.each(clients)('%s', (_, create) => {
  let server: RawServer;
  let client: UpstreamClient;

  beforeAll(async () => {
    server = await RawServer.start();
  });
  beforeEach(() => {
    server.connections.length = 0;
    client = create({ connectTimeoutMs: 1_000, idleConnectionMs: 30_000 });
  });
  afterEach(() => client.close());
  afterAll(() => server.stop());

  const answer = (text: string) => {
    server.script = (socket) => void socket.write(text, 'latin1');
    return sendTo(client, requestTo(server.origin));
  };
  const lastAnswer = (text: string) => {
    server.script = (socket) => void socket.end(text, 'latin1');
    return sendTo(client, requestTo(server.origin));
  };

  it('sends the head that it was given, with the length of the body', async () => {
    let received = '';
    server.script = (socket, request) => {
      received = request;
      socket.write(OK);
    };
    await sendTo(client, requestTo(server.origin, { path: '/v1/messages?beta=true' }));
    const [line, ...fields] = received.split('\r\n\r\n')[0]?.split('\r\n') ?? [];
    expect(line).toBe('POST /v1/messages?beta=true HTTP/1.1');
    expect(fields.map((field) => field.toLowerCase()).sort()).toEqual([
      'connection: keep-alive',
      'content-length: 7',
      `host: ${new URL(server.origin).host}`,
      'x-test: yes',
    ]);
    expect(received.endsWith('\r\n\r\n{"a":1}')).toBe(true);
  });

  it.each([
    [
      'a length',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nRetry-After: 1\r\nretry-after: 2\r\n\r\nhello',
      'hello',
    ],
    ['no body', 'HTTP/1.1 204 No Content\r\n\r\n', ''],
    ['a length of zero', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', ''],
    [
      'chunks',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n',
      'abc0123456789',
    ],
    [
      'chunk extensions',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3;a=b;c="d"\r\nabc\r\n0;x\r\n\r\n',
      'abc',
    ],
    [
      'trailers',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-sum: 1\r\ny: 2\r\n\r\n',
      'a',
    ],
    ['an unknown reason', 'HTTP/1.1 200\r\ncontent-length: 1\r\n\r\nx', 'x'],
    ['an error status', 'HTTP/1.1 529 Overloaded\r\ncontent-length: 1\r\nretry-after: 3\r\n\r\nx', 'x'],
  ])('reads an answer with %s', async (_name, text, body) => {
    const outcome = await answer(text);
    expect(outcome).toMatchObject({ body, ending: 'end' });
    if (text.includes('Retry-After')) expect(outcome.headers['retry-after']).toEqual(['1', '2']);
  });

  it.each([
    ['a body until the end', 'HTTP/1.1 200 OK\r\n\r\nall of it', 'all of it', 'end'],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\nold', 'old', 'end'],
    [
      'a body that is too short',
      'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf',
      'half',
      'connection_lost',
    ],
    [
      'a chunk that is too short',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf',
      'half',
      'connection_lost',
    ],
    [
      'no last chunk',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n',
      'ab',
      'connection_lost',
    ],
    ['half a head', 'HTTP/1.1 200 OK\r\ncontent-le', '', 'connection_lost'],
    ['nothing', '', '', 'connection_lost'],
  ])('tells how it ends when the connection closes after %s', async (_name, text, body, ending) => {
    expect(await lastAnswer(text)).toMatchObject({ body, ending });
  });

  it.each([
    ['something else than HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
    [
      'both length headers',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    ],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!'],
    ['a length that is no number', 'HTTP/1.1 200 OK\r\ncontent-length: 2x\r\n\r\nok'],
    ['a chunk size that is no number', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nok\r\n'],
    [
      'a chunk that is longer than it says',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n',
    ],
    ['a field without a colon', 'HTTP/1.1 200 OK\r\nbroken\r\ncontent-length: 2\r\n\r\nok'],
    ['a head of 10 MB', `HTTP/1.1 200 OK\r\n${BIG_HEADER}content-length: 2\r\n\r\nok`],
  ])('refuses %s', async (_name, text) => {
    const outcome = await answer(text);
    // undici calls some of these a lost connection.
    expect(outcome.ending).toMatch(create === createHttp1Client ? 'malformed_answer' : /malformed|lost/);
    expect(outcome.body.length).toBeLessThan(3);
  });

  it('reads an answer that drips byte by byte', async () => {
    const text =
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\na: b\r\n\r\n';
    server.script = (socket) => {
      socket.setNoDelay(true);
      const next = (index: number): void => {
        if (index === text.length) return;
        socket.write(text.charAt(index));
        setTimeout(next, 1, index + 1);
      };
      next(0);
    };
    expect(await sendTo(client, requestTo(server.origin))).toMatchObject({
      body: 'abc0123456789',
      ending: 'end',
    });
  });

  it('reads heads and chunks that come in pieces', async () => {
    const text = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n';
    server.script = (socket) => {
      const pieces = [1, 9, 17, 30, 44, 45, 46, 47, 48, 50, 52, 55, 57, 60, 63, text.length];
      const next = (index: number): void => {
        if (index >= pieces.length) return;
        socket.write(text.slice(pieces[index - 1] ?? 0, pieces[index]));
        setTimeout(next, 2, index + 1);
      };
      next(0);
    };
    expect(await sendTo(client, requestTo(server.origin))).toMatchObject({ body: 'abcde', ending: 'end' });
  });

  it('uses a connection again', async () => {
    server.script = (socket) => void socket.write(OK);
    await sendTo(client, requestTo(server.origin));
    await nextTurn();
    await sendTo(client, requestTo(server.origin));
    expect(server.connections).toHaveLength(1);
  });

  it.each([
    ['its server says so', 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'],
    ['something stands behind the answer', `${OK}HTTP/1.1 200 OK\r\n`],
  ])('does not use a connection again when %s', async (_name, text) => {
    expect(await answer(text)).toMatchObject({ body: 'ok', ending: 'end' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await answer(OK)).toMatchObject({ body: 'ok', ending: 'end' });
    expect(server.connections).toHaveLength(2);
  });

  it('tries again once, on a new connection, when one that had served is closed at that moment', async () => {
    server.script = (socket, _request, count) => {
      if (count === 1 || server.connections.length > 1) socket.write(OK);
      else socket.destroy();
    };
    await sendTo(client, requestTo(server.origin));
    expect(await sendTo(client, requestTo(server.origin))).toMatchObject({ body: 'ok', ending: 'end' });
    expect(server.connections).toHaveLength(2);
  });

  it('does not try again what a new connection has lost, nor an answer that had begun', async () => {
    server.script = (socket) => socket.destroy();
    expect((await sendTo(client, requestTo(server.origin))).ending).toBe('connection_lost');
    expect(server.connections).toHaveLength(1);
    server.script = (socket, _request, count) => {
      if (count === 1) socket.write(OK);
      else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf', () => socket.destroy());
    };
    await sendTo(client, requestTo(server.origin));
    await nextTurn();
    const cut = await sendTo(client, requestTo(server.origin));
    expect(cut).toMatchObject({ status: 200, ending: 'connection_lost' });
    expect(server.connections).toHaveLength(2);
  });

  it('takes an answer that comes before its request is over', async () => {
    server.script = (socket) => void socket.write('HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig');
    const request = requestTo(server.origin, {
      body: Buffer.alloc(8 * MEBIBYTE, 97),
      headers: ['x-test', 'answer-early'],
    });
    expect(await sendTo(client, request)).toMatchObject({ status: 413, body: 'big', ending: 'end' });
    server.script = (socket) => void socket.write(OK);
    expect(await sendTo(client, requestTo(server.origin))).toMatchObject({ body: 'ok' });
    expect(server.connections).toHaveLength(2);
  });

  it('sends large bodies whole', async () => {
    let received = 0;
    server.script = (socket, request) => {
      received = request.length - request.indexOf('\r\n\r\n') - 4;
      socket.write(OK);
    };
    const body = Buffer.alloc(20 * MEBIBYTE, 97);
    expect(await sendTo(client, requestTo(server.origin, { body }))).toMatchObject({ body: 'ok' });
    expect(received).toBe(body.length);
  });

  it('says nothing more after an abort, and closes the connection', async () => {
    server.script = (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome');
    const heard: string[] = [];
    const closed = Promise.withResolvers<void>();
    const call = client.send(requestTo(server.origin), {
      onHead: () => heard.push('head'),
      onData: () => {
        heard.push('data');
        call.abort();
        server.connections[0]?.once('close', () => closed.resolve());
      },
      onEnd: () => heard.push('end'),
      onFailure: () => heard.push('failure'),
    });
    await closed.promise;
    call.abort();
    expect(heard).toEqual(['head', 'data']);
    const early = client.send(requestTo(server.origin), {
      onHead: () => heard.push('late'),
      onData: () => heard.push('late'),
      onEnd: () => heard.push('late'),
      onFailure: () => heard.push('late'),
    });
    early.abort();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(heard).toEqual(['head', 'data']);
  });

  it('holds its server back while it is paused, and loses nothing', async () => {
    const size = 30 * MEBIBYTE;
    let socket: Socket | undefined;
    server.script = (connection) => {
      socket = connection;
      connection.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
      connection.write(Buffer.alloc(size, 97));
    };
    let received = 0;
    const ended = Promise.withResolvers<void>();
    const call = client.send(requestTo(server.origin), {
      onHead: () => undefined,
      onData: (piece) => {
        if (received === 0) call.pause();
        received += piece.length;
      },
      onEnd: () => ended.resolve(),
      onFailure: () => ended.reject(new Error('cut')),
    });
    await expect.poll(() => received).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(received).toBeLessThan(2 * MEBIBYTE);
    expect(socket?.writableLength).toBeGreaterThan(0);
    call.resume();
    await ended.promise;
    expect(received).toBe(size);
  });

  it('keeps pieces as they were, whatever comes later', async () => {
    const line = (index: number) => `${String(index % 10).repeat(99)}\n`;
    server.script = async (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n');
      for (let index = 0; index < 200; index += 1)
        if (!socket.write(line(index))) await once(socket, 'drain');
      socket.end();
    };
    const outcome = await sendTo(client, requestTo(server.origin));
    expect(outcome.body).toBe(Array.from({ length: 200 }, (_, index) => line(index)).join(''));
  });

  it('says when it cannot connect, or not in time', async () => {
    const gone = await RawServer.start();
    const { origin } = gone;
    gone.stop();
    expect((await sendTo(client, requestTo(origin))).ending).toBe('connect_failed');
    const hasty = create({ connectTimeoutMs: 150, idleConnectionMs: 1_000 });
    // Accepts, and never answers the handshake.
    const mute = requestTo(server.origin.replace('http:', 'https:'));
    server.script = () => undefined;
    expect((await sendTo(hasty, mute)).ending).toBe('connect_failed');
    await hasty.close();
  });

  it('lets idle connections go', async () => {
    const brief = create({ connectTimeoutMs: 1_000, idleConnectionMs: 100 });
    server.script = (socket) => void socket.write(OK);
    await sendTo(brief, requestTo(server.origin));
    await expect.poll(() => server.connections[0]?.destroyed, { timeout: 5_000 }).toBe(true);
    await brief.close();
  });

  it('cuts requests under way when it is closed', async () => {
    server.script = (socket) => void socket.write('HTTP/1.1 200 OK\r\n\r\nsome');
    const outcome = sendTo(client, requestTo(server.origin));
    await expect.poll(() => server.connections.length).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await client.close();
    expect((await outcome).ending).not.toBe('end');
  });

  it('never sends a path or header that would break out of its line', async () => {
    server.script = (socket) => void socket.write(OK);
    for (const more of [{ path: '/a b' }, { path: '/a\r\nx: y' }, { headers: ['x', 'y\r\nz: 1'] }]) {
      const attempt = async () => (await sendTo(client, requestTo(server.origin, more))).ending;
      expect(await attempt().catch(() => 'thrown')).not.toBe('end');
    }
  });
});

describe('our own stack of connections', () => {
  it('takes the one that was used last, so that those too many grow old', async () => {
    const server = await RawServer.start();
    const client = createHttp1Client({ connectTimeoutMs: 1_000, idleConnectionMs: 30_000 });
    const served: number[] = [];
    server.script = (socket) => {
      served.push(server.connections.indexOf(socket));
      setTimeout(() => socket.write(OK), served.length === 1 ? 60 : 5);
    };
    await Promise.all([1, 2, 3].map(() => sendTo(client, requestTo(server.origin))));
    const last = served[0];
    for (let count = 0; count < 3; count += 1) await sendTo(client, requestTo(server.origin));
    expect(served.slice(3)).toEqual([last, last, last]);
    await client.close();
    server.stop();
  });
});

describe('interim heads', () => {
  it('are passed over by our own client, but not for ever', async () => {
    const server = await RawServer.start();
    const client = createHttp1Client({ connectTimeoutMs: 1_000, idleConnectionMs: 30_000 });
    const hint = 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n';
    server.script = (socket) => void socket.write(`HTTP/1.1 100 Continue\r\n\r\n${hint}${OK}`);
    expect(await sendTo(client, requestTo(server.origin))).toMatchObject({ body: 'ok', ending: 'end' });
    server.script = (socket) => void socket.write(hint.repeat(9) + OK);
    expect((await sendTo(client, requestTo(server.origin))).ending).toBe('malformed_answer');
    server.script = (socket) => void socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n');
    expect((await sendTo(client, requestTo(server.origin))).ending).toBe('malformed_answer');
    await client.close();
    server.stop();
  });
});

describe.each(clients)('%s over TLS', (_, create) => {
  let server: RawServer;
  const before = getCACertificates('default');

  beforeAll(async () => {
    server = await RawServer.start(true);
    server.script = (socket) => void socket.write(OK);
  });
  afterAll(() => {
    setDefaultCACertificates(before);
    server.stop();
  });

  it('asks only those whose certificate is trusted, and uses their connections again', async () => {
    const client = create({ connectTimeoutMs: 1_000, idleConnectionMs: 30_000 });
    setDefaultCACertificates(before);
    expect((await sendTo(client, requestTo(server.origin))).ending).toBe('connect_failed');
    setDefaultCACertificates([...before, TEST_AUTHORITY]);
    const trusting = create({ connectTimeoutMs: 1_000, idleConnectionMs: 30_000 });
    const secured = server.connections.length;
    expect(await sendTo(trusting, requestTo(server.origin))).toMatchObject({ body: 'ok', ending: 'end' });
    await nextTurn();
    expect(await sendTo(trusting, requestTo(server.origin))).toMatchObject({ body: 'ok', ending: 'end' });
    expect(server.connections.length).toBe(secured + 1);
    const text = 'z'.repeat(300_000);
    server.script = (socket) => void socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n${text}`);
    expect((await sendTo(trusting, requestTo(server.origin))).body).toBe(text);
    await Promise.all([client.close(), trusting.close()]);
  });
});
