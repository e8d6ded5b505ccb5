import type { Redis } from 'ioredis';
import type { Database } from '#db/client.ts';
import type { GuardedFetcher } from '#shared/guarded-fetch.ts';
import type { SealingKey } from '#shared/sealed-secret.ts';
import type { AccountAccess } from '../accounts/account-access.ts';
import { type Actor, accountsWithin, reachOf } from '../accounts/authorize.ts';
import type { BillingContext } from '../billing/billing-context.ts';
import type { JobQueues } from '../jobs/job-queues.ts';
import type { LiveFeed } from '../live/live-feed.ts';
import type { Mailbox } from '../mail/open-mailbox.ts';
import type { SignIn } from '../people/open-sign-in.ts';
import type { RateLimiter } from '../rate-limit.ts';
import { unauthenticated } from './api-error.ts';
import { uuidOf } from './global-ids.ts';
import { permissionIn, rootRuleOf } from './permission-table.ts';

/** What the process gives every request. */
export interface ApiResources {
  /** Absent where no payments are taken. */
  readonly billing?: BillingContext;
  readonly queues: JobQueues;
  readonly database: Database;
  readonly redis: Redis;
  readonly sealingKey: SealingKey;
  readonly mailbox: Mailbox;
  /** Judges the URLs of webhook endpoints. */
  readonly webhookFetcher: GuardedFetcher;
  readonly signIn: SignIn;
  /** Says when accounts move, to live subscriptions. */
  readonly liveFeed: LiveFeed;
  readonly rateLimiter: RateLimiter;
  /** Where browsers find this server; without a path. */
  readonly publicUrl: string;
  /** How much each token and person may ask for in a minute; see `spendCost`. */
  readonly costPerMinute: number;
  /** How long a request may run before it is answered with an error. */
  readonly apiTimeoutMs: number;
}

/** What a live subscription knows of the request that began it. */
export interface LiveRequest {
  /** How many objects the pages of one event may hold; set before the subscription begins. */
  objectsPerEvent: number;
  /** Who the token or session belongs to now. Throws an error for callers, or returns nothing, where it has ended. */
  identifyAgain(): Promise<Actor | undefined>;
  onFault(error: unknown): void;
}

/** What one GraphQL request knows about itself. */
export interface RequestContext extends ApiResources {
  readonly requestId: string;
  /** Where the request came from, behind trusted proxies. */
  readonly clientAddress: string;
  /** `undefined`: no token was presented. */
  readonly actor: Actor | undefined;
  readonly access: AccountAccess;
  /** The `idempotency-key` header. */
  readonly idempotencyKey: string | undefined;
  /** What a subscription needs while it goes on. */
  readonly live: LiveRequest;
  /** Passed: the caller has an answer already, so nothing more is to begin. */
  readonly deadline: { passed: boolean };
}

/** The caller. Fields that need one are guarded by a scope already, so this only fails where that was forgotten. */
export function requireActor(context: RequestContext): Actor {
  if (!context.actor) throw unauthenticated();
  return context.actor;
}

/**
 * Whose objects a list field shows: those of the account that was asked for, if the caller may see them there, else those
 * of the caller's own accounts; `null`: everybody's, for operators who did not ask for one account. Never an empty list:
 * where nothing may be seen it names an account that does not exist.
 */
export async function accountsToList(
  context: RequestContext,
  queryField: string,
  accountId: string | number | null | undefined,
): Promise<readonly [string, ...string[]] | null> {
  const actor = requireActor(context);
  const permission = permissionIn(rootRuleOf('Query', queryField));
  const reach = permission === undefined ? { accountIds: [] } : reachOf(actor, permission);
  const nothing = uuidOf('Account', '');
  if (accountId !== null && accountId !== undefined) {
    const only = uuidOf('Account', accountId);
    return [(await accountsWithin(context.database, reach, [only])).has(only) ? only : nothing];
  }
  if (reach === 'everywhere') return null;
  const [first = nothing, ...rest] = reach.accountIds;
  return [first, ...rest];
}

/** Rows that the caller may see something of, by the account that each belongs to. For the loaders of single objects. */
export async function onlyVisible<Row>(
  { access }: RequestContext,
  rows: readonly Row[],
  accountIdOf: (row: Row) => string | null,
): Promise<Row[]> {
  await access.learn(rows.flatMap((row) => accountIdOf(row) ?? []));
  return rows.filter((row) => access.sees(accountIdOf(row)));
}
