import { initContextCache } from '@pothos/core';
import { createGraphQLError } from 'graphql-yoga';
import { systemClock } from '#shared/clock.ts';
import { type Actor, accountsWithin, actorIdOf, reachOf } from '../accounts/authorize.ts';
import { type Balance, readBalances } from '../ledger/read-balances.ts';
import { MAX_SUBSCRIPTIONS_PER_CALLER } from '../live/live-feed.ts';
import { openLiveStream } from '../live/live-stream.ts';
import { MAX_RECORDS_PER_EVENT, type NewUsage, newUsageReader } from '../live/new-usage.ts';
import { accountRef, balanceRef } from './account.ts';
import { apiError, isGraphqlError, notFound } from './api-error.ts';
import { builder } from './builder.ts';
import { uuidOf } from './global-ids.ts';
import { MAX_OBJECTS_PER_REQUEST } from './page-limits.ts';
import { permissionIn, rootRuleOf } from './permission-table.ts';
import { type RequestContext, requireActor } from './request-context.ts';
import { spendCost } from './spend-cost.ts';
import { usageRecordRef } from './usage-record.ts';

interface BalanceEvent {
  readonly accountId: string;
  readonly balance: Balance;
}

builder.subscriptionType({
  description:
    'What happens, as it happens, over server-sent events: POST with `accept: text/event-stream`. A stream ends when its token or session does.',
});

const balanceEventRef = builder.objectRef<BalanceEvent>('BalanceChangedEvent').implement({
  description: 'A balance as it is now.',
  fields: (t) => ({
    account: t.field({ type: accountRef, description: 'Whose it is.', resolve: (event) => event.accountId }),
    balance: t.field({ type: balanceRef, description: 'The balance.', resolve: (event) => event.balance }),
  }),
});

const usageEventRef = builder.objectRef<NewUsage>('UsageRecordedEvent').implement({
  description: 'Requests that were recorded since the event before.',
  fields: (t) => ({
    account: t.field({
      type: accountRef,
      description: 'Whose they are.',
      resolve: (event) => event.accountId,
    }),
    usageRecords: t.field({
      type: [usageRecordRef],
      description: `The newest ${MAX_RECORDS_PER_EVENT} at most, oldest first.`,
      resolve: (event) => [...event.records],
    }),
    more: t.exposeBoolean('more', {
      description: 'True where there were more than these; `usageRecords` of the query has them all.',
    }),
  }),
});

const accountArgument = builder.args((t) => ({
  accountId: t.id({ required: true, description: 'Global id of the account, `acct_…`.' }),
}));

builder.subscriptionFields((t) => ({
  balanceChanged: t.field({
    type: balanceEventRef,
    description: 'The balance of an account, at once and within seconds of each change.',
    args: accountArgument,
    subscribe: (_root, { accountId }, context) => {
      const id = uuidOf('Account', accountId);
      let before: Balance | undefined;
      return stream(context, 'balanceChanged', id, async () => {
        const [balance] = await readBalances(context.database, context.redis, [id]);
        if (balance === undefined || isSame(balance, before)) return undefined;
        before = balance;
        return { value: { accountId: id, balance }, objects: 1 };
      });
    },
    resolve: (event) => event,
  }),
  usageRecorded: t.field({
    type: usageEventRef,
    description: 'Requests of an account, within seconds of their end.',
    args: accountArgument,
    subscribe: (_root, { accountId }, context) => {
      const id = uuidOf('Account', accountId);
      if (context.live.objectsPerEvent * MAX_RECORDS_PER_EVENT > MAX_OBJECTS_PER_REQUEST)
        throw apiError(
          'QUERY_TOO_COMPLEX',
          'An event of this subscription could hold too many objects.',
          400,
        );
      const readNew = newUsageReader(context.database, id);
      return stream(context, 'usageRecorded', id, async () => {
        const usage = await readNew();
        return usage && { value: usage, objects: usage.records.length };
      });
    },
    resolve: (event) => event,
  }),
}));

function isSame(left: Balance, right: Balance | undefined): boolean {
  return left.ledgerNano === right?.ledgerNano && left.heldNano === right.heldNano;
}

/**
 * The events of one account for one caller: refused like a query of an account that is not the caller's, paid from the
 * caller's minute by what each event may hold, and ended when the caller's rights are no longer those it began with.
 */
async function stream<Event>(
  context: RequestContext,
  field: string,
  accountId: string,
  read: () => Promise<{ value: Event; objects: number } | undefined>,
): Promise<AsyncIterable<Event>> {
  const actor = requireActor(context);
  if (!(await mayRead(context, field, actor, accountId))) throw notFound();
  const events = openLiveStream<Event>({
    feed: context.liveFeed,
    clock: systemClock,
    caller: actorIdOf(actor),
    accountId,
    read: async () => {
      const event = await read();
      if (event === undefined) return undefined;
      const spent = await spendCost(context, event.objects * (1 + context.live.objectsPerEvent));
      if (spent.refusal) throw spent.refusal;
      // What earlier events have loaded is old by now.
      Object.assign(context, initContextCache());
      return event.value;
    },
    stillAllowed: async () => {
      const now = await identifyAgain(context);
      return (
        now !== undefined &&
        rightsOf(now) === rightsOf(actor) &&
        (await mayRead(context, field, now, accountId))
      );
    },
    onFault: context.live.onFault,
  });
  if (events === undefined) throw tooManySubscriptions();
  return events;
}

async function mayRead(
  { database }: RequestContext,
  field: string,
  actor: Actor,
  accountId: string,
): Promise<boolean> {
  const permission = permissionIn(rootRuleOf('Subscription', field));
  if (permission === undefined) return false;
  return (await accountsWithin(database, reachOf(actor, permission), [accountId])).has(accountId);
}

/** `undefined`: the token or session is no longer in force. */
async function identifyAgain({ live }: RequestContext): Promise<Actor | undefined> {
  try {
    return await live.identifyAgain();
  } catch (error) {
    if (isGraphqlError(error)) return undefined;
    throw error;
  }
}

/** A text that is another one as soon as any right is. */
function rightsOf(actor: Actor): string {
  switch (actor.kind) {
    case 'operator':
      return actor.tokenId;
    case 'management':
      return [actor.tokenId, ...actor.scopes].join(' ');
    case 'user':
      return [actor.userId, ...[...actor.roles].map((membership) => membership.join(':')).toSorted()].join(
        ' ',
      );
  }
}

function tooManySubscriptions() {
  return createGraphQLError(
    `A caller may have ${MAX_SUBSCRIPTIONS_PER_CALLER} subscriptions open at one time.`,
    { extensions: { code: 'RATE_LIMITED', http: { status: 429 } } },
  );
}
