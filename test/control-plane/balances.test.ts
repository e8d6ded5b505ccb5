import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { redisKeys } from '#shared/redis-keys.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

function uuidFrom(publicId: string): string {
  return publicId.replace(/^[a-z_]+_(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

async function fundedAccount(
  amountUsd: string,
): Promise<{ accountId: string; wallet: string; uuid: string }> {
  const { accountId } = await api.openAccount();
  const input = { accountId, amountUsd, reason: 'Test', idempotencyKey: randomUUID() };
  await api.mutate('creditGrant', input, '');
  const uuid = uuidFrom(accountId);
  return { accountId, wallet: redisKeys.wallet(uuid), uuid };
}

async function balanceOf(accountId: string): Promise<object> {
  const { data } = await api.call(
    `{ account(id: "${accountId}") { balance { availableUsd heldUsd ledgerUsd availableNano heldNano } } }`,
  );
  return data.account.balance;
}

describe('the balance of an account', () => {
  it('takes what data planes hold out of what is available', async () => {
    const { accountId, wallet } = await fundedAccount('10');
    await api.redis.hset(wallet, {
      balance: '10000000000',
      sequence: '1',
      'g:one': '5000000000',
      'r:one': '1000000000',
      'g:two': '500000000',
    });
    expect(await balanceOf(accountId)).toEqual({
      availableUsd: '5.50',
      heldUsd: '4.50',
      ledgerUsd: '10.00',
      availableNano: '5500000000',
      heldNano: '4500000000',
    });
  });

  it('counts what a spool has settled once, also before Redis has heard of it', async () => {
    const { accountId, wallet, uuid } = await fundedAccount('10');
    await api.redis.hset(wallet, { 'g:one': '3000000000', 'r:one': '0', 's:one': '0' });
    await api.sql`
      insert into usage_spool_wallets (spool_id, account_id, settled_nano) values ('one', ${uuid}, 2000000000)`;
    expect(await balanceOf(accountId)).toMatchObject({ heldUsd: '1.00', availableUsd: '9.00' });
    await api.redis.hset(wallet, { 's:one': '2000000000' });
    expect(await balanceOf(accountId)).toMatchObject({ heldUsd: '1.00', availableUsd: '9.00' });
  });

  it('holds nothing for a spool whose grants Redis has forgotten', async () => {
    const { accountId, wallet, uuid } = await fundedAccount('10');
    await api.redis.hset(wallet, { 'g:one': '1' });
    await api.sql`
      insert into usage_spool_wallets (spool_id, account_id, settled_nano) values ('one', ${uuid}, 2000000000)`;
    expect(await balanceOf(accountId)).toMatchObject({ heldUsd: '0.00', availableUsd: '10.00' });
  });

  it('goes below zero where the ledger does', async () => {
    const { accountId, uuid } = await fundedAccount('1');
    const [customer] = await api.sql<{ id: string }[]>`
      select id from ledger_accounts where account_id = ${uuid}`;
    await api.sql`
      update ledger_balances set balance_nano = -5 where ledger_account_id = ${customer?.id ?? ''}`;
    expect(await balanceOf(accountId)).toMatchObject({
      ledgerUsd: '-0.000000005',
      availableUsd: '-0.000000005',
    });
  });

  it('is the ledger alone while Redis is away', async () => {
    const { accountId, wallet } = await fundedAccount('10');
    await api.redis.hset(wallet, { 'g:one': '5000000000' });
    api.redis.disconnect();
    expect(await balanceOf(accountId)).toMatchObject({ availableUsd: '10.00', heldUsd: '0.00' });
    await api.redis.connect();
    expect(await balanceOf(accountId)).toMatchObject({ availableUsd: '5.00', heldUsd: '5.00' });
  });
});
