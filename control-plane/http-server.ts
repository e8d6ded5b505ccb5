import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { sql } from 'drizzle-orm';
import type { Logger } from 'pino';
import { AddressRanges, clientAddressOf } from '#shared/address-range.ts';
import { systemClock } from '#shared/clock.ts';
import { createIdMinter, formatId } from '#shared/identifiers.ts';
import { describeFault } from './describe-fault.ts';
import type { ApiResources } from './graphql/request-context.ts';
import { createGraphqlEndpoint } from './graphql/server.ts';
import type { HttpRoute } from './http-route.ts';
import { SIGN_IN_PATH } from './people/open-sign-in.ts';
import { serveSignIn } from './people/serve-sign-in.ts';

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
const MAX_HEADER_BYTES = 16 * 1024;
const CLOSE_GRACE_MS = 5_000;
const UNREAD_BODY_GRACE_MS = 1_000;
const READY_QUERY_TIMEOUT_MS = 2_000;
const PREFLIGHT_MAX_AGE_S = 600;

const mintRequestId = createIdMinter(systemClock);

export interface ApiServer {
  /** The port that it listens on. */
  readonly port: number;
  /** Stops listening and waits for the answers under way. */
  close(): Promise<void>;
}

/** Serves `/graphql`, `/healthz`, `/readyz` and further routes on `node:http`. Resolves once it listens. */
export async function startApiServer(
  resources: ApiResources,
  options: {
    readonly development: boolean;
    readonly logger: Logger;
    readonly bindAddress: string;
    readonly port: number;
    /** Addresses and CIDR ranges of proxies whose `x-forwarded-for` is believed. */
    readonly trustedProxies: readonly string[];
    /** Origins of consoles whose pages may call the API. */
    readonly consoleOrigins: readonly string[];
    readonly routes?: readonly HttpRoute[];
    /** Where browsers and mail links find this server; without a path. */
    readonly publicUrl: string;
  },
): Promise<ApiServer> {
  const graphql = createGraphqlEndpoint(resources, options);
  const trustedProxies = new AddressRanges(options.trustedProxies);
  const consoleOrigins = new Set(options.consoleOrigins);
  const ownOrigins = new Set([new URL(options.publicUrl).origin, ...options.consoleOrigins]);
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
    },
    (request, response) => {
      const requestId = formatId('UsageRecord', mintRequestId());
      response.setHeader('x-request-id', requestId);
      response.setHeader('cache-control', 'no-store');
      response.setHeader('x-content-type-options', 'nosniff');
      if (allowOrigin(request, response, consoleOrigins) === 'answered') return;
      const path = pathOf(request);
      const { socket } = request;
      // Tells proxies that buffer answers not to hold back what is sent bit by bit.
      if (request.headers.accept?.includes('text/event-stream') === true)
        response.setHeader('x-accel-buffering', 'no');
      response.once('finish', () => dropUnreadBody(request, socket));
      if (path === '/healthz') return answer(response, 200, { status: 'ok' });
      if (path === '/readyz') return void answerReadiness(resources, response);
      if (serveRoute(options.routes ?? [], path, request, response, options.logger)) return;
      const clientAddress = clientAddressOf(
        socket.remoteAddress ?? '',
        forwardedFor(request),
        trustedProxies,
      );
      if (path.startsWith(`${SIGN_IN_PATH}/`))
        return void serveSignIn(resources.signIn, request, response, {
          publicUrl: options.publicUrl,
          clientAddress,
          ownOrigins,
        }).catch(() => response.destroy());
      if (path !== '/graphql')
        return refuse(response, requestId, 404, 'NOT_FOUND', 'Nothing is served here.');
      if (request.method === 'POST' && !isJson(request))
        return refuse(
          response,
          requestId,
          415,
          'UNSUPPORTED_MEDIA_TYPE',
          'Send content-type: application/json.',
        );
      return void graphql.handle(request, response, { requestId, clientAddress }).catch((error: unknown) => {
        options.logger.error({ requestId, fault: describeFault(error) }, 'A GraphQL request failed');
        response.destroy();
      });
    },
  );
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
  await graphql.warmUp();
  await listen(server, options);
  return { port: (server.address() as AddressInfo).port, close: () => closeServer(server) };
}

/** Serves the route of this path, if there is one. */
function serveRoute(
  routes: readonly HttpRoute[],
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  logger: Logger,
): boolean {
  for (const route of routes) {
    const matched = route.method === request.method ? route.path.exec(path) : null;
    if (matched === null) continue;
    Promise.resolve(route.handle(request, response, matched)).catch((error: unknown) => {
      logger.error({ fault: describeFault(error) }, 'A request failed');
      if (!response.headersSent) answer(response, 500, { error: 'Something went wrong on our side.' });
      else response.destroy();
    });
    return true;
  }
  return false;
}

/** `''` where the target of the request is none, such as `//`. */
function pathOf(request: IncomingMessage): string {
  const base = 'http://localhost';
  const target = request.url ?? '/';
  return URL.canParse(target, base) ? new URL(target, base).pathname : '';
}

function forwardedFor({ headers }: IncomingMessage): string | undefined {
  const value = headers['x-forwarded-for'];
  return Array.isArray(value) ? value.join(',') : value;
}

/** Lets the pages of listed consoles, and of no others, read answers; answers their preflight requests. */
function allowOrigin(
  request: IncomingMessage,
  response: ServerResponse,
  consoleOrigins: ReadonlySet<string>,
): 'answered' | 'goes on' {
  const { origin } = request.headers;
  response.setHeader('vary', 'origin');
  if (origin === undefined || !consoleOrigins.has(origin)) return 'goes on';
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader('access-control-allow-credentials', 'true');
  response.setHeader('access-control-expose-headers', 'x-request-id, retry-after');
  if (request.method !== 'OPTIONS') return 'goes on';
  response.setHeader('access-control-allow-methods', 'GET, POST, OPTIONS');
  response.setHeader('access-control-allow-headers', 'authorization, content-type, idempotency-key');
  response.setHeader('access-control-max-age', String(PREFLIGHT_MAX_AGE_S));
  response.writeHead(204).end();
  return 'answered';
}

function listen(server: Server, { port, bindAddress }: { port: number; bindAddress: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, bindAddress, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Idle connections end at once, answers under way get a moment, and what still hangs then is cut off. */
function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const cutOff = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
    server.close(() => {
      clearTimeout(cutOff);
      resolve();
    });
    server.closeIdleConnections();
  });
}

/** A body that was refused unread would keep its connection busy: read on for a moment, so that the client sees the answer. */
function dropUnreadBody(request: IncomingMessage, socket: Socket): void {
  if (request.complete) return;
  request.resume();
  setTimeout(() => {
    if (!request.complete) socket.destroy();
  }, UNREAD_BODY_GRACE_MS).unref();
}

/** Browsers send no JSON to another origin without asking first, so this also keeps forged form posts out. */
function isJson(request: IncomingMessage): boolean {
  return /^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '');
}

/** Ready means that Postgres answers; Redis only takes the held amounts out of balances when it is away. */
async function answerReadiness({ database, redis }: ApiResources, response: ServerResponse): Promise<void> {
  const timeout = new Promise<boolean>((resolve) => {
    setTimeout(resolve, READY_QUERY_TIMEOUT_MS, false).unref();
  });
  const query = database.execute(sql`select 1`).then(
    () => true,
    () => false,
  );
  const postgres = await Promise.race([query, timeout]);
  answer(response, postgres ? 200 : 503, {
    status: postgres ? 'ready' : 'not_ready',
    postgres: postgres ? 'up' : 'down',
    redis: redis.status === 'ready' ? 'up' : 'down',
  });
}

function refuse(
  response: ServerResponse,
  requestId: string,
  status: number,
  code: string,
  message: string,
): void {
  answer(response, status, { errors: [{ message, extensions: { code, requestId } }] });
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}
