import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBilling } from '#control-plane/billing/billing-part.ts';
import { reconcileWithStripe } from '#control-plane/billing/reconcile-with-stripe.ts';
import { JobQueues } from '#control-plane/jobs/job-queues.ts';
import { testRedisUrl } from '#test/setup/test-backends.ts';
import {
  type BillingFixture,
  CARD_THAT_ASKS,
  CARD_THAT_FAILS_LATER,
  GOOD_CARD,
  startBilling,
} from './billing-fixture.ts';

let billing: BillingFixture;
let queues: JobQueues;
beforeAll(async () => {
  billing = await startBilling();
  queues = new JobQueues(await testRedisUrl(), pino({ level: 'silent' }));
});
afterAll(async () => {
  await queues.close();
  await billing.close();
});

async function reconcileAfter(topUpId: string, interval: string): Promise<void> {
  const id = topUpId.replace('topup_', '');
  await billing.api.sql`
    update top_ups set created_at = now() - ${interval}::interval, updated_at = now() - ${interval}::interval
    where id = ${id}`;
  await reconcileWithStripe(openBilling(billing.api.database, billing.settings), queues);
}

async function topUpOf(topUpId: string) {
  const { data } = await billing.api.call(
    'query ($id: ID!) { node(id: $id) { ... on TopUp { status failureCode failureMessage creditedAt } } }',
    { variables: { id: topUpId } },
  );
  return data.node;
}

describe('on the Checkout page', () => {
  it('an Alipay payment that fails late ends as FAILED, and nothing is credited', async () => {
    const accountId = await billing.openAccount();
    const { topUpId, session } = await billing.checkout(accountId, '10.00');
    const intent = billing.stripe.payments.payByAlipay(session);
    await billing.settled();
    expect(await billing.statusOf(topUpId)).toBe('PROCESSING');
    if (intent) billing.stripe.payments.settleAlipay(intent, false);
    await billing.settled();
    expect(await topUpOf(topUpId)).toMatchObject({ status: 'FAILED', creditedAt: null });
    expect(await billing.balanceOf(accountId)).toBe('0.00');
  });

  it.each(['payment first', 'page first'])(
    'an expired page ends as EXPIRED, its events %s',
    async (order) => {
      const accountId = await billing.openAccount();
      const { topUpId, session } = await billing.checkout(accountId, '10.00');
      billing.stripe.payments.payByCard(session, CARD_THAT_ASKS);
      await billing.settled();
      billing.stripe.webhooks.conduct = { copies: 0, maxDelayMs: 0 };
      const before = billing.stripe.book.events.length;
      billing.stripe.payments.expire(session);
      billing.stripe.webhooks.conduct = { copies: 1, maxDelayMs: 0 };
      const events = billing.stripe.book.events.slice(before);
      for (const event of order === 'page first' ? events.reverse() : events) {
        billing.stripe.webhooks.send(event);
        await billing.settled();
      }
      expect(await topUpOf(topUpId)).toMatchObject({ status: 'EXPIRED', creditedAt: null });
      expect(await billing.balanceOf(accountId)).toBe('0.00');
    },
  );

  it('money that arrives after all is credited, whatever was thought of the page', async () => {
    const accountId = await billing.openAccount();
    const { topUpId, session } = await billing.checkout(accountId, '10.00');
    await billing.api.sql`update top_ups set status = 'expired' where id = ${topUpId.replace('topup_', '')}`;
    billing.stripe.payments.payByCard(session, GOOD_CARD);
    await billing.settled();
    expect(await billing.statusOf(topUpId)).toBe('SUCCEEDED');
    expect(await billing.balanceOf(accountId)).toBe('10.00');
  });
});

describe('with a saved card', () => {
  it('a confirmation that nobody gives is given up after an hour, and canceled at Stripe', async () => {
    const accountId = await billing.accountWithCard(CARD_THAT_ASKS);
    const { topUp } = await billing.topUpWithCard(accountId, '25.00');
    await reconcileAfter(topUp.id, '59 minutes');
    expect(await billing.statusOf(topUp.id)).toBe('REQUIRES_ACTION');
    await reconcileAfter(topUp.id, '61 minutes');
    expect(await billing.statusOf(topUp.id)).toBe('CANCELED');
    const intent = Object.values(billing.stripe.book.intents).at(-1);
    expect(intent?.status).toBe('canceled');
    expect(await billing.balanceOf(accountId)).toBe('10.00');
  });

  it('a confirmation that the customer refuses ends as FAILED with what to do', async () => {
    const accountId = await billing.accountWithCard(CARD_THAT_ASKS);
    const { topUp, requiredAction } = await billing.topUpWithCard(accountId, '25.00');
    const body = new URLSearchParams({ answer: 'no' });
    await fetch(requiredAction?.url ?? '', { method: 'POST', body, redirect: 'manual' });
    await billing.settled();
    expect(await topUpOf(topUp.id)).toMatchObject({
      status: 'FAILED',
      failureCode: 'payment_intent_authentication_failure',
      failureMessage: expect.stringContaining('Try again'),
    });
    expect(await billing.balanceOf(accountId)).toBe('10.00');
  });

  it('a declined card can be tried again at once', async () => {
    const accountId = await billing.accountWithCard(CARD_THAT_FAILS_LATER);
    const first = await billing.topUpWithCard(accountId, '25.00');
    const second = await billing.topUpWithCard(accountId, '25.00');
    expect([first.topUp.status, second.topUp.status]).toEqual(['FAILED', 'FAILED']);
    expect(second.topUp.id).not.toBe(first.topUp.id);
  });

  it('a card that was detached at Stripe alone fails with advice, and stops nobody else', async () => {
    const accountId = await billing.accountWithCard();
    const method = Object.values(billing.stripe.book.methods).at(-1);
    if (method) method.customer = null;
    const { topUp } = await billing.topUpWithCard(accountId, '25.00');
    expect(await topUpOf(topUp.id)).toMatchObject({ status: 'FAILED', failureCode: 'resource_missing' });
  });

  it('is kept once, also when the customer pays with it on the page again', async () => {
    const accountId = await billing.accountWithCard();
    const { session } = await billing.checkout(accountId, '12.00', true);
    billing.stripe.payments.payByCard(session, GOOD_CARD);
    await billing.settled();
    const { data } = await billing.api.call('query ($id: ID!) { paymentMethods(accountId: $id) { id } }', {
      variables: { id: accountId },
    });
    expect(data.paymentMethods).toHaveLength(1);
  });
});
