import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { useDisableIntrospection } from '@graphql-yoga/plugin-disable-introspection';
import type { GraphQLError } from 'graphql';
import { createGraphQLError, createYoga, type Plugin } from 'graphql-yoga';
import type { Logger } from 'pino';
import { AccountAccess } from '../accounts/account-access.ts';
import { authenticateToken } from '../accounts/authenticate-token.ts';
import { describeFault } from '../describe-fault.ts';
import { apiError, isGraphqlError, unauthenticated } from './api-error.ts';
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
const BEARER = /^Bearer +(\S+)$/i;

const WELCOME_QUERY = `# Put your token into the headers below: {"authorization": "Bearer <token>"}
{
  viewer {
    kind
    account { name balance { availableUsd heldUsd } }
  }
}
`;

export type GraphqlHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  context: ServerContext,
) => Promise<void>;

/** The GraphQL endpoint as a request handler for `node:http`. */
export function createGraphqlHandler(
  resources: ApiResources,
  options: { readonly development: boolean; readonly logger: Logger },
): GraphqlHandler {
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
      const actor = await identify(resources, request.headers.get('authorization'), clientAddress);
      return {
        ...resources,
        requestId,
        clientAddress,
        actor,
        access: new AccountAccess(resources.database, actor),
        idempotencyKey: request.headers.get('idempotency-key') ?? undefined,
      };
    },
    maskedErrors: { maskError: (error) => maskError(error, options.logger) },
    plugins: [
      ...queryLimits({ suggestFields: options.development }),
      ...(options.development ? [] : [useDisableIntrospection()]),
      nameRequestInErrors,
    ],
  });
  return async (request, response, context) => {
    await requestIds.run(context.requestId, () => yoga(request, response, context));
  };
}

/** No token is an anonymous caller, to whom every field is closed; a wrong one is refused before anything runs. */
async function identify(
  { database }: ApiResources,
  authorization: string | null,
  clientAddress: string,
): Promise<RequestContext['actor']> {
  if (authorization === null) return undefined;
  const token = BEARER.exec(authorization)?.[1];
  const actor = token === undefined ? undefined : await authenticateToken(database, token, clientAddress);
  if (!actor) throw unauthenticated();
  return actor;
}

/** Errors made for the caller pass; everything else is a fault of ours, which is logged and not shown. */
function maskError(error: unknown, logger: Logger): Error {
  const cause = isGraphqlError(error) ? error.originalError : error;
  if (isGraphqlError(error) && (cause === undefined || isGraphqlError(cause))) return error;
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
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === CHARACTER_NOT_IN_REPERTOIRE;
}

/** Puts the request id into every error, so that a report can be found in the logs. */
const nameRequestInErrors: Plugin<RequestContext, ServerContext> = {
  onResultProcess({ result, setResult, serverContext }) {
    if (Array.isArray(result) || !('errors' in result) || !result.errors) return;
    setResult({
      ...result,
      errors: result.errors.map((error) =>
        rewriteError(error, error.message, {
          ...error.extensions,
          // Yoga gives errors of its parser a status that plain JSON clients do not get to see.
          ...(error.extensions.code === 'QUERY_TOO_COMPLEX' ? { http: { status: 400 } } : {}),
          requestId: serverContext.requestId,
        }),
      ),
    });
  },
};

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
