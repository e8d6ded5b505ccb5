import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { redisKeys } from '#shared/redis-keys.ts';
import { ledgerBalanceOf } from '#test/setup/billing-fixtures.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
let partnerId: string;
let token: string;
beforeAll(async () => {
  api = await startTestApi();
});
beforeEach(async () => {
  const { account } = await api.mutate(
    'accountCreate',
    { name: 'Partner', kind: 'PARTNER' },
    'account { id }',
  );
  partnerId = account.id;
  token = await tokenFor(partnerId);
  await grant('100');
});
afterAll(() => api.close());

async function tokenFor(accountId: string, input: object = {}): Promise<string> {
  const made = { accountId, name: 'automation', ...input };
  return (await api.mutate('managementTokenCreate', made, 'secret')).secret;
}

async function grant(amountUsd: string): Promise<void> {
  const input = { accountId: partnerId, amountUsd, reason: 'Paid', idempotencyKey: randomUUID() };
  await api.mutate('creditGrant', input, '');
}

async function openCustomer(input: object = {}, as = token): Promise<string> {
  return (await api.mutate('accountCreate', { name: 'Customer', ...input }, 'account { id }', as)).account.id;
}

const uuid = (publicId: string) =>
  publicId.replace(/^[a-z_]+_(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
const balanceOf = async (accountId: string) => await ledgerBalanceOf(api.sql, uuid(accountId));
const notFound = (field: string) => [{ code: 'NOT_FOUND', path: ['input', field] }];

describe('a partner', () => {
  it('opens customer accounts with their own id, notes, limits and first credit', async () => {
    const { account } = await api.mutate(
      'accountCreate',
      {
        name: 'Acme',
        externalId: 'acme-1',
        metadata: { plan: 'gold' },
        apiKeyLimit: 3,
        creditUsd: '12.50',
        idempotencyKey: randomUUID(),
      },
      'account { id kind externalId metadata apiKeyLimit partner { id } balance { availableUsd } }',
      token,
    );
    expect(account).toEqual({
      id: expect.stringMatching(/^acct_/),
      kind: 'CUSTOMER',
      externalId: 'acme-1',
      metadata: { plan: 'gold' },
      apiKeyLimit: 3,
      partner: { id: partnerId },
      balance: { availableUsd: '12.50' },
    });
    expect(await balanceOf(partnerId)).toBe(87_500_000_000n);
  });

  it('opens the account and moves the credit together or not at all, and once per idempotency key', async () => {
    const input = { name: 'Acme', creditUsd: '60', idempotencyKey: randomUUID() };
    const first = await openCustomer(input);
    expect(await openCustomer(input)).toBe(first);
    const second = { ...input, idempotencyKey: randomUUID(), externalId: 'second' };
    expect(await api.refusal('accountCreate', second, token)).toEqual([
      { code: 'INSUFFICIENT_CREDIT', path: ['input', 'creditUsd'] },
    ]);
    expect(await balanceOf(partnerId)).toBe(40_000_000_000n);
    const { data } = await api.call('{ accounts(kind: CUSTOMER) { nodes { id } } }', { token });
    expect(data.accounts.nodes).toEqual([{ id: first }]);
  });

  it('sees, changes and suspends its customers and nobody else', async () => {
    const customer = await openCustomer();
    const stranger = (await api.openAccount()).accountId;
    const { apiKey } = await api.mutate(
      'apiKeyCreate',
      { accountId: customer, name: 'Key' },
      'apiKey { id account { name } }',
      token,
    );
    expect(apiKey.account.name).toBe('Customer');
    const { data } = await api.call(
      `{ account(id: "${customer}") { name apiKeys { nodes { id } } }
         stranger: account(id: "${stranger}") { name }
         node(id: "${apiKey.id}") { id }
         apiKeys(accountId: "${customer}") { nodes { id } }
         accounts { nodes { id } } }`,
      { token },
    );
    expect(data).toEqual({
      account: { name: 'Customer', apiKeys: { nodes: [{ id: apiKey.id }] } },
      stranger: null,
      node: { id: apiKey.id },
      apiKeys: { nodes: [{ id: apiKey.id }] },
      accounts: { nodes: [{ id: customer }, { id: partnerId }] },
    });
    const status = async (name: string, accountId: string) =>
      (await api.mutate(name, { accountId }, 'account { status }', token)).account.status;
    expect(await status('accountSuspend', customer)).toBe('SUSPENDED');
    expect(await status('accountActivate', customer)).toBe('ACTIVE');
    expect(await api.refusal('accountSuspend', { accountId: stranger }, token)).toEqual(
      notFound('accountId'),
    );
    expect(await api.refusal('apiKeyCreate', { accountId: stranger, name: 'x' }, token)).toEqual(
      notFound('accountId'),
    );
  });

  it('neither suspends itself nor undoes what an operator has done', async () => {
    const customer = await openCustomer();
    expect(await api.refusal('accountSuspend', { accountId: partnerId }, token)).toEqual(
      notFound('accountId'),
    );
    await api.mutate('accountSuspend', { accountId: customer }, '', token);
    await api.mutate('accountSuspend', { accountId: customer }, '');
    expect(await api.refusal('accountActivate', { accountId: customer }, token)).toEqual([
      { code: 'SUSPENDED_BY_OPERATOR', path: ['input', 'accountId'] },
    ]);
    await api.mutate('accountActivate', { accountId: customer }, '');
  });

  it('finds customers by external id and metadata, which other partners may use too', async () => {
    await openCustomer({ name: 'one', externalId: 'x', metadata: { plan: 'gold', region: 'eu' } });
    await openCustomer({ name: 'two', metadata: { plan: 'gold' } });
    const names = async (filter: string) =>
      (
        await api.call(`{ viewer { account { customers(${filter}) { nodes { name } } } } }`, { token })
      ).data.viewer.account.customers.nodes.map((node: { name: string }) => node.name);
    expect(await names('externalId: "x"')).toEqual(['one']);
    expect(await names('metadata: {plan: "gold"}')).toEqual(['two', 'one']);
    expect(await names('metadata: {plan: "gold", region: "eu"}')).toEqual(['one']);
    expect(await api.refusal('accountCreate', { name: 'three', externalId: 'x' }, token)).toEqual([
      { code: 'EXTERNAL_ID_TAKEN', path: ['input', 'externalId'] },
    ]);
    const other = await api.mutate('accountCreate', { name: 'P2', kind: 'PARTNER' }, 'account { id }');
    await openCustomer({ externalId: 'x' }, await tokenFor(other.account.id));
  });

  it('changes the notes of its customers; the customers only their own names', async () => {
    const customer = await openCustomer();
    const own = await tokenFor(customer);
    const update = { accountId: customer, externalId: 'new', apiKeyLimit: 9, metadata: { a: 'b' } };
    const { account } = await api.mutate(
      'accountUpdate',
      update,
      'account { externalId apiKeyLimit metadata }',
      token,
    );
    expect(account).toEqual({ externalId: 'new', apiKeyLimit: 9, metadata: { a: 'b' } });
    await api.mutate('accountUpdate', { accountId: customer, name: 'Renamed' }, '', own);
    expect(await api.refusal('accountUpdate', { accountId: customer, apiKeyLimit: 99 }, own)).toEqual([
      { code: 'FORBIDDEN', path: ['input', 'apiKeyLimit'] },
    ]);
  });
});

describe('credit between a partner and its customer', () => {
  const move = (name: string, accountId: string, amountUsd: string, key: string = randomUUID()) => ({
    name,
    input: { accountId, amountUsd, idempotencyKey: key },
  });

  it('moves both ways as balanced ledger entries, once per key', async () => {
    const customer = await openCustomer();
    const { name, input } = move('creditAllocate', customer, '30.000000001');
    for (let time = 0; time < 3; time += 1) await api.mutate(name, input, 'account { id }', token);
    expect(await balanceOf(customer)).toBe(30_000_000_001n);
    expect(await balanceOf(partnerId)).toBe(69_999_999_999n);
    await api.mutate('creditReclaim', move('', customer, '10').input, 'partner { id }', token);
    expect(await balanceOf(customer)).toBe(20_000_000_001n);
    const { data } = await api.call(
      `{ ledgerEntries(accountId: "${customer}") { nodes { kind amountUsd } } }`,
      { token },
    );
    expect(data.ledgerEntries.nodes).toEqual([
      { kind: 'CREDIT_ALLOCATION', amountUsd: '-10.00' },
      { kind: 'CREDIT_ALLOCATION', amountUsd: '30.000000001' },
    ]);
  });

  it('never exceeds what the giver can spend, held money included, however many ask at once', async () => {
    const customer = await openCustomer();
    const spool = 'spool-1';
    await api.redis.hset(redisKeys.wallet(uuid(partnerId)), { [`g:${spool}`]: '40000000000' });
    const answers = await Promise.all(
      Array.from({ length: 6 }, async () => {
        const { input } = move('', customer, '25');
        const document =
          'mutation ($input: CreditAllocateInput!) { creditAllocate(input: $input) { userErrors { code } } }';
        return (await api.call(document, { token, variables: { input } })).data.creditAllocate.userErrors;
      }),
    );
    expect(answers.filter((errors) => errors.length === 0)).toHaveLength(2);
    expect(answers.flat()).toEqual(Array.from({ length: 4 }, () => ({ code: 'INSUFFICIENT_CREDIT' })));
    expect(await balanceOf(customer)).toBe(50_000_000_000n);
  });

  it('is refused without a key, for strangers and for amounts that are none', async () => {
    const customer = await openCustomer();
    const stranger = (await api.openAccount()).accountId;
    expect(await api.refusal('creditAllocate', { accountId: customer, amountUsd: '1' }, token)).toEqual([
      { code: 'IDEMPOTENCY_KEY_REQUIRED', path: ['input', 'idempotencyKey'] },
    ]);
    for (const accountId of [stranger, partnerId])
      expect(await api.refusal('creditAllocate', move('', accountId, '1').input, token)).toEqual(
        notFound('accountId'),
      );
    for (const amount of ['0', '-1', 'much'])
      expect(await api.refusal('creditAllocate', move('', customer, amount).input, token)).toEqual([
        { code: 'INVALID_INPUT', path: ['input', 'amountUsd'] },
      ]);
  });

  it('does not follow from the right to open accounts', async () => {
    const opener = await tokenFor(partnerId, { scopes: ['ACCOUNTS_WRITE'] });
    const input = { name: 'x', creditUsd: '1', idempotencyKey: randomUUID() };
    expect(await api.refusal('accountCreate', input, opener)).toEqual([
      { code: 'FORBIDDEN', path: ['input', 'creditUsd'] },
    ]);
  });
});

describe('management tokens', () => {
  it('do what their scopes say and nothing else', async () => {
    const reader = await tokenFor(partnerId, { scopes: ['KEYS_READ'] });
    const { data } = await api.call('{ apiKeys { nodes { id } } viewer { accounts { permissions } } }', {
      token: reader,
    });
    expect(data).toEqual({
      apiKeys: { nodes: [] },
      viewer: { accounts: [{ permissions: ['KEYS_READ'] }] },
    });
    const closed = [
      '{ accounts { nodes { id } } }',
      '{ usageRecords { nodes { id } } }',
      `mutation { apiKeyCreate(input: { accountId: "${partnerId}", name: "x" }) { secret } }`,
      '{ viewer { account { balance { availableUsd } } } }',
    ];
    for (const document of closed)
      expect([document, await api.codes(document, { token: reader })]).toEqual([document, ['FORBIDDEN']]);
  });

  it('make tokens with no more scopes than they have', async () => {
    const maker = await tokenFor(partnerId, { scopes: ['TOKENS_WRITE', 'KEYS_WRITE'] });
    const wanted = { accountId: partnerId, name: 'child' };
    const { managementToken } = await api.mutate(
      'managementTokenCreate',
      { ...wanted, scopes: ['KEYS_READ'] },
      'managementToken { scopes }',
      maker,
    );
    expect(managementToken.scopes).toEqual(['KEYS_READ']);
    expect(
      await api.refusal('managementTokenCreate', { ...wanted, scopes: ['BILLING_READ'] }, maker),
    ).toEqual([{ code: 'FORBIDDEN', path: ['input', 'scopes'] }]);
    const inherited = await api.mutate('managementTokenCreate', wanted, 'managementToken { scopes }', maker);
    expect(inherited.managementToken.scopes).toEqual(['KEYS_WRITE', 'TOKENS_WRITE']);
  });

  it('work only from their addresses, as trusted proxies tell them', async () => {
    const bound = await tokenFor(partnerId, { allowedAddresses: ['198.51.100.0/24'] });
    const from = async (address: string) =>
      (await api.call('{ viewer { kind } }', { token: bound, headers: { 'x-forwarded-for': address } }))
        .status;
    expect(await from('198.51.100.7')).toBe(200);
    expect(await from('203.0.113.7')).toBe(401);
    expect(await from('198.51.100.7, 203.0.113.7')).toBe(401);
    expect((await api.call('{ viewer { kind } }', { token: bound })).status).toBe(401);
  });
});
