import type { GraphQLError } from 'graphql';
import { createGraphQLError } from 'graphql-yoga';

/** The codes of top-level errors; everything that a mutation may expect is a user error instead. */
export type ApiErrorCode =
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'BAD_REQUEST'
  | 'BAD_USER_INPUT'
  | 'QUERY_TOO_COMPLEX'
  | 'TIMEOUT'
  | 'INTERNAL_SERVER_ERROR';

/** An error that callers may see. `status` sets the HTTP status of an answer without data. */
export function apiError(code: ApiErrorCode, message: string, status?: number): GraphQLError {
  return createGraphQLError(message, {
    extensions: { code, ...(status === undefined ? {} : { http: { status } }) },
  });
}

/** By name, as the libraries around do it: an error's class says nothing when a tool loads a second copy of graphql. */
export function isGraphqlError(error: unknown): error is GraphQLError {
  return error instanceof Error && error.name === 'GraphQLError';
}

export function unauthenticated(): GraphQLError {
  return apiError(
    'UNAUTHENTICATED',
    'Send a valid token in the header "authorization: Bearer <token>".',
    401,
  );
}

export function forbidden(): GraphQLError {
  return apiError('FORBIDDEN', 'This token may not do that.');
}

export function notFound(): GraphQLError {
  return apiError('NOT_FOUND', 'Nothing with this id exists, or it is not yours.');
}

export function timedOut(): GraphQLError {
  const message =
    'This took too long and was given up. A mutation may have taken effect: repeat it with the same idempotency key.';
  return apiError('TIMEOUT', message, 504);
}
