import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, createServer as createHttp2Server } from 'node:http2';
import { createServer, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { createHttp1Client } from '#data-plane/upstream/http1-client.ts';

/**
 * Whether one HTTP/2 connection with many streams would cost less per chunk than a connection per stream with our own
 * HTTP/1.1 client: `node test/bench/http2-main.ts`. The provider is a process of its own and speaks both, without TLS;
 * measured is the CPU of the client, which does nothing with what it reads.
 */
const { values } = parseArgs({
  options: {
    serve: { type: 'boolean', default: false },
    streams: { type: 'string', default: '100' },
    // Providers allow about so many.
    'per-connection': { type: 'string', default: '100' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
  },
});
const DELAY_MS = 5;
const CHUNKS = 64;
const EVENT = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"bench","choices":[{"index":0,"delta":{"content":"${'w'.repeat(160)}"},"finish_reason":null}]}\n\n`;
const BODY = Buffer.from('{"model":"bench","stream":true,"messages":[{"role":"user","content":"Hello"}]}');

/** Calls `write` every 5 ms, 64 times, then `end`. */
function drip(write: () => void, end: () => void): void {
  let sent = 0;
  const timer = setInterval(() => {
    sent += 1;
    write();
    if (sent < CHUNKS) return;
    clearInterval(timer);
    end();
  }, DELAY_MS);
}

function serve(): void {
  const http2 = createHttp2Server((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    drip(
      () => void response.write(EVENT),
      () => void response.end(),
    );
  });
  const chunk = `${EVENT.length.toString(16)}\r\n${EVENT}\r\n`;
  const http1 = createServer((socket: Socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    // Head and body of these requests come in one piece.
    socket.on('data', () => {
      socket.write(
        'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n',
      );
      drip(
        () => void socket.write(chunk),
        () => void socket.write('0\r\n\r\n'),
      );
    });
  });
  http2.listen(0, '127.0.0.1', () =>
    http1.listen(0, '127.0.0.1', () => {
      const ports = [http2.address(), http1.address()].map((address) => (address as { port: number }).port);
      process.stdout.write(JSON.stringify(ports));
    }),
  );
}

type Ask = () => Promise<number>;

function overHttp1(port: number): { ask: Ask; close(): void } {
  const client = createHttp1Client({ connectTimeoutMs: 5_000, idleConnectionMs: 30_000 });
  const headers = ['content-type', 'application/json'];
  const request = { origin: `http://127.0.0.1:${port}`, path: '/v1/chat/completions', headers, body: BODY };
  const ask: Ask = () =>
    new Promise((resolve, reject) => {
      let bytes = 0;
      client.send(request, {
        onHead: () => undefined,
        onData: (piece) => {
          bytes += piece.length;
        },
        onEnd: () => resolve(bytes),
        onFailure: (failure) => reject(new Error(failure)),
      });
    });
  return { ask, close: () => void client.close() };
}

function overHttp2(port: number): { ask: Ask; close(): void } {
  const wanted = Math.ceil(Number(values.streams) / Number(values['per-connection']));
  const sessions: ClientHttp2Session[] = Array.from({ length: wanted }, () =>
    connect(`http://127.0.0.1:${port}`),
  );
  let turn = 0;
  const ask: Ask = () =>
    new Promise((resolve, reject) => {
      let bytes = 0;
      turn = (turn + 1) % sessions.length;
      const stream = sessions[turn]?.request({ ':method': 'POST', ':path': '/v1/chat/completions' });
      if (stream === undefined) throw new Error('There is no connection');
      stream.on('data', (piece: Buffer) => {
        bytes += piece.length;
      });
      stream.on('end', () => resolve(bytes));
      stream.on('error', reject);
      stream.end(BODY);
    });
  return { ask, close: () => sessions.forEach((session) => void session.close()) };
}

/** CPU of this process per chunk, µs. */
async function costOf(ask: Ask): Promise<number> {
  const run = async (durationMs: number): Promise<number> => {
    const untilMs = performance.now() + durationMs;
    let bytes = 0;
    const one = async (): Promise<void> => {
      while (performance.now() < untilMs) {
        const received = await ask();
        bytes += received;
      }
    };
    await Promise.all(Array.from({ length: Number(values.streams) }, one));
    return bytes / EVENT.length;
  };
  await run(1_500);
  const before = process.cpuUsage();
  const chunks = await run(Number(values.seconds) * 1_000);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / chunks;
}

async function compare(): Promise<void> {
  const provider = spawn(process.execPath, [import.meta.filename, '--serve'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said] = (await once(provider.stdout, 'data')) as [Buffer];
  const [http2Port = 0, http1Port = 0] = JSON.parse(said.toString()) as number[];
  for (let round = 1; round <= Number(values.rounds); round += 1)
    for (const [name, open, port] of [
      ['own HTTP/1.1', overHttp1, http1Port],
      ['node:http2', overHttp2, http2Port],
    ] as const) {
      const client = open(port);
      const cost = await costOf(client.ask);
      client.close();
      process.stdout.write(
        `round ${round}, ${values.streams} streams, ${name}: ${cost.toFixed(1)} µs of CPU per chunk\n`,
      );
    }
  provider.kill();
}

if (values.serve) serve();
else await compare();
