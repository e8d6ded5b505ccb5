import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { digestApiKey } from '#shared/api-key.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
let accountId: string;
let managementToken: string;
beforeAll(async () => {
  api = await startTestApi();
});
beforeEach(async () => {
  ({ accountId, managementToken } = await api.openAccount());
});
afterAll(() => api.close());

const keyCount = async () =>
  (await api.sql`select 1 from api_keys where account_id = ${accountId.slice(5)}::uuid`).length;
const newKeys = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    name: `Key ${index}`,
    rpmLimit: 100 + index,
    budgetUsd: '5',
    budgetPeriod: 'MONTH',
    externalId: `user-${index}`,
    metadata: { seat: String(index) },
    aliases: [
      { alias: 'fast', kind: 'EXACT', model: 'openai/gpt-5-mini' },
      { alias: 'claude-', kind: 'PREFIX', model: 'deepseek/deepseek-v4-pro' },
    ],
  }));

describe('apiKeysCreate', () => {
  it('makes 1,000 keys with limits and aliases in a few statements, and repeats its answer, secrets included', async () => {
    const input = { accountId, keys: newKeys(1_000), idempotencyKey: randomUUID() };
    api.statements.length = 0;
    const first = await api.mutate(
      'apiKeysCreate',
      input,
      'apiKeys { id name rpmLimit externalId } secrets',
      managementToken,
    );
    expect(api.statements.length).toBeLessThanOrEqual(20);
    expect(first.apiKeys).toHaveLength(1_000);
    expect(new Set(first.secrets).size).toBe(1_000);
    expect(first.apiKeys[999]).toMatchObject({ name: 'Key 999', rpmLimit: 1_099, externalId: 'user-999' });
    const [row] = await api.sql`
      select id, budget_period, (select count(*)::int from model_aliases where api_key_id = api_keys.id) as aliases
      from api_keys where digest = ${digestApiKey(first.secrets[999])}`;
    expect(row).toEqual({
      id: first.apiKeys[999].id.replace(/^key_(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
      budget_period: 'month',
      aliases: 2,
    });
    const again = await api.mutate('apiKeysCreate', input, 'apiKeys { id } secrets', managementToken);
    expect(again.secrets).toEqual(first.secrets);
    expect(await keyCount()).toBe(1_000);
    const changes = await api.sql`
      select 1 from config_changes join api_keys on entity_id = api_keys.id::text
      where account_id = ${accountId.slice(5)}::uuid`;
    expect(changes).toHaveLength(1_000);
  });

  it('makes none when one is refused, naming each that is', async () => {
    const keys = [{ name: 'good' }, { name: '' }, { name: 'bad model', allowedModels: ['no/model'] }];
    expect(await api.refusal('apiKeysCreate', { accountId, keys })).toEqual([
      { code: 'INVALID_INPUT', path: ['input', 'keys', '1', 'name'] },
      { code: 'NOT_FOUND', path: ['input', 'keys', '2', 'allowedModels', '0'] },
    ]);
    expect(await keyCount()).toBe(0);
  });

  it('refuses external ids that repeat or are taken, and makes none', async () => {
    await api.mutate('apiKeyCreate', { accountId, name: 'Old', externalId: 'a' }, '');
    const keys = ['a', 'b', 'b'].map((externalId) => ({ name: 'New', externalId }));
    expect(await api.refusal('apiKeysCreate', { accountId, keys })).toEqual([
      { code: 'EXTERNAL_ID_TAKEN', path: ['input', 'keys', '0', 'externalId'] },
      { code: 'EXTERNAL_ID_TAKEN', path: ['input', 'keys', '2', 'externalId'] },
    ]);
    expect(await keyCount()).toBe(1);
  });

  it('refuses no keys, 1,001 keys and more keys than the account may have', async () => {
    const refusal = (keys: object[]) => api.refusal('apiKeysCreate', { accountId, keys });
    const malformed = [{ code: 'INVALID_INPUT', path: ['input', 'keys'] }];
    expect(await refusal([])).toEqual(malformed);
    expect(await refusal(Array.from({ length: 1_001 }, () => ({ name: 'x' })))).toEqual(malformed);
    await api.mutate('accountUpdate', { accountId, apiKeyLimit: 2 }, '');
    const full = [{ code: 'API_KEY_LIMIT_REACHED', path: ['input', 'accountId'] }];
    expect(await refusal([{ name: 'a' }, { name: 'b' }, { name: 'c' }])).toEqual(full);
    const { apiKeys } = await api.mutate(
      'apiKeysCreate',
      { accountId, keys: [{ name: 'a' }, { name: 'b' }] },
      'apiKeys { id }',
    );
    expect(await api.refusal('apiKeyCreate', { accountId, name: 'c' })).toEqual(full);
    await api.mutate('apiKeyDelete', { apiKeyId: apiKeys[0].id }, '');
    await api.mutate('apiKeyCreate', { accountId, name: 'c' }, '');
  });
});

describe('apiKeysDisable', () => {
  it('disables all of them in one call, and none when one cannot be', async () => {
    const { apiKeys } = await api.mutate(
      'apiKeysCreate',
      { accountId, keys: newKeys(3) },
      'apiKeys { id }',
      managementToken,
    );
    const ids = apiKeys.map((key: { id: string }) => key.id);
    const { apiKeys: disabled } = await api.mutate(
      'apiKeysDisable',
      { apiKeyIds: ids.slice(0, 2) },
      'apiKeys { id status }',
      managementToken,
    );
    expect(disabled).toEqual(ids.slice(0, 2).map((id: string) => ({ id, status: 'DISABLED' })));
    await api.mutate('apiKeyDelete', { apiKeyId: ids[0] }, '');
    const stranger = 'key_00000000000000000000000000000001';
    expect(await api.refusal('apiKeysDisable', { apiKeyIds: [ids[2], ids[0], stranger] })).toEqual([
      { code: 'API_KEY_DELETED', path: ['input', 'apiKeyIds', '1'] },
      { code: 'NOT_FOUND', path: ['input', 'apiKeyIds', '2'] },
    ]);
    const { data } = await api.call(`{ node(id: "${ids[2]}") { ... on ApiKey { status } } }`);
    expect(data.node.status).toBe('ACTIVE');
  });
});
