import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type BillingFixture, CARD_THAT_FAILS_LATER, GOOD_CARD, startBilling } from './billing-fixture.ts';

let billing: BillingFixture;
beforeAll(async () => {
  billing = await startBilling({ disputeSuspendsAccount: true });
});
afterAll(() => billing.close());

async function paidAccount(amountUsd = '20.00', card = GOOD_CARD) {
  const accountId = await billing.openAccount();
  const { topUpId, session } = await billing.checkout(accountId, amountUsd, card !== GOOD_CARD);
  billing.stripe.payments.payByCard(session, card);
  await billing.settled();
  return { accountId, topUpId, intent: billing.intentOf(session) };
}

async function statusOf(accountId: string): Promise<string> {
  const { data } = await billing.api.call('query ($id: ID!) { account(id: $id) { status } }', {
    variables: { id: accountId },
  });
  return data.account.status;
}

async function addMember(accountId: string, role: string): Promise<string> {
  const email = `${randomUUID()}@example.com`;
  const [user] = await billing.api.sql<{ id: string }[]>`
    insert into users (id, name, email, email_verified) values (${randomUUID()}, 'Someone', ${email}, true) returning id`;
  await billing.api.sql`insert into account_members (id, account_id, user_id, role)
    values (${randomUUID()}, ${accountId.replace('acct_', '')}, ${user?.id ?? ''}, ${role})`;
  return email;
}

const mailsTo = (email: string) => billing.api.mails.filter((mail) => mail.to === email);

it('suspends the account, and winning lifts that', async () => {
  const { accountId, intent } = await paidAccount();
  const disputeId = billing.stripe.payments.openDispute(intent) ?? '';
  await billing.settled();
  expect(await statusOf(accountId)).toBe('SUSPENDED');
  billing.stripe.payments.closeDispute(disputeId, 'won');
  await billing.settled();
  expect(await statusOf(accountId)).toBe('ACTIVE');
  expect(await billing.balanceOf(accountId)).toBe('20.00');
});

it('leaves the account suspended when it is lost, or when an operator suspended it meanwhile', async () => {
  const lost = await paidAccount();
  const lostId = billing.stripe.payments.openDispute(lost.intent) ?? '';
  const held = await paidAccount();
  const heldId = billing.stripe.payments.openDispute(held.intent) ?? '';
  await billing.settled();
  await billing.api.mutate('accountSuspend', { accountId: held.accountId }, 'account { id }');
  billing.stripe.payments.closeDispute(lostId, 'lost');
  billing.stripe.payments.closeDispute(heldId, 'won');
  await billing.settled();
  expect([await statusOf(lost.accountId), await statusOf(held.accountId)]).toEqual([
    'SUSPENDED',
    'SUSPENDED',
  ]);
  await billing.api.mutate('accountActivate', { accountId: lost.accountId }, 'account { id }');
  expect(await statusOf(lost.accountId)).toBe('ACTIVE');
});

it('takes no more off the balance than was credited and not refunded, in whatever order events arrive', async () => {
  billing.stripe.webhooks.conduct = { copies: 2, maxDelayMs: 150 };
  const { accountId, intent } = await paidAccount();
  billing.stripe.payments.refund(intent, 1_000, {});
  billing.stripe.payments.openDispute(intent);
  await billing.settled();
  billing.stripe.webhooks.conduct = { copies: 1, maxDelayMs: 0 };
  expect(await billing.balanceOf(accountId)).toBe('0.00');
});

it('is told to the operators and to those who look after the money, once, and to nobody else', async () => {
  const { accountId, intent } = await paidAccount();
  const [owner, developer] = [await addMember(accountId, 'owner'), await addMember(accountId, 'developer')];
  billing.stripe.webhooks.conduct = { copies: 3, maxDelayMs: 50 };
  billing.stripe.payments.openDispute(intent);
  await billing.settled();
  billing.stripe.webhooks.conduct = { copies: 1, maxDelayMs: 0 };
  await vi.waitFor(() => expect(mailsTo(owner)).toHaveLength(1), { timeout: 10_000 });
  expect(mailsTo(owner)[0]?.text).toContain('USD 21.10');
  expect(mailsTo(developer)).toEqual([]);
  const operators = mailsTo('operator@example.com').filter((mail) => mail.text.includes(accountId));
  expect(operators).toHaveLength(1);
});

it('mails the receipt, and each decline of an automatic top-up', async () => {
  const { accountId } = await paidAccount('10.00', CARD_THAT_FAILS_LATER);
  const owner = await addMember(accountId, 'owner');
  const { session } = await billing.checkout(accountId, '12.00');
  billing.stripe.payments.payByCard(session, GOOD_CARD);
  await billing.settled();
  await billing.api.mutate(
    'autoTopUpUpdate',
    { accountId, enabled: true, thresholdUsd: '50.00', amountUsd: '20.00', monthlyCapUsd: '60.00' },
    'account { id }',
  );
  await vi.waitFor(() => expect(mailsTo(owner)).toHaveLength(2), { timeout: 18_000 });
  const subjects = mailsTo(owner).map((mail) => mail.subject);
  expect(subjects).toEqual([expect.stringMatching(/^Receipt CM-/), 'Automatic top-up was declined']);
}, 30_000);
