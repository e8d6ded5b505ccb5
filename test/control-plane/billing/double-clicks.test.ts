import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type BillingFixture, GOOD_CARD, startBilling } from './billing-fixture.ts';

let billing: BillingFixture;
beforeAll(async () => {
  billing = await startBilling();
});
afterAll(() => billing.close());

function chargesOf(accountId: string): number {
  return Object.values(billing.stripe.book.intents).filter(
    (intent) =>
      intent.status === 'succeeded' &&
      accountId.endsWith(intent.metadata.account_id?.replaceAll('-', '') ?? '-'),
  ).length;
}

async function clickCheckout(accountId: string, more: object = {}) {
  return await billing.api.mutate(
    'topUpCheckoutCreate',
    { accountId, amountUsd: '20.00', idempotencyKey: randomUUID(), ...more },
    'topUp { id } checkoutUrl',
  );
}

it('opens one page for two clicks, one of them in another tab, and charges once', async () => {
  const accountId = await billing.openAccount();
  const clicks = await Promise.all([clickCheckout(accountId), clickCheckout(accountId)]);
  const late = await clickCheckout(accountId);
  const pages = new Set([...clicks, late].map((each) => each.checkoutUrl));
  expect(pages.size).toBe(1);
  const [url = ''] = pages;
  const pay = () =>
    fetch(url, {
      method: 'POST',
      body: new URLSearchParams({ pay: 'card', card: GOOD_CARD }),
      redirect: 'manual',
    });
  expect((await pay()).status).toBe(303);
  expect((await pay()).status).toBe(410);
  await billing.settled();
  expect(chargesOf(accountId)).toBe(1);
  expect(await billing.balanceOf(accountId)).toBe('20.00');
});

it('opens another page for another amount, another wish to keep the card, or after the first was paid', async () => {
  const accountId = await billing.openAccount();
  const first = await clickCheckout(accountId);
  const larger = await clickCheckout(accountId, { amountUsd: '30.00' });
  const keeping = await clickCheckout(accountId, { saveCard: true });
  expect(new Set([first, larger, keeping].map((each) => each.checkoutUrl)).size).toBe(3);
  // Its webhook is held back: the next click must not get the page that is over.
  billing.stripe.webhooks.conduct = { copies: 0, maxDelayMs: 0 };
  const session = Object.values(billing.stripe.book.sessions).find((each) =>
    first.checkoutUrl.endsWith(each.id),
  );
  if (session) billing.stripe.payments.payByCard(session, GOOD_CARD);
  const again = await clickCheckout(accountId);
  billing.stripe.webhooks.conduct = { copies: 1, maxDelayMs: 0 };
  expect(again.checkoutUrl).not.toBe(first.checkoutUrl);
  expect(again.topUp.id).not.toBe(first.topUp.id);
  expect(await billing.balanceOf(accountId)).toBe('20.00');
});

it('charges nothing without an idempotency key, and refuses the same key for another amount', async () => {
  const accountId = await billing.accountWithCard();
  expect(await billing.api.refusal('topUpCreate', { accountId, amountUsd: '20.00' })).toMatchObject([
    { code: 'IDEMPOTENCY_KEY_REQUIRED' },
  ]);
  const idempotencyKey = randomUUID();
  await billing.topUpWithCard(accountId, '20.00', idempotencyKey);
  const other = { accountId, amountUsd: '21.00', idempotencyKey };
  expect(await billing.api.refusal('topUpCreate', other)).toMatchObject([{ code: 'IDEMPOTENCY_KEY_REUSED' }]);
  expect(chargesOf(accountId)).toBe(2);
});

it('charges once for two people of an account who click at the same time', async () => {
  const accountId = await billing.accountWithCard();
  const token = async () =>
    (
      await billing.api.mutate(
        'managementTokenCreate',
        { accountId, name: 'tab', scopes: ['BILLING_WRITE'] },
        'secret',
      )
    ).secret;
  const tokens = [await token(), await token()];
  const input = () => ({ accountId, amountUsd: '25.00', idempotencyKey: randomUUID() });
  const clicks = await Promise.all(
    tokens.map((each) => billing.api.mutate('topUpCreate', input(), 'topUp { id status }', each)),
  );
  expect(new Set(clicks.map((click) => click.topUp.id)).size).toBe(1);
  expect(chargesOf(accountId)).toBe(2);
  expect(await billing.balanceOf(accountId)).toBe('35.00');
});

it('charges once while the first click is still under way at Stripe', async () => {
  const accountId = await billing.accountWithCard();
  billing.stripe.trouble.order(/payment_intents$/, { kind: 'slow', delayMs: 300 });
  const [first, second] = await Promise.all([
    billing.topUpWithCard(accountId, '25.00'),
    billing.topUpWithCard(accountId, '25.00'),
  ]);
  expect(second.topUp.id).toBe(first.topUp.id);
  await billing.settled();
  expect(chargesOf(accountId)).toBe(2);
  expect(await billing.balanceOf(accountId)).toBe('35.00');
});
