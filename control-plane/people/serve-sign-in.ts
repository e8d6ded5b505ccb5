import type { IncomingMessage, ServerResponse } from 'node:http';
import { CLIENT_ADDRESS_HEADER, type SignIn } from './open-sign-in.ts';
import { isOwnPage } from './own-page.ts';

const MAX_BODY_BYTES = 64 * 1024;

/** Answers one request of the sign-in paths on `node:http`. The client's address is ours to say, not the client's. */
export async function serveSignIn(
  signIn: SignIn,
  request: IncomingMessage,
  response: ServerResponse,
  call: {
    readonly publicUrl: string;
    readonly clientAddress: string;
    readonly ownOrigins: ReadonlySet<string>;
  },
): Promise<void> {
  const page = {
    origin: request.headers.origin,
    fetchSite: request.headers['sec-fetch-site']?.toString(),
  };
  if (request.method !== 'GET' && !isOwnPage(page, call.ownOrigins))
    return refuse(response, 403, 'INVALID_ORIGIN', 'Signing in works only from pages of this installation.');
  const body = await readBody(request);
  if (body === 'too large') {
    // What was not read is in the way of a next request on this connection.
    response.setHeader('connection', 'close');
    return refuse(response, 413, 'PAYLOAD_TOO_LARGE', 'The body is too large.');
  }
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers))
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  headers.set(CLIENT_ADDRESS_HEADER, call.clientAddress);
  // Programs send no origin. No page is behind them, which has just been judged; the library would ask for one again.
  if (!headers.has('origin')) headers.set('origin', new URL(call.publicUrl).origin);
  const method = request.method ?? 'GET';
  const hasBody = method !== 'GET' && method !== 'HEAD' && body.length > 0;
  const answer = await signIn.handler(
    new Request(new URL(request.url ?? '/', call.publicUrl), {
      method,
      headers,
      ...(hasBody && { body: new Uint8Array(body) }),
    }),
  );
  response.statusCode = answer.status;
  answer.headers.forEach((value, name) => {
    if (name !== 'set-cookie') response.setHeader(name, value);
  });
  const cookies = answer.headers.getSetCookie();
  if (cookies.length > 0) response.setHeader('set-cookie', cookies);
  response.end(Buffer.from(await answer.arrayBuffer()));
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify({ code, message }));
}

async function readBody(request: IncomingMessage): Promise<Buffer | 'too large'> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    length += bytes.length;
    if (length > MAX_BODY_BYTES) return 'too large';
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}
