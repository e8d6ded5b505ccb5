import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { useDisableIntrospection } from '@graphql-yoga/plugin-disable-introspection';
import type { GraphQLError } from 'graphql';
import { createGraphQLError, createYoga, type Plugin } from 'graphql-yoga';
import type { Logger } from 'pino';
import { AccountAccess } from '../accounts/account-access.ts';
import { authenticateToken } from '../accounts/authenticate-token.ts';
import { describeFault } from '../describe-fault.ts';
import { authenticateSession } from '../people/authenticate-session.ts';
import { isOwnPage } from '../people/own-page.ts';
import { apiError, isGraphqlError, timedOut, unauthenticated } from './api-error.ts';
import { queryLimits } from './query-limits.ts';
import type { ApiResources, RequestContext } from './request-context.ts';
import { schema } from './schema.ts';

/** What the HTTP server hands over with each request. */
export interface ServerContext {
  readonly requestId: string;
  readonly clientAddress: string;
}

/** Room for a thousand keys with limits and aliases in one call. */
const MAX_BODY_BYTES = 2 * 1024 * 1024;
/** For log lines of places that Yoga calls without its context. */
const requestIds = new AsyncLocalStorage<string>();
/** Part of the names of the session cookie, with and without its `__Secure-`. */
const SESSION_COOKIE = 'crossmodel.session_token=';
const BEARER = /^Bearer +(\S+)$/i;

const WELCOME_QUERY = `# Put your token into the headers below: {"authorization": "Bearer <token>"}
{
  viewer {
    kind
    account { name balance { availableUsd heldUsd } }
  }
}
`;

export interface GraphqlEndpoint {
  /** A request handler for `node:http`. */
  handle(request: IncomingMessage, response: ServerResponse, context: ServerContext): Promise<void>;
  /** Does what is done at the first request only, such as the check of the schema, before anybody waits for it. */
  warmUp(): Promise<void>;
}

/** Serves GraphQL at `/graphql`. */
export function createGraphqlEndpoint(
  resources: ApiResources,
  options: {
    readonly development: boolean;
    readonly logger: Logger;
    readonly publicUrl: string;
    readonly consoleOrigins: readonly string[];
  },
): GraphqlEndpoint {
  const ownOrigins = new Set([new URL(options.publicUrl).origin, ...options.consoleOrigins]);
  const yoga = createYoga<ServerContext, RequestContext>({
    schema,
    graphqlEndpoint: '/graphql',
    landingPage: false,
    graphiql: options.development && { title: 'CrossModel', defaultQuery: WELCOME_QUERY },
    cors: false,
    multipart: false,
    batching: false,
    maxRequestBodySize: MAX_BODY_BYTES,
    logging: false,
    context: async ({ request, requestId, clientAddress }) => {
      const identifyCaller = () => identify(resources, request, { clientAddress, ownOrigins });
      const actor = await identifyCaller();
      return {
        ...resources,
        requestId,
        clientAddress,
        actor,
        access: new AccountAccess(resources.database, actor),
        idempotencyKey: request.headers.get('idempotency-key') ?? undefined,
        deadline: { passed: false },
        live: {
          objectsPerEvent: 0,
          identifyAgain: identifyCaller,
          onFault: (error) => {
            if (!isGraphqlError(error))
              options.logger.warn(
                { requestId, fault: describeFault(error) },
                'A live subscription was cut short',
              );
          },
        },
      };
    },
    maskedErrors: { maskError: (error) => maskError(error, options.logger) },
    plugins: [
      ...queryLimits({ suggestFields: options.development }),
      ...(options.development ? [] : [useDisableIntrospection()]),
      nameRequestInErrors,
    ],
  });
  return {
    handle: async (request, response, context) => {
      await requestIds.run(context.requestId, () => yoga(request, response, context));
    },
    warmUp: async () => {
      const response = await yoga.fetch(
        new URL('/graphql', options.publicUrl),
        {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ query: WELCOME_QUERY }),
        },
        { requestId: 'warm-up', clientAddress: 'warm-up' },
      );
      // Refused, as nobody asks: but parsed, checked and begun. No store needs to be there for that.
      await response.text();
    },
  };
}

/**
 * A token goes before a session. Neither is an anonymous caller, to whom every field is closed; a wrong token is refused
 * before anything runs.
 */
async function identify(
  { database, signIn }: ApiResources,
  request: Request,
  from: { readonly clientAddress: string; readonly ownOrigins: ReadonlySet<string> },
): Promise<RequestContext['actor']> {
  const authorization = request.headers.get('authorization');
  if (authorization !== null) {
    const token = BEARER.exec(authorization)?.[1];
    const actor =
      token === undefined ? undefined : await authenticateToken(database, token, from.clientAddress);
    if (!actor) throw unauthenticated();
    return actor;
  }
  const cookie = request.headers.get('cookie');
  if (cookie === null || !cookie.includes(SESSION_COOKIE)) return undefined;
  const page = {
    origin: request.headers.get('origin') ?? undefined,
    fetchSite: request.headers.get('sec-fetch-site') ?? undefined,
  };
  // Only POST: what a link can make a browser do must do nothing.
  if (request.method !== 'POST' || !isOwnPage(page, from.ownOrigins))
    throw apiError('FORBIDDEN', 'A session works only from pages of this installation.', 403);
  return await authenticateSession(database, signIn, cookie);
}

/** Errors made for the caller pass; everything else is a fault of ours, which is logged and not shown. */
function maskError(error: unknown, logger: Logger): Error {
  const cause = isGraphqlError(error) ? error.originalError : error;
  if (isGraphqlError(error) && (cause === undefined || isGraphqlError(cause))) return error;
  if (isCancelledStatement(cause)) return timedOut();
  if (isUnstorableText(cause))
    return apiError('BAD_USER_INPUT', 'A text contains a character that cannot be stored.');
  logger.error({ requestId: requestIds.getStore(), fault: describeFault(cause) }, 'A GraphQL request failed');
  const message = 'Something went wrong on our side.';
  return rewriteError(isGraphqlError(error) ? error : {}, message, {
    code: 'INTERNAL_SERVER_ERROR',
    unexpected: true,
  });
}

/** Postgres has no NUL in texts. That is found out late, in the query, but it is the caller's mistake. */
function isUnstorableText(error: unknown): boolean {
  const CHARACTER_NOT_IN_REPERTOIRE = '22021';
  return codeOfPostgres(error) === CHARACTER_NOT_IN_REPERTOIRE;
}

/** The statement ran into the time limit of its connection. */
function isCancelledStatement(error: unknown): boolean {
  const QUERY_CANCELED = '57014';
  return codeOfPostgres(error) === QUERY_CANCELED;
}

function codeOfPostgres(error: unknown): unknown {
  for (let cause = error; cause instanceof Error; cause = cause.cause) if ('code' in cause) return cause.code;
  return undefined;
}

/** Nobody reads more, and a hostile request could have its own long texts repeated a hundred times. */
const MAX_ERRORS = 10;
const MAX_MESSAGE_LENGTH = 500;

/** Puts the request id into every error, so that a report can be found in the logs, and shortens what is too long. */
const nameRequestInErrors: Plugin<RequestContext, ServerContext> = {
  onResultProcess({ result, setResult, serverContext }) {
    if (Array.isArray(result) || !('errors' in result) || !result.errors) return;
    setResult({
      ...result,
      errors: result.errors.slice(0, MAX_ERRORS).map((error) =>
        rewriteError(error, clipped(error.message), {
          code: 'BAD_USER_INPUT',
          ...error.extensions,
          // Yoga gives errors of its parser a status that plain JSON clients do not get to see.
          ...(error.extensions.code === 'QUERY_TOO_COMPLEX' ? { http: { status: 400 } } : {}),
          requestId: serverContext.requestId,
        }),
      ),
    });
  },
};

function clipped(message: string): string {
  return message.length <= MAX_MESSAGE_LENGTH ? message : `${message.slice(0, MAX_MESSAGE_LENGTH)}…`;
}

/** The same error in the same place of the answer, with another message and other extensions. */
function rewriteError(
  { nodes, source, positions, path, originalError }: Partial<GraphQLError>,
  message: string,
  extensions: Readonly<Record<string, unknown>>,
): GraphQLError {
  const keptCause = isGraphqlError(originalError) ? originalError : undefined;
  return createGraphQLError(message, {
    ...(nodes && { nodes }),
    ...(source && { source }),
    ...(positions && { positions }),
    ...(path && { path }),
    ...(keptCause && { originalError: keptCause }),
    extensions: { ...extensions },
  });
}
