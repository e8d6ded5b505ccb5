import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expirePromotionalGrants } from '#control-plane/ledger/promotional-grants.ts';
import { ingestUsage } from '#control-plane/usage/ingest-usage.ts';
import { type DatabaseClients, openDatabase } from '#db/client.ts';
import { systemClock } from '#shared/clock.ts';
import { parseId } from '#shared/identifiers.ts';
import {
  type BillableAccount,
  billedRecord,
  createBillableAccount,
  mintTestId,
} from '#test/setup/billing-fixtures.ts';
import { testDatabaseUrl } from '#test/setup/test-backends.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

const DAY_MS = 86_400_000;
let api: TestApi;
let clients: DatabaseClients;
beforeAll(async () => {
  api = await startTestApi();
  clients = openDatabase(await testDatabaseUrl(), { max: 2, applicationName: 'corrections' });
});
afterAll(async () => {
  await clients.close();
  await api.close();
});

const publicId = (accountId: string) => `acct_${accountId.replaceAll('-', '')}`;

async function give(accountId: string, amountUsd: string, promotional: boolean, expiresAt?: Date) {
  const payload = await api.mutate(
    'creditGrant',
    {
      accountId: publicId(accountId),
      amountUsd,
      reason: 'r',
      promotional,
      expiresAt,
      idempotencyKey: randomUUID(),
    },
    'creditGrant { transactionId ledgerAccount kind }',
  );
  return payload.creditGrant;
}

/** Books one request of exactly this cost. */
async function use(account: BillableAccount, outputTokens: number): Promise<bigint> {
  const record = billedRecord(account, { output: outputTokens });
  await ingestUsage(clients.sql, { spool: mintTestId(), from: 1, to: 1, lines: JSON.stringify(record) });
  return BigInt(record.costNano);
}

async function balances(accountId: string): Promise<Record<string, bigint>> {
  const rows = await clients.sql<{ kind: string; balance: string }[]>`
    select kind, sum(amount_nano)::text as balance from ledger_entries
    join ledger_accounts on ledger_accounts.id = ledger_account_id where account_id = ${accountId} group by kind`;
  return Object.fromEntries(rows.map(({ kind, balance }) => [kind, BigInt(balance)]));
}

async function remaining(accountId: string): Promise<bigint> {
  const [row] = await clients.sql<{ sum: string }[]>`
    select coalesce(sum(remaining_nano), 0)::text as sum from promotional_grants where account_id = ${accountId}`;
  return BigInt(row?.sum ?? 0);
}

describe('promotional credit', () => {
  it('is spent before paid credit, what expires first first, and the rest is paid', async () => {
    const account = await createBillableAccount(clients.sql);
    await give(account.accountId, '1.00', false);
    await give(account.accountId, '0.000002', true);
    await give(account.accountId, '0.000001', true, new Date(systemClock.nowMs() + DAY_MS));
    const first = await use(account, 250);
    expect(first).toBe(500_000n);
    expect(await balances(account.accountId)).toEqual({
      customer_available: 1_000_000_000n - 500_000n + 3_000n,
      customer_promotional: 0n,
    });
    expect(await remaining(account.accountId)).toBe(0n);
  });

  it('takes a cost that it covers whole, and leaves paid credit alone', async () => {
    const account = await createBillableAccount(clients.sql);
    await give(account.accountId, '1.00', false);
    await give(account.accountId, '1.00', true);
    const cost = await use(account, 10);
    expect(await balances(account.accountId)).toEqual({
      customer_available: 1_000_000_000n,
      customer_promotional: 1_000_000_000n - cost,
    });
    expect(await remaining(account.accountId)).toBe(1_000_000_000n - cost);
  });

  it('goes when its time is over, once, and only what is left of it', async () => {
    const account = await createBillableAccount(clients.sql);
    const expiresAt = new Date(systemClock.nowMs() + DAY_MS);
    await give(account.accountId, '1.00', true, expiresAt);
    await give(account.accountId, '2.00', true);
    const cost = await use(account, 10);
    const expireAt = (nowMs: number) => api.database.transaction((tx) => expirePromotionalGrants(tx, nowMs));
    expect(await expireAt(systemClock.nowMs())).toBe(0);
    expect(await expireAt(expiresAt.getTime())).toBe(1);
    expect(await expireAt(expiresAt.getTime())).toBe(0);
    expect(await balances(account.accountId)).toEqual({ customer_promotional: 2_000_000_000n });
    const [entry] = await clients.sql<{ amount: string }[]>`
      select amount_nano::text as amount from ledger_entries
      join ledger_transactions on ledger_transactions.id = transaction_id
      join ledger_accounts on ledger_accounts.id = ledger_account_id
      where ledger_transactions.kind = 'promotional_expiry' and account_id = ${account.accountId}`;
    expect(BigInt(entry?.amount ?? 0)).toBe(cost - 1_000_000_000n);
  });

  it('is refused an expiry in the past, and paid credit any', async () => {
    const { accountId } = await api.openAccount();
    const grant = { accountId, amountUsd: '1', reason: 'r' };
    const soon = new Date(systemClock.nowMs() + DAY_MS);
    expect(
      await api.refusal('creditGrant', { ...grant, expiresAt: soon, idempotencyKey: randomUUID() }),
    ).toEqual([{ code: 'INVALID_INPUT', path: ['input', 'expiresAt'] }]);
    const past = new Date(systemClock.nowMs() - 1);
    expect(
      await api.refusal('creditGrant', {
        ...grant,
        promotional: true,
        expiresAt: past,
        idempotencyKey: randomUUID(),
      }),
    ).toEqual([{ code: 'INVALID_INPUT', path: ['input', 'expiresAt'] }]);
  });
});

describe('ledgerTransactionReverse', () => {
  const reverse = (transactionId: string) =>
    api.mutate(
      'ledgerTransactionReverse',
      { transactionId, reason: 'Billed by mistake' },
      'transactionId ledgerEntries { amountNano kind ledgerAccount description }',
    );

  async function lastUsageOf(accountId: string): Promise<string> {
    const [row] = await clients.sql<{ id: string }[]>`
      select ledger_transactions.id from ledger_transactions
      join ledger_entries on transaction_id = ledger_transactions.id
      join ledger_accounts on ledger_accounts.id = ledger_account_id
      where ledger_transactions.kind = 'usage' and account_id = ${accountId}`;
    return `txn_${(row?.id ?? '').replaceAll('-', '')}`;
  }

  it('posts the opposite of a charge, once, and changes nothing that was posted', async () => {
    const account = await createBillableAccount(clients.sql);
    const cost = await use(account, 10);
    const transactionId = await lastUsageOf(account.accountId);
    const payload = await reverse(transactionId);
    expect(payload.ledgerEntries).toEqual([
      {
        amountNano: cost.toString(),
        kind: 'REVERSAL',
        ledgerAccount: 'CUSTOMER_AVAILABLE',
        description: 'Billed by mistake',
      },
      {
        amountNano: (-cost).toString(),
        kind: 'REVERSAL',
        ledgerAccount: 'USAGE_REVENUE',
        description: 'Billed by mistake',
      },
    ]);
    expect(await balances(account.accountId)).toEqual({ customer_available: 0n });
    const again = { transactionId, reason: 'Twice' };
    expect(await api.refusal('ledgerTransactionReverse', again)).toEqual([
      { code: 'NOT_REVERSIBLE', path: ['input', 'transactionId'] },
    ]);
    const reversal = { transactionId: payload.transactionId, reason: 'Back' };
    expect(await api.refusal('ledgerTransactionReverse', reversal)).toEqual([
      { code: 'NOT_REVERSIBLE', path: ['input', 'transactionId'] },
    ]);
  });

  it('gives promotional credit back as promotional credit', async () => {
    const account = await createBillableAccount(clients.sql);
    await give(account.accountId, '1.00', true, new Date(systemClock.nowMs() + DAY_MS));
    await use(account, 10);
    await reverse(await lastUsageOf(account.accountId));
    expect(await balances(account.accountId)).toEqual({ customer_promotional: 1_000_000_000n });
    expect(await remaining(account.accountId)).toBe(1_000_000_000n);
  });

  it('takes an untouched promotional grant back, but not one that was spent from', async () => {
    const account = await createBillableAccount(clients.sql);
    const grant = await give(account.accountId, '1.00', true);
    await reverse(grant.transactionId);
    expect(await remaining(account.accountId)).toBe(0n);
    const spent = await give(account.accountId, '1.00', true);
    await use(account, 10);
    expect(
      await api.refusal('ledgerTransactionReverse', { transactionId: spent.transactionId, reason: 'r' }),
    ).toEqual([{ code: 'NOT_REVERSIBLE', path: ['input', 'transactionId'] }]);
    expect(parseId(spent.transactionId)?.kind).toBe('LedgerTransaction');
  });

  it('refuses a transaction that does not exist, and everybody but operators', async () => {
    const input = { transactionId: `txn_${'0'.repeat(32)}`, reason: 'r' };
    expect(await api.refusal('ledgerTransactionReverse', input)).toEqual([
      { code: 'NOT_FOUND', path: ['input', 'transactionId'] },
    ]);
    const { managementToken } = await api.openAccount();
    const document = `mutation { ledgerTransactionReverse(input: { transactionId: "${input.transactionId}", reason: "r" }) { transactionId } }`;
    expect(await api.codes(document, { token: managementToken })).toEqual(['FORBIDDEN']);
  });
});
