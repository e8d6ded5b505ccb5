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
  readonly requested: number;
  readonly limitPerMinute: number;
  readonly remaining: number;
  readonly resetSeconds: number;
}

/**
 * Takes the cost of a request from its caller's minute: each token and person has one of its own, callers without either
 * share that of their address.
 */
export async function spendCost(
  { actor, clientAddress, rateLimiter, costPerMinute }: RequestContext,
  objects: number,
): Promise<{ cost: CostReport; refusal?: GraphQLError }> {
  const requested = BASE_COST + objects;
  const caller = actor ? `api:${actorIdOf(actor)}` : `api:address:${clientAddress}`;
  const max = actor ? costPerMinute : ANONYMOUS_COST_PER_MINUTE;
  const verdict = await rateLimiter.spend(caller, { max, windowSeconds: WINDOW_SECONDS }, requested);
  const { remaining, resetSeconds } = verdict;
  const cost = { requested, limitPerMinute: max, remaining, resetSeconds };
  if (verdict.allowed) return { cost };
  return {
    cost,
    refusal: createGraphQLError('This caller has asked for too much in this minute; try again later.', {
      extensions: {
        code: 'RATE_LIMITED',
        retryAfterSeconds: resetSeconds,
        http: { status: 429, headers: { 'retry-after': String(resetSeconds) } },
      },
    }),
  };
}
