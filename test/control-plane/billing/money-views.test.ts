import { randomUUID } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type BillingFixture, GOOD_CARD, startBilling } from './billing-fixture.ts';

let billing: BillingFixture;
beforeAll(async () => {
  billing = await startBilling();
});
afterAll(() => billing.close());

async function ask(document: string, accountId: string) {
  const { data, errors } = await billing.api.call(document, { variables: { id: accountId } });
  expect(errors).toEqual([]);
  return data;
}

/** The texts of a PDF in its built-in fonts, in the order in which they are drawn. */
function textsOf(pdf: Buffer): string {
  const streams = pdf.toString('latin1').matchAll(/stream\r?\n([\s\S]*?)\r?\nendstream/g);
  return [...streams]
    .map(([, content = '']) => {
      try {
        return inflateSync(Buffer.from(content, 'latin1')).toString('latin1');
      } catch {
        return '';
      }
    })
    .join('\n')
    .replaceAll(/<([0-9a-f]+)>(?: -?[\d.]+ ?)?/g, (_match, hex: string) =>
      Buffer.from(hex, 'hex').toString('latin1'),
    )
    .replaceAll(/\[(.*?)\] TJ/g, '$1');
}

async function receiptOf(accountId: string): Promise<{ number: string; text: string }> {
  const { receipts } = await ask(
    'query ($id: ID!) { receipts(accountId: $id, first: 1) { edges { node { receipt { number url } } } } }',
    accountId,
  );
  const { number, url } = receipts.edges[0].node.receipt;
  const { pathname, search } = new URL(url);
  const answer = await fetch(new URL(`${pathname}${search}`, billing.api.url));
  return { number, text: textsOf(Buffer.from(await answer.arrayBuffer())) };
}

async function pay(accountId: string, amountUsd: string): Promise<void> {
  const { session } = await billing.checkout(accountId, amountUsd);
  billing.stripe.payments.payByCard(session, GOOD_CARD);
  await billing.settled();
}

it('prints who pays and who sells on receipts, whose numbers have no gaps', async () => {
  const accountId = await billing.openAccount();
  await billing.api.mutate(
    'billingProfileUpdate',
    {
      accountId,
      companyName: 'Müller & Söhne',
      taxNumber: 'DE123',
      billingAddress: 'Hauptstraße 1\n10115 Berlin',
    },
    'account { billingProfile { companyName taxNumber billingAddress } }',
  );
  await pay(accountId, '10.00');
  const first = await receiptOf(accountId);
  for (const part of [
    'Müller & Söhne',
    'Hauptstraße 1',
    '10115 Berlin',
    'Tax number: DE123',
    'CrossModel GmbH',
  ])
    expect(first.text).toContain(part);
  for (const part of ['USD 10.00', 'USD 0.55', 'USD 10.55', first.number]) expect(first.text).toContain(part);
  await pay(accountId, '11.00');
  expect(first.number).toMatch(/-0001$/);
  expect((await receiptOf(accountId)).number).toBe(first.number.replace(/-0001$/, '-0002'));
});

it('changes of the billing profile only what is named, and refuses what cannot be printed', async () => {
  const accountId = await billing.openAccount();
  const update = (input: object) =>
    billing.api.mutate(
      'billingProfileUpdate',
      { accountId, ...input },
      'account { billingProfile { companyName taxNumber billingAddress } }',
    );
  await update({ companyName: 'One', taxNumber: 'T1' });
  const { account } = await update({ taxNumber: null, billingAddress: 'Street' });
  expect(account.billingProfile).toEqual({ companyName: 'One', taxNumber: null, billingAddress: 'Street' });
  const long = { accountId, billingAddress: 'a\nb\nc\nd\ne\nf\ng' };
  expect(await billing.api.refusal('billingProfileUpdate', long)).toEqual([
    { code: 'INVALID_INPUT', path: ['input', 'billingAddress'] },
  ]);
});

it('says what a top-up may be and costs', async () => {
  const { topUpTerms } = await ask(
    '{ topUpTerms { minimumUsd maximumUsd dailyLimitUsd feeBasisPoints refundWindowDays } }',
    '',
  );
  expect(topUpTerms).toEqual({
    minimumUsd: '10.00',
    maximumUsd: '5000.00',
    dailyLimitUsd: '10000.00',
    feeBasisPoints: 550,
    refundWindowDays: 14,
  });
});

it('shows promotional credit with its expiry, in the order in which it is spent, and never refunds it', async () => {
  const accountId = await billing.openAccount();
  const grant = (amountUsd: string, expiresAt: string | null) =>
    billing.api.mutate(
      'creditGrant',
      { accountId, amountUsd, expiresAt, promotional: true, reason: 'welcome', idempotencyKey: randomUUID() },
      'creditGrant { id }',
    );
  await grant('5.00', null);
  await grant('3.00', '2999-01-01T00:00:00.000Z');
  await pay(accountId, '10.00');
  const { account } = await ask(
    'query ($id: ID!) { account(id: $id) { balance { ledgerUsd promotionalUsd } promotionalGrants { amountUsd remainingUsd expiresAt } } }',
    accountId,
  );
  expect(account).toEqual({
    balance: { ledgerUsd: '18.00', promotionalUsd: '8.00' },
    promotionalGrants: [
      { amountUsd: '3.00', remainingUsd: '3.00', expiresAt: '2999-01-01T00:00:00.000Z' },
      { amountUsd: '5.00', remainingUsd: '5.00', expiresAt: null },
    ],
  });
  const { topUps } = await ask(
    'query ($id: ID!) { topUps(accountId: $id) { edges { node { id } } } }',
    accountId,
  );
  const refund = { topUpId: topUps.edges[0].node.id, idempotencyKey: randomUUID() };
  await billing.api.mutate('refundCreate', refund, 'refundStatus');
  expect(await billing.balanceOf(accountId)).toBe('8.00');
});

it('shows operators how each queue is doing', async () => {
  const { jobQueues } = await ask(
    '{ jobQueues { name waiting active delayed dead oldestWaitingSeconds } }',
    '',
  );
  expect(jobQueues.map((queue: { name: string }) => queue.name)).toContain('stripe-events');
  expect(jobQueues.every((queue: { dead: number }) => queue.dead === 0)).toBe(true);
});
