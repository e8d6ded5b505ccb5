import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestApiKey, isWellFormedApiKey } from '#shared/api-key.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const KEY = 'apiKey { id name start last4 status rpmLimit tpmLimit expiresAt deletedAt account { id } }';

async function configChangesOf(apiKeyId: string): Promise<number> {
  const hex = apiKeyId.slice('key_'.length);
  const rows = await api.sql`
    select 1 from config_changes where entity = 'key' and entity_id = ${hex}::uuid::text`;
  return rows.length;
}

describe('apiKeyCreate', () => {
  it('shows the secret once and stores only its digest', async () => {
    const { accountId } = await api.openAccount();
    const { apiKey, secret } = await api.mutate(
      'apiKeyCreate',
      { accountId, name: 'Server' },
      `${KEY} secret`,
    );
    expect(isWellFormedApiKey(secret)).toBe(true);
    expect(apiKey).toEqual({
      id: expect.stringMatching(/^key_[0-9a-f]{32}$/),
      name: 'Server',
      start: secret.slice(0, 6),
      last4: secret.slice(-4),
      status: 'ACTIVE',
      rpmLimit: 60,
      tpmLimit: 100_000,
      expiresAt: null,
      deletedAt: null,
      account: { id: accountId },
    });
    expect(await configChangesOf(apiKey.id)).toBe(1);
    const [row] = await api.sql`select * from api_keys where digest = ${digestApiKey(secret)}`;
    expect(row).toBeDefined();
    expect(JSON.stringify(row)).not.toContain(secret.slice(6, -4));
  });

  it('takes limits and an expiry', async () => {
    const { accountId, managementToken } = await api.openAccount();
    const expiresAt = '2099-01-01T00:00:00.000Z';
    const input = { accountId, name: 'Batch', rpmLimit: 5, tpmLimit: 7, expiresAt };
    const { apiKey } = await api.mutate('apiKeyCreate', input, KEY, managementToken);
    expect(apiKey).toMatchObject({ rpmLimit: 5, tpmLimit: 7, expiresAt });
  });

  it.each([
    ['no requests per minute', { rpmLimit: 0 }, 'rpmLimit'],
    ['more requests per minute than there can be', { rpmLimit: 1_000_001 }, 'rpmLimit'],
    ['a negative number of tokens', { tpmLimit: -1 }, 'tpmLimit'],
    ['an expiry in the past', { expiresAt: '2020-02-02T02:02:02Z' }, 'expiresAt'],
    ['an empty name', { name: '' }, 'name'],
  ])('refuses %s', async (_case, part, field) => {
    const { accountId } = await api.openAccount();
    expect(await api.refusal('apiKeyCreate', { accountId, name: 'Key', ...part })).toEqual([
      { code: 'INVALID_INPUT', path: ['input', field] },
    ]);
  });

  it.each([
    ['an account that does not exist', 'acct_00000000000000000000000000000009'],
    ['the id of another kind of thing', 'key_00000000000000000000000000000009'],
    ['text that is no id', 'robert"; drop table accounts'],
  ])('answers NOT_FOUND for %s', async (_case, accountId) => {
    expect(await api.refusal('apiKeyCreate', { accountId, name: 'Key' })).toEqual([
      { code: 'NOT_FOUND', path: ['input', 'accountId'] },
    ]);
  });

  it('refuses an instant without a time zone before anything runs', async () => {
    const { accountId } = await api.openAccount();
    const document = `mutation { apiKeyCreate(input: { accountId: "${accountId}", name: "x", expiresAt: "2099-01-01" }) { secret } }`;
    const { data, errors } = await api.call(document);
    expect(data).toBeUndefined();
    expect(errors).toHaveLength(1);
  });
});

describe('the life of an API key', () => {
  it('is disabled, enabled and deleted, and tells the data planes of each change once', async () => {
    const { accountId, managementToken } = await api.openAccount();
    const { apiKey } = await api.mutate('apiKeyCreate', { accountId, name: 'Key' }, 'apiKey { id }');
    const input = { apiKeyId: apiKey.id };
    const statusAfter = async (name: string) =>
      (await api.mutate(name, input, 'apiKey { status }', managementToken)).apiKey.status;
    expect(await statusAfter('apiKeyDisable')).toBe('DISABLED');
    expect(await statusAfter('apiKeyDisable')).toBe('DISABLED');
    expect(await statusAfter('apiKeyEnable')).toBe('ACTIVE');
    expect(await statusAfter('apiKeyDelete')).toBe('DELETED');
    expect(await statusAfter('apiKeyDelete')).toBe('DELETED');
    expect(await configChangesOf(apiKey.id)).toBe(4);
    expect(await api.refusal('apiKeyEnable', input)).toEqual([
      { code: 'API_KEY_DELETED', path: ['input', 'apiKeyId'] },
    ]);
    expect(await configChangesOf(apiKey.id)).toBe(4);
  });

  it('shows every step of several mutations in one request as it was then', async () => {
    const { accountId } = await api.openAccount();
    const { apiKey } = await api.mutate('apiKeyCreate', { accountId, name: 'Key' }, 'apiKey { id }');
    const { data } = await api.call(`mutation {
      off: apiKeyDisable(input: { apiKeyId: "${apiKey.id}" }) { apiKey { status } }
      on: apiKeyEnable(input: { apiKeyId: "${apiKey.id}" }) { apiKey { status } }
    }`);
    expect(data).toEqual({ off: { apiKey: { status: 'DISABLED' } }, on: { apiKey: { status: 'ACTIVE' } } });
  });

  it('answers NOT_FOUND for a key that does not exist', async () => {
    for (const name of ['apiKeyDisable', 'apiKeyEnable', 'apiKeyDelete'])
      expect(await api.refusal(name, { apiKeyId: 'key_00000000000000000000000000000001' })).toEqual([
        { code: 'NOT_FOUND', path: ['input', 'apiKeyId'] },
      ]);
  });
});

describe('apiKeys', () => {
  it('lists the keys of an account newest first, page by page in both directions', async () => {
    const { accountId, managementToken } = await api.openAccount();
    for (const name of ['one', 'two', 'three'])
      await api.mutate('apiKeyCreate', { accountId, name }, 'apiKey { id }');
    const list = async (args: string) =>
      (
        await api.call(
          `{ apiKeys(${args}) { nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`,
          { token: managementToken },
        )
      ).data.apiKeys;
    const names = (page: { nodes: { name: string }[] }) => page.nodes.map((node) => node.name);
    const first = await list('first: 2');
    expect(names(first)).toEqual(['three', 'two']);
    const second = await list(`first: 2, after: "${first.pageInfo.endCursor}"`);
    expect(names(second)).toEqual(['one']);
    expect(second.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    expect(names(await list('last: 2'))).toEqual(['two', 'one']);
    expect(names(await list(`last: 1, before: "${second.pageInfo.startCursor}"`))).toEqual(['two']);
  });

  it('refuses a cursor that it has not made and a page without measure', async () => {
    expect(await api.codes('{ apiKeys(after: "nonsense") { nodes { id } } }')).toEqual(['BAD_USER_INPUT']);
    expect(await api.codes('{ apiKeys(first: 1001) { nodes { id } } }')).toEqual(['BAD_USER_INPUT']);
    expect(await api.codes('{ apiKeys(first: -1) { nodes { id } } }')).toEqual(['BAD_USER_INPUT']);
  });
});
