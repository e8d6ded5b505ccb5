import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verified, WebhookReceiver } from '#test/fakes/webhook-receiver.ts';
import {
  type BillingFixture,
  CARD_THAT_ASKS,
  CARD_THAT_FAILS_LATER,
  GOOD_CARD,
  startBilling,
} from './billing-fixture.ts';

let billing: BillingFixture;
beforeAll(async () => {
  billing = await startBilling();
});
afterAll(() => billing.close());

function chargesOf(accountId: string): number {
  return Object.values(billing.stripe.book.intents).filter(
    (intent) =>
      intent.metadata.account_id !== undefined &&
      intent.status === 'succeeded' &&
      isOf(intent.metadata.account_id, accountId),
  ).length;
}

function isOf(uuid: string, publicId: string): boolean {
  return publicId.endsWith(uuid.replaceAll('-', ''));
}

describe('a top-up on the Checkout page', () => {
  it('credits the entered amount in full, with the fee as a line of its own on top', async () => {
    const accountId = await billing.openAccount();
    const { topUpId, session } = await billing.checkout(accountId, '20.00');
    expect(session.lines).toEqual([
      { name: 'CrossModel credit', amount: 2_000 },
      { name: 'Service fee', amount: 110 },
    ]);
    expect(await billing.statusOf(topUpId)).toBe('PENDING');
    billing.stripe.payments.payByCard(session, GOOD_CARD);
    await billing.settled();
    expect(await billing.statusOf(topUpId)).toBe('SUCCEEDED');
    expect(await billing.balanceOf(accountId)).toBe('20.00');
    expect(billing.schemaProblems).toEqual([]);
  });

  it.each([
    ['10.00', '10.55'],
    ['20.00', '21.10'],
    ['50.00', '52.75'],
    ['100.00', '105.50'],
  ])('of %s USD charges %s', async (amountUsd, chargedUsd) => {
    const accountId = await billing.openAccount();
    const { topUp } = await billing.api.mutate(
      'topUpCheckoutCreate',
      { accountId, amountUsd, idempotencyKey: randomUUID() },
      'topUp { chargedUsd }',
    );
    expect(topUp.chargedUsd).toBe(chargedUsd);
  });

  it.each(['9.99', '5000.01', '10.001', '-10', 'ten'])('of %s USD is refused', async (amountUsd) => {
    const accountId = await billing.openAccount();
    const input = { accountId, amountUsd, idempotencyKey: randomUUID() };
    expect(await billing.api.refusal('topUpCheckoutCreate', input)).toEqual([
      { code: 'INVALID_INPUT', path: ['input', 'amountUsd'] },
    ]);
  });

  it('is the same one when the request is repeated', async () => {
    const accountId = await billing.openAccount();
    const input = { accountId, amountUsd: '10.00', idempotencyKey: randomUUID() };
    const answers = await Promise.all(
      [1, 2, 3].map(() => billing.api.mutate('topUpCheckoutCreate', input, 'topUp { id } checkoutUrl')),
    );
    expect(new Set(answers.map((answer) => answer.checkoutUrl)).size).toBe(1);
    expect(new Set(answers.map((answer) => answer.topUp.id)).size).toBe(1);
  });

  it('stays open after a decline, with the reason, and is credited when another card pays', async () => {
    const accountId = await billing.openAccount();
    const { topUpId, session } = await billing.checkout(accountId, '10.00');
    billing.stripe.payments.payByCard(session, '4000000000009995');
    await billing.settled();
    expect(await billing.statusOf(topUpId)).toBe('PENDING');
    expect(await billing.balanceOf(accountId)).toBe('0.00');
    billing.stripe.payments.payByCard(session, GOOD_CARD);
    await billing.settled();
    expect(await billing.balanceOf(accountId)).toBe('10.00');
  });

  it('is credited only when an Alipay payment has arrived', async () => {
    const accountId = await billing.openAccount();
    const { topUpId, session } = await billing.checkout(accountId, '10.00', true);
    const intent = billing.stripe.payments.payByAlipay(session);
    await billing.settled();
    expect(await billing.statusOf(topUpId)).toBe('PROCESSING');
    expect(await billing.balanceOf(accountId)).toBe('0.00');
    if (intent) billing.stripe.payments.settleAlipay(intent, true);
    await billing.settled();
    expect(await billing.balanceOf(accountId)).toBe('10.00');
    const { data } = await billing.api.call('query ($id: ID!) { paymentMethods(accountId: $id) { id } }', {
      variables: { id: accountId },
    });
    expect(data.paymentMethods).toEqual([]);
  });

  it('credits nothing when the confirmation is abandoned and the page expires', async () => {
    const accountId = await billing.openAccount();
    const { topUpId, session } = await billing.checkout(accountId, '10.00');
    billing.stripe.payments.payByCard(session, CARD_THAT_ASKS);
    await billing.settled();
    expect(await billing.statusOf(topUpId)).toBe('REQUIRES_ACTION');
    billing.stripe.payments.expire(session);
    await billing.settled();
    expect(await billing.statusOf(topUpId)).toBe('EXPIRED');
    expect(await billing.balanceOf(accountId)).toBe('0.00');
  });
});

describe("the webhook endpoint of a top-up's account", () => {
  it('hears of it once its credit is there, and once only', async () => {
    const receiver = await WebhookReceiver.start();
    try {
      const accountId = await billing.openAccount();
      const { secret } = await billing.api.mutate(
        'webhookEndpointCreate',
        { accountId, url: receiver.url('/top-ups'), events: ['TOP_UP_COMPLETED'] },
        'secret',
      );
      const { topUpId, session } = await billing.checkout(accountId, '20.00');
      expect(receiver.messages).toEqual([]);
      billing.stripe.payments.payByCard(session, GOOD_CARD);
      const [message] = await receiver.heard('/top-ups');
      expect(message && verified(message, secret)).toMatchObject({
        type: 'top_up.completed',
        data: { accountId, topUpId, creditNano: '20000000000' },
      });
      expect(await billing.balanceOf(accountId)).toBe('20.00');
      // Stripe tells of a payment in more than one event.
      await billing.settled();
      const [events] = await billing.api.sql`
        select count(*)::int as count from webhook_events where data->>'accountId' = ${accountId}`;
      expect(events?.count).toBe(1);
    } finally {
      receiver.stop();
    }
  });
});

describe('a top-up with a saved card', () => {
  it('charges once for a double click, a retry and a second tab', async () => {
    const accountId = await billing.accountWithCard();
    const key = randomUUID();
    const clicks = await Promise.all([
      billing.topUpWithCard(accountId, '25.00', key),
      billing.topUpWithCard(accountId, '25.00', key),
      billing.topUpWithCard(accountId, '25.00'),
      billing.topUpWithCard(accountId, '25.00'),
    ]);
    await billing.settled();
    expect(new Set(clicks.map(({ topUp }) => topUp.id)).size).toBe(1);
    expect(chargesOf(accountId)).toBe(2);
    expect(await billing.balanceOf(accountId)).toBe('35.00');
  });

  it('waits for the confirmation that the bank asks for', async () => {
    const accountId = await billing.accountWithCard(CARD_THAT_ASKS);
    const { topUp, requiredAction } = await billing.topUpWithCard(accountId, '25.00');
    expect(topUp.status).toBe('REQUIRES_ACTION');
    const answer = await fetch(requiredAction?.url ?? '', {
      method: 'POST',
      body: new URLSearchParams({ answer: 'yes' }),
      redirect: 'manual',
    });
    expect(answer.status).toBe(303);
    await billing.settled();
    expect(await billing.statusOf(topUp.id)).toBe('SUCCEEDED');
    expect(await billing.balanceOf(accountId)).toBe('35.00');
  });

  it('says why it was declined and what to do', async () => {
    const accountId = await billing.accountWithCard(CARD_THAT_FAILS_LATER);
    const { topUp } = await billing.topUpWithCard(accountId, '25.00');
    expect(topUp.status).toBe('FAILED');
    expect(topUp.failureMessage).toMatch(/another card|your bank/);
    await billing.settled();
    expect(await billing.balanceOf(accountId)).toBe('10.00');
  });

  it('is impossible with a card that was removed, or of another account', async () => {
    const [accountId, otherId] = [await billing.accountWithCard(), await billing.accountWithCard()];
    const cards = async (id: string) =>
      (
        await billing.api.call('query ($id: ID!) { paymentMethods(accountId: $id) { id isDefault last4 } }', {
          variables: { id },
        })
      ).data.paymentMethods;
    const [own] = await cards(accountId);
    const [foreign] = await cards(otherId);
    expect(own).toMatchObject({ isDefault: true, last4: '4242' });
    const pay = (paymentMethodId: string) => ({
      accountId,
      amountUsd: '10.00',
      paymentMethodId,
      idempotencyKey: randomUUID(),
    });
    expect(await billing.api.refusal('topUpCreate', pay(foreign.id))).toEqual([
      { code: 'NOT_FOUND', path: ['input', 'paymentMethodId'] },
    ]);
    await billing.api.mutate('paymentMethodRemove', { accountId, paymentMethodId: own.id }, 'account { id }');
    expect(await cards(accountId)).toEqual([]);
    expect(await billing.api.refusal('topUpCreate', pay(own.id))).toMatchObject([{ code: 'NOT_FOUND' }]);
  });
});

describe('webhooks', () => {
  it('with a wrong or old signature are refused and change nothing', async () => {
    const url = new URL('/webhooks/stripe', billing.api.url);
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'stripe-signature': 't=1,v1=00' },
      body: '{"id":"evt_forged","type":"payment_intent.succeeded","data":{"object":{"id":"pi_1"}}}',
    });
    expect(answer.status).toBe(400);
    const rows = await billing.api.sql`select id from stripe_events where id = 'evt_forged'`;
    expect(rows).toHaveLength(0);
  });

  it('that come three times, late and in any order credit once', async () => {
    const { webhooks, payments, book } = billing.stripe;
    webhooks.conduct = { copies: 3, maxDelayMs: 300 };
    const accounts = await Promise.all([1, 2, 3, 4].map(() => billing.openAccount()));
    for (const accountId of accounts) {
      const { session } = await billing.checkout(accountId, '10.00');
      payments.payByCard(session, GOOD_CARD);
    }
    await billing.settled();
    webhooks.conduct = { copies: 1, maxDelayMs: 0 };
    for (const accountId of accounts) expect(await billing.balanceOf(accountId)).toBe('10.00');
    const [sum] = await billing.api.sql<{ sum: string }[]>`
      select coalesce(sum(amount_nano), 0)::text as sum from ledger_entries`;
    expect(sum?.sum).toBe('0');
    expect(Object.keys(book.intents).length).toBeGreaterThan(0);
  });
});

describe('refunds', () => {
  it('give unused credit back, never more, and only once', async () => {
    const accountId = await billing.openAccount();
    const { topUpId, session } = await billing.checkout(accountId, '20.00');
    billing.stripe.payments.payByCard(session, GOOD_CARD);
    await billing.settled();
    const refund = (amountUsd: string) => ({
      topUpId,
      amountUsd,
      reason: 'unused',
      idempotencyKey: randomUUID(),
    });
    await billing.api.mutate('refundCreate', refund('5.00'), 'refundStatus topUp { refundedUsd }');
    await billing.settled();
    expect(await billing.balanceOf(accountId)).toBe('15.00');
    expect(await billing.api.refusal('refundCreate', refund('15.01'))).toEqual([
      { code: 'NOT_REFUNDABLE', path: ['input', 'topUpId'] },
    ]);
    expect(billing.intentOf(session).amountRefunded).toBe(500);
  });

  it('that bounce bring the credit back, once', async () => {
    const accountId = await billing.openAccount();
    const { topUpId, session } = await billing.checkout(accountId, '20.00');
    billing.stripe.payments.payByCard(session, GOOD_CARD);
    await billing.settled();
    const input = { topUpId, amountUsd: '20.00', idempotencyKey: randomUUID() };
    const { topUp, refundStatus } = await billing.api.mutate(
      'refundCreate',
      input,
      'refundStatus topUp { refundedUsd }',
    );
    expect({ topUp, refundStatus }).toEqual({ topUp: { refundedUsd: '21.10' }, refundStatus: 'SUCCEEDED' });
    expect(await billing.balanceOf(accountId)).toBe('0.00');
    const [sent] = Object.values(billing.stripe.book.refunds).filter(
      (each) => each.intent === session.intent,
    );
    if (sent) billing.stripe.payments.failRefund(sent);
    await billing.settled();
    expect(await billing.balanceOf(accountId)).toBe('20.00');
  });
});

describe('disputes', () => {
  it.each(['won', 'lost'] as const)('take the credit off at once; %s', async (verdict) => {
    const accountId = await billing.openAccount();
    const { session } = await billing.checkout(accountId, '20.00');
    billing.stripe.payments.payByCard(session, GOOD_CARD);
    await billing.settled();
    const disputeId = billing.stripe.payments.openDispute(billing.intentOf(session)) ?? '';
    await billing.settled();
    expect(await billing.balanceOf(accountId)).toBe('0.00');
    billing.stripe.payments.closeDispute(disputeId, verdict);
    await billing.settled();
    expect(await billing.balanceOf(accountId)).toBe(verdict === 'won' ? '20.00' : '0.00');
  });
});

describe('receipts', () => {
  it('are PDFs behind links that expire', async () => {
    const accountId = await billing.openAccount();
    const { topUpId, session } = await billing.checkout(accountId, '20.00');
    billing.stripe.payments.payByCard(session, GOOD_CARD);
    await billing.settled();
    const { data } = await billing.api.call(
      'query ($id: ID!) { receipts(accountId: $id) { edges { node { id receipt { number url } } } } }',
      { variables: { id: accountId } },
    );
    const [edge] = data.receipts.edges;
    expect(edge.node.id).toBe(topUpId);
    expect(edge.node.receipt.number).toMatch(/^CM-[0-9A-F]{12}-0001$/);
    const link = new URL(edge.node.receipt.url);
    const open = (search: string) => fetch(new URL(`${link.pathname}${search}`, billing.api.url));
    const pdf = await open(link.search);
    expect(pdf.headers.get('content-type')).toBe('application/pdf');
    expect(
      Buffer.from(await pdf.arrayBuffer())
        .subarray(0, 5)
        .toString(),
    ).toBe('%PDF-');
    expect((await open('?expires=99999999999999&signature=AAAA')).status).toBe(403);
  });
});
