import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '#shared/clock.ts';
import { answerRequest, type Exchange, type SandboxParts, sendWireError } from './answer-request.ts';
import type { PaceSettings } from './pace.ts';
import { createPromptCache } from './prompt-cache.ts';
import { chooseProtocol } from './protocol-of-path.ts';
import type { WireError } from './wire-error.ts';

const LOOPBACK = '127.0.0.1';
const MAX_BODY_BYTES = 64 * 1024 * 1024;
/** Longer than the idle time of any client pool, so that the client is always the one to close. */
const KEEP_ALIVE_MS = 120_000;

export interface Sandbox {
  /** Base URL as a vendor's SDK would take it: ends in `/v1`. */
  readonly baseUrl: string;
  close(): Promise<void>;
}

/** Starts the sandbox provider on the loopback interface. Rejects when the port is taken. */
export async function startSandbox(port: number, pace: PaceSettings, clock: Clock): Promise<Sandbox> {
  const parts: SandboxParts = { clock, pace, promptCache: createPromptCache() };
  const server = createServer((request, response) => {
    void answer(request, response, parts);
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  // A directive may ask for ten minutes of silence.
  server.requestTimeout = 0;
  await listen(server, port);
  const { port: boundPort } = server.address() as AddressInfo;
  return {
    baseUrl: `http://${LOOPBACK}:${boundPort}/v1`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, LOOPBACK, resolve);
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  parts: SandboxParts,
): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  response.setHeader('x-request-id', `req_${randomBytes(12).toString('hex')}`);
  const url = new URL(request.url ?? '/', `http://${LOOPBACK}`);
  const { protocol, answers } = chooseProtocol(url.pathname);
  const target = { path: url.pathname, query: url.searchParams };
  const exchange: Exchange = { protocol, target, response, gone: gone.signal };
  try {
    if (request.method === 'POST' && answers) await answerPost(request, exchange, parts);
    else {
      request.resume();
      answerOther(request.method ?? '', exchange, parts);
    }
  } catch (error) {
    // A client that leaves aborts every wait; anything else is a bug of the sandbox, which says so and stays up.
    if (gone.signal.aborted) return;
    if (response.headersSent) response.destroy();
    else sendWireError(response, protocol, wireError(500, `The sandbox failed: ${(error as Error).name}`));
  }
}

async function answerPost(request: IncomingMessage, exchange: Exchange, parts: SandboxParts): Promise<void> {
  const { response, protocol } = exchange;
  const body = await readJson(request);
  if (body === TOO_LARGE) sendWireError(response, protocol, wireError(413, 'The body is too large.'));
  else if (body === undefined)
    sendWireError(response, protocol, wireError(400, 'The body of the request is no JSON.'));
  else await answerRequest(body, exchange, parts);
}

function answerOther(
  method: string,
  { target, protocol, response }: Exchange,
  { clock }: SandboxParts,
): void {
  const { path } = target;
  const body = method === 'GET' ? describe(path, clock) : undefined;
  if (body !== undefined) sendJson(response, body);
  else sendWireError(response, protocol, wireError(404, `Unknown request URL: ${method} ${path}`));
}

function describe(path: string, clock: Clock): object | undefined {
  if (path === '/v1/models') return modelList(clock);
  if (path.startsWith('/v1/models/'))
    return modelObject(decodeURIComponent(path.slice('/v1/models/'.length)), clock);
  return path === '/healthz' ? { status: 'ok' } : undefined;
}

const TOO_LARGE = Symbol('too large');

/** The parsed body; `undefined` when it is no JSON. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return TOO_LARGE;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    return undefined;
  }
}

function sendJson(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

/** It answers for any name, so the list holds one that stands for all. */
function modelList(clock: Clock): object {
  return { object: 'list', data: [modelObject('sandbox', clock)] };
}

function modelObject(id: string, clock: Clock): object {
  return { id, object: 'model', created: Math.floor(clock.nowMs() / 1000), owned_by: 'crossmodel-sandbox' };
}

function wireError(status: number, message: string): WireError {
  return { status, message, param: null, code: null };
}
