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

const SETTINGS = `apiKey { id name rpmLimit tpmLimit concurrencyLimit budgetUsd budgetNano budgetPeriod allowedModels
  allowedAddresses externalId metadata expiresAt lastUsedAt previousSecretValidUntil aliases { nodes { alias kind model { id } } } }`;
const FULL = {
  name: 'Full',
  rpmLimit: 5,
  tpmLimit: 6,
  concurrencyLimit: 7,
  budgetUsd: '1.5',
  budgetPeriod: 'WEEK',
  allowedModels: ['openai/gpt-5-mini', 'deepseek/deepseek-v4-pro'],
  allowedAddresses: ['192.0.2.0/24', '2001:db8::1'],
  externalId: 'mine-1',
  metadata: { team: 'search', stage: 'live' },
  expiresAt: '2099-01-01T00:00:00.000Z',
};
const INVALID = 'INVALID_INPUT';

describe('the settings of a key', () => {
  it('are given when it is made, aliases included, and reach the data planes in one change', async () => {
    const aliases = [
      { alias: 'fast', kind: 'EXACT', model: 'openai/gpt-5-mini' },
      { alias: 'gpt-', kind: 'PREFIX', model: 'deepseek/deepseek-v4-pro' },
    ];
    const { apiKey } = await api.mutate(
      'apiKeyCreate',
      { accountId, ...FULL, aliases },
      SETTINGS,
      managementToken,
    );
    expect(apiKey).toEqual({
      ...FULL,
      id: expect.stringMatching(/^key_/),
      budgetUsd: '1.50',
      budgetNano: '1500000000',
      lastUsedAt: null,
      previousSecretValidUntil: null,
      aliases: {
        nodes: aliases.toReversed().map(({ model, ...alias }) => ({ ...alias, model: { id: model } })),
      },
    });
    const changes = await api.sql`
      select 1 from config_changes where entity_id = ${apiKey.id.slice(4)}::uuid::text`;
    expect(changes).toHaveLength(1);
  });

  it('are changed one by one: what is left out stays, null takes a limit away', async () => {
    const { apiKey } = await api.mutate('apiKeyCreate', { accountId, ...FULL }, 'apiKey { id }');
    const update = async (changes: object) =>
      (await api.mutate('apiKeyUpdate', { apiKeyId: apiKey.id, ...changes }, SETTINGS, managementToken))
        .apiKey;
    expect(await update({ name: 'Renamed', rpmLimit: 50 })).toMatchObject({
      ...FULL,
      name: 'Renamed',
      rpmLimit: 50,
      budgetUsd: '1.50',
    });
    const unlimited = {
      concurrencyLimit: null,
      budgetUsd: null,
      allowedModels: null,
      allowedAddresses: null,
      externalId: null,
      expiresAt: null,
    };
    expect(await update({ ...unlimited, metadata: {}, budgetPeriod: 'NONE' })).toMatchObject({
      ...unlimited,
      metadata: {},
      budgetPeriod: 'NONE',
      rpmLimit: 50,
    });
    const before = await api.sql`select 1 from config_changes`;
    await update({});
    expect(await api.sql`select 1 from config_changes`).toHaveLength(before.length);
  });

  it.each([
    ['no requests at one time', { concurrencyLimit: 0 }, INVALID, ['concurrencyLimit']],
    ['a budget of nothing', { budgetUsd: '0' }, INVALID, ['budgetUsd']],
    ['a negative budget', { budgetUsd: '-1' }, INVALID, ['budgetUsd']],
    ['a budget that is no number', { budgetUsd: '1e3' }, INVALID, ['budgetUsd']],
    [
      'an unknown model',
      { allowedModels: ['openai/gpt-5-mini', 'no/model'] },
      'NOT_FOUND',
      ['allowedModels', '1'],
    ],
    ['an empty list of models', { allowedModels: [] }, INVALID, ['allowedModels']],
    ['a host name', { allowedAddresses: ['example.com'] }, INVALID, ['allowedAddresses', '0']],
    ['a mask that is too long', { allowedAddresses: ['10.0.0.0/40'] }, INVALID, ['allowedAddresses', '0']],
    ['metadata with a strange name', { metadata: { 'a b': 'c' } }, INVALID, ['metadata']],
    ['a long metadata value', { metadata: { a: 'x'.repeat(501) } }, INVALID, ['metadata']],
    ['an empty external id', { externalId: '' }, INVALID, ['externalId']],
    ['an expiry in the past', { expiresAt: '2020-01-01T00:00:00Z' }, INVALID, ['expiresAt']],
  ])('are refused with %s, when made and when changed', async (_case, part, code, path) => {
    const refusal = [{ code, path: ['input', ...path] }];
    expect(await api.refusal('apiKeyCreate', { accountId, name: 'Key', ...part })).toEqual(refusal);
    const { apiKey } = await api.mutate('apiKeyCreate', { accountId, name: 'Key' }, 'apiKey { id }');
    expect(await api.refusal('apiKeyUpdate', { apiKeyId: apiKey.id, ...part })).toEqual(refusal);
  });

  it('has external ids that are unique within the account and may repeat in another', async () => {
    const other = await api.openAccount();
    const taken = [{ code: 'EXTERNAL_ID_TAKEN', path: ['input', 'externalId'] }];
    await api.mutate('apiKeyCreate', { accountId, name: 'One', externalId: 'x' }, '');
    const two = await api.mutate('apiKeyCreate', { accountId, name: 'Two' }, 'apiKey { id }');
    await api.mutate('apiKeyCreate', { accountId: other.accountId, name: 'Far', externalId: 'x' }, '');
    expect(await api.refusal('apiKeyCreate', { accountId, name: 'Three', externalId: 'x' })).toEqual(taken);
    expect(await api.refusal('apiKeyUpdate', { apiKeyId: two.apiKey.id, externalId: 'x' })).toEqual(taken);
  });

  it('refuses a repeated alias, a malformed one and one alias too many', async () => {
    const alias = (name: string) => ({ alias: name, kind: 'EXACT', model: 'openai/gpt-5-mini' });
    const refusal = (aliases: object[]) => api.refusal('apiKeyCreate', { accountId, name: 'Key', aliases });
    expect(await refusal([alias('a'), alias('a')])).toEqual([
      { code: INVALID, path: ['input', 'aliases', '1', 'alias'] },
    ]);
    expect(await refusal([alias('bad name')])).toEqual([
      { code: INVALID, path: ['input', 'aliases', '0', 'alias'] },
    ]);
    expect(await refusal(Array.from({ length: 101 }, (_, index) => alias(`a${index}`)))).toEqual([
      { code: 'ALIAS_LIMIT_REACHED', path: ['input', 'aliases'] },
    ]);
  });

  it('are found by external id, metadata and status', async () => {
    for (const [name, metadata] of Object.entries({ a: { team: 'x', env: 'p' }, b: { team: 'x' }, c: {} }))
      await api.mutate('apiKeyCreate', { accountId, name, externalId: `id-${name}`, metadata }, '');
    const names = async (filter: string) =>
      (
        await api.call(`{ apiKeys(${filter}) { nodes { name } } }`, { token: managementToken })
      ).data.apiKeys.nodes.map((node: { name: string }) => node.name);
    expect(await names('externalId: "id-b"')).toEqual(['b']);
    expect(await names('metadata: {team: "x"}')).toEqual(['b', 'a']);
    expect(await names('metadata: {team: "x", env: "p"}')).toEqual(['a']);
    expect(await names('status: DISABLED')).toEqual([]);
    expect(await names('status: ACTIVE, first: 2')).toEqual(['c', 'b']);
  });
});

describe('apiKeyRotate', () => {
  const rotated = async (apiKeyId: string, input: object = {}) =>
    await api.mutate(
      'apiKeyRotate',
      { apiKeyId, ...input },
      'apiKey { id start last4 previousSecretValidUntil } secret',
      managementToken,
    );
  const digestsOf = async (apiKeyId: string) => {
    const [row] = await api.sql`
      select digest, previous_digest, previous_valid_until from api_keys where id = ${apiKeyId.slice(4)}::uuid`;
    return row;
  };

  it('gives a new secret and keeps the old one for the overlap, under the same key', async () => {
    const made = await api.mutate('apiKeyCreate', { accountId, name: 'Key' }, 'apiKey { id } secret');
    const { apiKey, secret } = await rotated(made.apiKey.id, { overlapSeconds: 60 });
    expect(apiKey).toMatchObject({ id: made.apiKey.id, last4: secret.slice(-4) });
    const inSeconds = (Date.parse(apiKey.previousSecretValidUntil) - Date.now()) / 1_000;
    expect(inSeconds).toBeGreaterThan(30);
    expect(inSeconds).toBeLessThanOrEqual(61);
    expect(await digestsOf(apiKey.id)).toMatchObject({
      digest: digestApiKey(secret),
      previous_digest: digestApiKey(made.secret),
    });
    const again = await rotated(made.apiKey.id, { overlapSeconds: 60 });
    expect(await digestsOf(apiKey.id)).toMatchObject({
      digest: digestApiKey(again.secret),
      previous_digest: digestApiKey(secret),
    });
  });

  it('ends the old secret at once when that is asked for, and after a day when nothing is', async () => {
    const made = await api.mutate('apiKeyCreate', { accountId, name: 'Key' }, 'apiKey { id } secret');
    expect((await rotated(made.apiKey.id, { overlapSeconds: 0 })).apiKey.previousSecretValidUntil).toBeNull();
    expect((await digestsOf(made.apiKey.id))?.previous_digest).toBeNull();
    const { apiKey } = await rotated(made.apiKey.id);
    expect(Date.parse(apiKey.previousSecretValidUntil) - Date.now()).toBeGreaterThan(86_000_000);
  });

  it('answers a repetition with the same secret and rotates only once', async () => {
    const made = await api.mutate('apiKeyCreate', { accountId, name: 'Key' }, 'apiKey { id }');
    const idempotencyKey = randomUUID();
    const first = await rotated(made.apiKey.id, { idempotencyKey });
    expect((await rotated(made.apiKey.id, { idempotencyKey })).secret).toBe(first.secret);
    expect((await digestsOf(made.apiKey.id))?.digest).toBe(digestApiKey(first.secret));
  });

  it('refuses a deleted key and an overlap of more than 30 days', async () => {
    const { apiKey } = await api.mutate('apiKeyCreate', { accountId, name: 'Key' }, 'apiKey { id }');
    expect(await api.refusal('apiKeyRotate', { apiKeyId: apiKey.id, overlapSeconds: 2_592_001 })).toEqual([
      { code: INVALID, path: ['input', 'overlapSeconds'] },
    ]);
    await api.mutate('apiKeyDelete', { apiKeyId: apiKey.id }, '');
    for (const name of ['apiKeyRotate', 'apiKeyUpdate'])
      expect(await api.refusal(name, { apiKeyId: apiKey.id })).toEqual([
        { code: 'API_KEY_DELETED', path: ['input', 'apiKeyId'] },
      ]);
  });
});
