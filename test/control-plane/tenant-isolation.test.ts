import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './api-fixture.ts';

interface Tenant {
  readonly accountId: string;
  readonly managementToken: string;
  readonly apiKeyId: string;
  readonly aliasId: string;
  readonly entryId: string;
  readonly recordId: string;
  readonly tokenId: string;
}

let api: TestApi;
let mine: Tenant;
let theirs: Tenant;
beforeAll(async () => {
  api = await startTestApi();
  mine = await openTenant();
  theirs = await openTenant();
});
afterAll(() => api.close());

async function openTenant(): Promise<Tenant> {
  const { accountId, managementToken } = await api.openAccount();
  const { apiKey } = await api.mutate('apiKeyCreate', { accountId, name: 'Key' }, 'apiKey { id }');
  const alias = { apiKeyId: apiKey.id, alias: 'fast', kind: 'EXACT', model: 'openai/gpt-5-mini' };
  const { modelAlias } = await api.mutate('modelAliasSet', alias, 'modelAlias { id }');
  const grant = { accountId, amountUsd: '1', reason: 'Test', idempotencyKey: randomUUID() };
  const { creditGrant } = await api.mutate('creditGrant', grant, 'creditGrant { id }');
  const [record] = await api.sql<{ id: string }[]>`
    insert into usage_records (request_id, account_id, api_key_id, occurred_at, spool_id, dialect, sandbox, stream,
      status, http_status, input_tokens, output_tokens, reasoning_tokens, cache_read_tokens, cache_write_5m_tokens,
      cache_write_1h_tokens, estimated, cost_nano, latency_ms, request_count)
    values (uuidv7(), ${accountId.slice(5)}::uuid, ${apiKey.id.slice(4)}::uuid, now(), 'spool', 'chat', false, false,
      'success', 200, 1, 2, 0, 3, 4, 5, false, 6, 7, 1)
    returning replace(request_id::text, '-', '') as id`;
  const viewer = await api.call('{ viewer { account { managementTokens { nodes { id } } } } }', {
    token: managementToken,
  });
  return {
    accountId,
    managementToken,
    apiKeyId: apiKey.id,
    aliasId: modelAlias.id,
    entryId: creditGrant.id,
    recordId: `req_cm_${record?.id}`,
    tokenId: viewer.data.viewer.account.managementTokens.nodes[0].id,
  };
}

const idsOf = (tenant: Tenant): string[] => [
  tenant.accountId,
  tenant.apiKeyId,
  tenant.aliasId,
  tenant.entryId,
  tenant.recordId,
  tenant.tokenId,
];

describe('a management token', () => {
  it('finds every object of its own account by id, and none of another', async () => {
    const document = 'query ($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }';
    const read = async (ids: string[]) =>
      (await api.call(document, { token: mine.managementToken, variables: { ids } })).data.nodes;
    expect((await read(idsOf(mine))).map((node: { id: string } | null) => node?.id)).toEqual(idsOf(mine));
    expect(await read(idsOf(theirs))).toEqual([null, null, null, null, null, null]);
    for (const id of idsOf(theirs))
      expect(
        (await api.call(`{ node(id: "${id}") { id } }`, { token: mine.managementToken })).data.node,
      ).toBeNull();
  });

  it('reads another account as one that does not exist', async () => {
    const { data, errors } = await api.call(
      `{ account(id: "${theirs.accountId}") { id }
         apiKeys(accountId: "${theirs.accountId}") { nodes { id } }
         ledgerEntries(accountId: "${theirs.accountId}") { nodes { id } }
         usageRecords(accountId: "${theirs.accountId}") { nodes { id } } }`,
      { token: mine.managementToken },
    );
    expect(errors).toEqual([]);
    expect(data).toEqual({
      account: null,
      apiKeys: { nodes: [] },
      ledgerEntries: { nodes: [] },
      usageRecords: { nodes: [] },
    });
  });

  it('lists only its own when it asks for all', async () => {
    const { data } = await api.call(
      '{ apiKeys { nodes { id } } ledgerEntries { nodes { id } } usageRecords { nodes { id requestId cacheWriteTokens costNano } } }',
      { token: mine.managementToken },
    );
    expect(data).toEqual({
      apiKeys: { nodes: [{ id: mine.apiKeyId }] },
      ledgerEntries: { nodes: [{ id: mine.entryId }] },
      usageRecords: {
        nodes: [{ id: mine.recordId, requestId: mine.recordId, cacheWriteTokens: 9, costNano: '6' }],
      },
    });
  });

  it.each([
    ['apiKeyCreate', () => ({ accountId: theirs.accountId, name: 'x' }), 'accountId'],
    ['apiKeyDisable', () => ({ apiKeyId: theirs.apiKeyId }), 'apiKeyId'],
    ['apiKeyEnable', () => ({ apiKeyId: theirs.apiKeyId }), 'apiKeyId'],
    ['apiKeyDelete', () => ({ apiKeyId: theirs.apiKeyId }), 'apiKeyId'],
    [
      'modelAliasSet',
      () => ({ apiKeyId: theirs.apiKeyId, alias: 'a', kind: 'EXACT', model: 'openai/gpt-5-mini' }),
      'apiKeyId',
    ],
    ['modelAliasDelete', () => ({ apiKeyId: theirs.apiKeyId, alias: 'fast' }), 'apiKeyId'],
    ['managementTokenRevoke', () => ({ managementTokenId: theirs.tokenId }), 'managementTokenId'],
  ])('cannot %s in another account', async (name, input, field) => {
    expect(await api.refusal(name, input(), mine.managementToken)).toEqual([
      { code: 'NOT_FOUND', path: ['input', field] },
    ]);
    const { data } = await api.call(`{ node(id: "${theirs.apiKeyId}") { ... on ApiKey { status } } }`);
    expect(data.node.status).toBe('ACTIVE');
  });

  it('may not ask for what belongs to operators', async () => {
    const forbidden = [
      '{ upstreams { nodes { id } } }',
      '{ model(id: "openai/gpt-5-mini") { prices { nodes { id } } } }',
    ];
    for (const document of forbidden)
      expect(await api.codes(document, { token: mine.managementToken })).toEqual(['FORBIDDEN']);
  });
});
