import type { GraphQLError } from 'graphql';
import { createGraphQLError } from 'graphql-yoga';
import { actorIdOf } from '../accounts/authorize.ts';
import type { RequestContext } from './request-context.ts';

/** What a request costs beside the objects of its pages. */
const BASE_COST = 10;
const WINDOW_SECONDS = 60;
/** Whoever shows no token may only be refused, so a few tries are enough. */
const ANONYMOUS_COST_PER_MINUTE = 30_000;

/** What callers see in `extensions.cost`. */
export interface CostReport {
  /** What was set aside before it ran: every page full. */
  readonly requested: number;
  /** What it has cost in the end; the rest was given back. */
  readonly actual: number;
  readonly limitPerMinute: number;
  readonly remaining: number;
  readonly resetSeconds: number;
}

type Spent =
  | { readonly refusal: GraphQLError }
  | {
      readonly refusal?: never;
      /** Gives back what the request did not return; says what it has cost. */
      settle(returnedObjects: number): Promise<CostReport>;
    };

/**
 * Takes the cost of a request from its caller's minute: each token and person has one of its own, callers without either
 * share that of their address. A refused request costs nothing.
 */
export async function spendCost(
  { actor, clientAddress, rateLimiter, costPerMinute }: RequestContext,
  objects: number,
): Promise<Spent> {
  const requested = BASE_COST + objects;
  const caller = actor ? `api:${actorIdOf(actor)}` : `api:address:${clientAddress}`;
  const max = actor ? costPerMinute : ANONYMOUS_COST_PER_MINUTE;
  const window = { max, windowSeconds: WINDOW_SECONDS };
  const verdict = await rateLimiter.spend(caller, window, requested);
  const { remaining, resetSeconds } = verdict;
  if (!verdict.allowed) {
    await rateLimiter.giveBack(verdict, requested);
    return { refusal: rateLimited(resetSeconds) };
  }
  return {
    settle: async (returnedObjects) => {
      const unused = objects - returnedObjects;
      if (unused > 0) await rateLimiter.giveBack(verdict, unused);
      return {
        requested,
        actual: requested - unused,
        limitPerMinute: max,
        remaining: remaining + unused,
        resetSeconds,
      };
    },
  };
}

function rateLimited(resetSeconds: number): GraphQLError {
  return createGraphQLError('This caller has asked for too much in this minute; try again later.', {
    extensions: {
      code: 'RATE_LIMITED',
      retryAfterSeconds: resetSeconds,
      http: { status: 429, headers: { 'retry-after': String(resetSeconds) } },
    },
  });
}
