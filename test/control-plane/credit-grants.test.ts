import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const GRANT = `creditGrant { id amountUsd amountNano kind description ledgerAccount account { id } }
  account { balance { availableUsd ledgerUsd } }`;

function grant(accountId: string, changes: object = {}): object {
  return { accountId, amountUsd: '10.00', reason: 'Welcome', idempotencyKey: randomUUID(), ...changes };
}

async function ledgerSum(): Promise<string> {
  const [row] = await api.sql<{ sum: string }[]>`
    select coalesce(sum(amount_nano), 0)::text as sum from ledger_entries`;
  return row?.sum ?? '';
}

describe('creditGrant', () => {
  it('credits the account against adjustments, exact to the nano-dollar', async () => {
    const { accountId, managementToken } = await api.openAccount();
    const payload = await api.mutate('creditGrant', grant(accountId, { amountUsd: '0.000000001' }), GRANT);
    expect(payload).toMatchObject({
      creditGrant: {
        amountUsd: '0.000000001',
        amountNano: '1',
        kind: 'CREDIT_GRANT',
        description: 'Welcome',
        ledgerAccount: 'CUSTOMER_AVAILABLE',
        account: { id: accountId },
      },
      account: { balance: { availableUsd: '0.000000001', ledgerUsd: '0.000000001' } },
    });
    const customer = await api.call('{ ledgerEntries { nodes { id amountUsd } } }', {
      token: managementToken,
    });
    expect(customer.data.ledgerEntries.nodes).toEqual([
      { id: payload.creditGrant.id, amountUsd: '0.000000001' },
    ]);
    const operator = await api.call(
      '{ ledgerEntries(first: 2) { nodes { amountNano ledgerAccount account { id } } } }',
    );
    expect(operator.data.ledgerEntries.nodes).toContainEqual({
      amountNano: '-1',
      ledgerAccount: 'ADJUSTMENTS',
      account: null,
    });
    expect(await ledgerSum()).toBe('0');
  });

  it('gives credit once per idempotency key, however often and however concurrently it is asked', async () => {
    const { accountId } = await api.openAccount();
    const input = grant(accountId, { amountUsd: '3.50' });
    const document = `mutation ($input: CreditGrantInput!) { creditGrant(input: $input) { creditGrant { id } userErrors { code } } }`;
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => api.call(document, { variables: { input } })),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(answer.data))).size).toBe(1);
    const { data } = await api.call(`{ account(id: "${accountId}") { balance { ledgerUsd } } }`);
    expect(data.account.balance.ledgerUsd).toBe('3.50');
  });

  it('gives credit once also after the stored answer is gone, and refuses another amount for the key', async () => {
    const { accountId } = await api.openAccount();
    const input = grant(accountId);
    const first = await api.mutate('creditGrant', input, GRANT);
    await api.sql`delete from idempotency_records`;
    const second = await api.mutate('creditGrant', input, GRANT);
    expect(second.creditGrant.id).toBe(first.creditGrant.id);
    expect(second.account.balance.ledgerUsd).toBe('10.00');
    await api.sql`delete from idempotency_records`;
    expect(await api.refusal('creditGrant', { ...input, amountUsd: '11.00' })).toEqual([
      { code: 'IDEMPOTENCY_KEY_REUSED', path: ['input', 'idempotencyKey'] },
    ]);
  });

  it.each([
    ['nothing', '0'],
    ['a negative amount', '-1'],
    ['a fraction of a nano-dollar', '0.0000000001'],
    ['a number in another notation', '1e3'],
    ['a sum nobody means', '1000000.01'],
    ['text', 'ten'],
  ])('refuses %s', async (_case, amountUsd) => {
    const { accountId } = await api.openAccount();
    expect(await api.refusal('creditGrant', grant(accountId, { amountUsd }))).toEqual([
      { code: 'INVALID_INPUT', path: ['input', 'amountUsd'] },
    ]);
  });

  it('needs an idempotency key, in the input or in the header', async () => {
    const { accountId } = await api.openAccount();
    const input = grant(accountId, { idempotencyKey: undefined });
    expect(await api.refusal('creditGrant', input)).toEqual([
      { code: 'IDEMPOTENCY_KEY_REQUIRED', path: ['input', 'idempotencyKey'] },
    ]);
    const document = `mutation ($input: CreditGrantInput!) { creditGrant(input: $input) { account { balance { ledgerUsd } } userErrors { code } } }`;
    const headers = { 'idempotency-key': randomUUID() };
    await api.call(document, { variables: { input }, headers });
    const { data } = await api.call(document, { variables: { input }, headers });
    expect(data.creditGrant).toEqual({ account: { balance: { ledgerUsd: '10.00' } }, userErrors: [] });
  });

  it('needs a reason and an account', async () => {
    const { accountId } = await api.openAccount();
    expect(await api.refusal('creditGrant', grant(accountId, { reason: ' ' }))).toEqual([
      { code: 'INVALID_INPUT', path: ['input', 'reason'] },
    ]);
    expect(await api.refusal('creditGrant', grant('acct_00000000000000000000000000000001'))).toEqual([
      { code: 'NOT_FOUND', path: ['input', 'accountId'] },
    ]);
  });

  it('is closed to management tokens, for their own account too', async () => {
    const { accountId, managementToken } = await api.openAccount();
    const document = `mutation ($input: CreditGrantInput!) { creditGrant(input: $input) { userErrors { code } } }`;
    expect(
      await api.codes(document, { token: managementToken, variables: { input: grant(accountId) } }),
    ).toEqual(['FORBIDDEN']);
  });
});
