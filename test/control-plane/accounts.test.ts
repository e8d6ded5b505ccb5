import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

describe('accountCreate', () => {
  it('opens an active account with a zero balance that the data planes hear of', async () => {
    const externalId = randomUUID();
    const { account } = await api.mutate(
      'accountCreate',
      { name: 'Ada', externalId },
      'account { id name externalId status createdAt balance { availableUsd heldUsd ledgerUsd } }',
    );
    expect(account).toMatchObject({
      name: 'Ada',
      externalId,
      status: 'ACTIVE',
      balance: { availableUsd: '0.00', heldUsd: '0.00', ledgerUsd: '0.00' },
    });
    expect(account.id).toMatch(/^acct_[0-9a-f]{32}$/);
    expect(account.createdAt).toMatch(/^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/);
    const [change] = await api.sql`select entity, entity_id from config_changes order by id desc limit 1`;
    expect(change).toEqual({
      entity: 'account',
      entity_id: account.id.replace(/^acct_(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    });
  });

  it('refuses an external id that another account has', async () => {
    const externalId = randomUUID();
    await api.mutate('accountCreate', { name: 'First', externalId }, 'account { id }');
    expect(await api.refusal('accountCreate', { name: 'Second', externalId })).toEqual([
      { code: 'EXTERNAL_ID_TAKEN', path: ['input', 'externalId'] },
    ]);
  });

  it.each([
    ['an empty name', { name: '' }, 'name'],
    ['a name of blanks', { name: '   ' }, 'name'],
    ['a name that turns the text around', { name: 'evil\u202etxt' }, 'name'],
    ['a name of 129 characters', { name: 'n'.repeat(129) }, 'name'],
    ['an external id with a line break', { name: 'ok', externalId: 'a\nb' }, 'externalId'],
  ])('refuses %s', async (_case, input, field) => {
    expect(await api.refusal('accountCreate', input)).toEqual([
      { code: 'INVALID_INPUT', path: ['input', field] },
    ]);
  });

  it('opens nothing for the token of an account that is no partner', async () => {
    const { managementToken } = await api.openAccount();
    expect(await api.refusal('accountCreate', { name: 'x' }, managementToken)).toEqual([
      { code: 'NOT_A_PARTNER', path: ['input', 'partnerId'] },
    ]);
  });
});

describe('account status', () => {
  it('is suspended and activated again, once each in the change log', async () => {
    const { accountId } = await api.openAccount();
    const changes = async () =>
      Number((await api.sql`select count(*) from config_changes where entity = 'account'`)[0]?.count);
    const before = await changes();
    const suspended = await api.mutate('accountSuspend', { accountId }, 'account { status }');
    await api.mutate('accountSuspend', { accountId }, 'account { status }');
    expect(suspended.account.status).toBe('SUSPENDED');
    expect(await changes()).toBe(before + 1);
    const active = await api.mutate('accountActivate', { accountId }, 'account { status }');
    expect(active.account.status).toBe('ACTIVE');
    expect(await changes()).toBe(before + 2);
  });

  it('answers NOT_FOUND for an account that does not exist', async () => {
    const input = { accountId: 'acct_00000000000000000000000000000001' };
    expect(await api.refusal('accountSuspend', input)).toEqual([
      { code: 'NOT_FOUND', path: ['input', 'accountId'] },
    ]);
  });
});

describe('accounts', () => {
  it('pages newest first and finds one by its external id', async () => {
    const externalId = randomUUID();
    await api.mutate('accountCreate', { name: 'older' }, 'account { id }');
    await api.mutate('accountCreate', { name: 'newer', externalId }, 'account { id }');
    const page = 'nodes { name } pageInfo { hasNextPage endCursor }';
    const first = await api.call(`{ accounts(first: 1) { ${page} } }`);
    expect(first.data.accounts.nodes).toEqual([{ name: 'newer' }]);
    expect(first.data.accounts.pageInfo.hasNextPage).toBe(true);
    const second = await api.call(
      `query ($after: String) { accounts(first: 1, after: $after) { ${page} } }`,
      {
        variables: { after: first.data.accounts.pageInfo.endCursor },
      },
    );
    expect(second.data.accounts.nodes).toEqual([{ name: 'older' }]);
    const last = await api.call('{ accounts(last: 1) { nodes { name } pageInfo { hasPreviousPage } } }');
    expect(last.data.accounts.pageInfo.hasPreviousPage).toBe(true);
    const found = await api.call(`{ accounts(externalId: "${externalId}") { nodes { name } } }`);
    expect(found.data.accounts.nodes).toEqual([{ name: 'newer' }]);
  });
});

describe('managementTokenCreate', () => {
  it('makes a token that sees its account and stops working once it is revoked', async () => {
    const { accountId, managementToken } = await api.openAccount('Partner');
    const query = '{ viewer { kind account { id managementTokens { nodes { id name revokedAt } } } } }';
    const before = await api.call(query, { token: managementToken });
    expect(before.data.viewer).toMatchObject({ kind: 'MANAGEMENT', account: { id: accountId } });
    const [token] = before.data.viewer.account.managementTokens.nodes;
    const { managementToken: revoked } = await api.mutate(
      'managementTokenRevoke',
      { managementTokenId: token.id },
      'managementToken { revokedAt }',
      managementToken,
    );
    expect(revoked.revokedAt).not.toBeNull();
    const after = await api.call(query, { token: managementToken });
    expect(after.status).toBe(401);
  });

  it('refuses an expiry in the past and an unknown account', async () => {
    const { accountId } = await api.openAccount();
    const past = { accountId, name: 'late', expiresAt: '2020-01-01T00:00:00Z' };
    expect(await api.refusal('managementTokenCreate', past)).toEqual([
      { code: 'INVALID_INPUT', path: ['input', 'expiresAt'] },
    ]);
    expect(await api.refusal('managementTokenCreate', { accountId: 'nonsense', name: 'x' })).toEqual([
      { code: 'NOT_FOUND', path: ['input', 'accountId'] },
    ]);
  });
});
