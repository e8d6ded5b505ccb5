import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBilling } from '#control-plane/billing/billing-part.ts';
import { reconcileWithStripe } from '#control-plane/billing/reconcile-with-stripe.ts';
import { JobQueues } from '#control-plane/jobs/job-queues.ts';
import { testRedisUrl } from '#test/setup/test-backends.ts';
import { type BillingFixture, GOOD_CARD, startBilling } from './billing-fixture.ts';

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

async function reconcileLater(): Promise<void> {
  await billing.api.sql`
    update top_ups set created_at = now() - interval '10 minutes', updated_at = now() - interval '10 minutes'
    where status = 'pending'`;
  await billing.api.sql`
    update refunds set created_at = now() - interval '10 minutes' where status = 'pending'`;
  await reconcileWithStripe(openBilling(billing.api.database, billing.settings), queues);
}

const payment = (accountId: string) => ({ accountId, amountUsd: '25.00', idempotencyKey: randomUUID() });

describe('while Stripe is away', () => {
  it.each([
    ['answers 500', { kind: 'status', status: 500 }],
    ['answers 429', { kind: 'status', status: 429 }],
    ['breaks the connection', { kind: 'reset' }],
  ] as const)(
    'a charge is refused clearly when it %s, and never comes later',
    async (_name, trouble) => {
      const accountId = await billing.accountWithCard();
      billing.stripe.trouble.order(/payment_intents$/, trouble, 10);
      expect(await billing.api.refusal('topUpCreate', payment(accountId))).toMatchObject([
        { code: 'TRY_AGAIN' },
      ]);
      billing.stripe.trouble.clear();
      await reconcileLater();
      await billing.settled();
      const { data } = await billing.api.call(
        'query ($id: ID!) { topUps(accountId: $id, first: 1) { edges { node { status } } } }',
        { variables: { id: accountId } },
      );
      expect(data.topUps.edges[0].node.status).toBe('CANCELED');
      expect(await billing.balanceOf(accountId)).toBe('10.00');
    },
    30_000,
  );

  it('a charge whose answer was lost is credited once: by the same request again, or by nobody asking', async () => {
    const accountId = await billing.accountWithCard();
    const lost = payment(accountId);
    billing.stripe.webhooks.conduct = { copies: 0, maxDelayMs: 0 };
    // The client tries three times; each time Stripe has made the payment and the answer is lost.
    billing.stripe.trouble.order(/payment_intents$/, { kind: 'answer_lost' }, 3);
    expect(await billing.api.refusal('topUpCreate', lost)).toMatchObject([{ code: 'TRY_AGAIN' }]);
    const again = await billing.api.mutate('topUpCreate', lost, 'topUp { status }');
    expect(again.topUp.status).toBe('SUCCEEDED');
    const other = { ...lost, amountUsd: '30.00', idempotencyKey: randomUUID() };
    billing.stripe.trouble.order(/payment_intents$/, { kind: 'answer_lost' }, 3);
    await billing.api.refusal('topUpCreate', other);
    billing.stripe.trouble.clear();
    billing.stripe.webhooks.conduct = { copies: 1, maxDelayMs: 0 };
    await reconcileLater();
    await billing.settled();
    expect(await billing.balanceOf(accountId)).toBe('65.00');
  }, 30_000);

  it('a refund is taken off at once and made later, once', async () => {
    const accountId = await billing.openAccount();
    const { topUpId, session } = await billing.checkout(accountId, '20.00');
    billing.stripe.payments.payByCard(session, GOOD_CARD);
    await billing.settled();
    billing.stripe.trouble.order(/refunds$/, { kind: 'reset' }, 10);
    const input = { topUpId, amountUsd: '5.00', idempotencyKey: randomUUID() };
    const { refundStatus } = await billing.api.mutate('refundCreate', input, 'refundStatus');
    expect(refundStatus).toBe('PENDING');
    expect(await billing.balanceOf(accountId)).toBe('15.00');
    billing.stripe.trouble.clear();
    await reconcileLater();
    await billing.settled();
    expect(billing.intentOf(session).amountRefunded).toBe(500);
    expect(await billing.balanceOf(accountId)).toBe('15.00');
  }, 30_000);
});

describe('a webhook', () => {
  const stripe = new Stripe('sk_test_signs_only');
  const send = async (
    payload: string,
    more: { timestamp?: number; secret?: string; contentType?: string } = {},
  ): Promise<number> => {
    const signature = stripe.webhooks.generateTestHeaderString({
      payload,
      secret: more.secret ?? billing.settings.stripeWebhookSecret,
      ...(more.timestamp !== undefined && { timestamp: more.timestamp }),
    });
    const answer = await fetch(new URL('/webhooks/stripe', billing.api.url), {
      method: 'POST',
      headers: { 'stripe-signature': signature, 'content-type': more.contentType ?? 'application/json' },
      body: payload,
    });
    await answer.text();
    return answer.status;
  };
  const event = (id: string, changes: object = {}) =>
    JSON.stringify({
      id,
      object: 'event',
      type: 'payment_intent.succeeded',
      created: 1_700_000_000,
      livemode: false,
      data: { object: { id: 'pi_unknown', object: 'payment_intent' } },
      ...changes,
    });
  const stored = async (id: string) =>
    (await billing.api.sql`select 1 from stripe_events where id = ${id}`).length;

  it('is refused when it is old, signed with another secret, changed or too large', async () => {
    expect(await send(event('evt_old'), { timestamp: 1_700_000_000 })).toBe(400);
    expect(await send(event('evt_foreign'), { secret: 'whsec_other' })).toBe(400);
    expect(await send('not json')).toBe(400);
    expect(await send(event('evt_huge', { padding: 'x'.repeat(600_000) }))).toBe(413);
    for (const id of ['evt_old', 'evt_foreign', 'evt_huge']) expect(await stored(id)).toBe(0);
  });

  it('of another mode, an unknown type or an odd shape is taken and changes nothing', async () => {
    expect(await send(event('evt_live', { livemode: true }))).toBe(200);
    expect(await send(event('evt_type', { type: 'issuing_card.created' }))).toBe(200);
    expect(await send(event('evt_shape', { data: { object: {} } }))).toBe(200);
    for (const id of ['evt_live', 'evt_type', 'evt_shape']) expect(await stored(id)).toBe(0);
  });

  it('counts by its bytes alone, whatever its content type says', async () => {
    const accountId = await billing.openAccount();
    const { session } = await billing.checkout(accountId, '10.00');
    billing.stripe.webhooks.conduct = { copies: 0, maxDelayMs: 0 };
    const intent = billing.stripe.payments.payByCard(session, GOOD_CARD);
    billing.stripe.webhooks.conduct = { copies: 1, maxDelayMs: 0 };
    const payload = event('evt_plain', { data: { object: { id: intent?.id } } });
    expect(await send(payload, { contentType: 'text/plain' })).toBe(200);
    await billing.settled();
    expect(await billing.balanceOf(accountId)).toBe('10.00');
  });

  it('leaves no secret in the log', () => {
    const log = billing.api.logLines.join('\n');
    for (const secret of [billing.settings.stripeSecretKey, billing.settings.stripeWebhookSecret])
      expect(log).not.toContain(secret);
  });
});
