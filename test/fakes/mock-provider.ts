import { randomBytes } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '#shared/clock.ts';
import { MockBook } from './mock-book.ts';
import { answerCompletion } from './mock-completion.ts';
import { type MockScript, readMessageScript } from './mock-script.ts';

const REMEMBERED_CALLS = 5_000;
const KEEP_ALIVE_MS = 300_000;

/** A request as it arrived. Kept in memory only. */
export interface ReceivedCall {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The id of the completion that answered it, `null` for other calls. */
  readonly completionId: string | null;
}

export interface MockProviderOptions {
  /** 0 or absent: a free port. */
  readonly port?: number;
  /** Where the book is kept; absent: in memory only. */
  readonly bookPath?: string;
  /** What to do with a request that carries no script of its own. */
  readonly script?: MockScript;
  /** The credential to insist on: other calls get a 401 as OpenAI words it. */
  readonly requiredKey?: string;
}

/**
 * A provider that speaks OpenAI Chat Completions and keeps its own book. It knows nothing of the product: it is the oracle
 * that the product's records are held against, and it fails on demand in all the ways that providers do.
 */
export interface MockProvider {
  /** As a vendor's SDK takes it: ends in `/v1`. */
  readonly baseUrl: string;
  readonly port: number;
  readonly book: MockBook;
  /** The most recent calls, oldest first. */
  readonly calls: readonly ReceivedCall[];
  script: MockScript;
  /** The call that was answered with this completion id. */
  callOf(completionId: string): ReceivedCall | undefined;
  close(): Promise<void>;
}

export async function startMockProvider(options: MockProviderOptions = {}): Promise<MockProvider> {
  const book = new MockBook(options.bookPath);
  const calls: ReceivedCall[] = [];
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const provider: MockProvider = {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    port,
    book,
    calls,
    script: options.script ?? {},
    callOf: (completionId) => calls.find((call) => call.completionId === completionId),
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          book.close();
          resolve();
        });
        server.closeAllConnections();
      }),
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    const path = request.url ?? '/';
    const isCompletion = request.method === 'POST' && path.split('?', 1)[0] === '/v1/chat/completions';
    const completionId = isCompletion ? `chatcmpl-mock-${randomBytes(16).toString('hex')}` : null;
    calls.push({ method: request.method ?? '', path, headers: request.headers, body, completionId });
    if (calls.length > REMEMBERED_CALLS) calls.shift();
    if (
      options.requiredKey !== undefined &&
      request.headers.authorization !== `Bearer ${options.requiredKey}`
    )
      return sendJson(response, 401, errorBody('Incorrect API key provided.', 'invalid_api_key'));
    if (completionId !== null) {
      const parsed = parseJson(body);
      const script = readMessageScript(parsed) ?? provider.script;
      return answerCompletion({ id: completionId, body: parsed, script, response, book, clock: systemClock });
    }
    if (path === '/__book') return sendJson(response, 200, JSON.stringify(book.entries));
    if (path === '/__script') {
      provider.script = (parseJson(body) ?? {}) as MockScript;
      return sendJson(response, 200, JSON.stringify(provider.script));
    }
    if (path === '/v1/models') return sendJson(response, 200, JSON.stringify({ object: 'list', data: [] }));
    sendJson(response, 404, errorBody(`Unknown request URL: ${request.method} ${path}`, null));
  }
  return provider;
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

function sendJson(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body);
}

function errorBody(message: string, code: string | null): string {
  return JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code } });
}
