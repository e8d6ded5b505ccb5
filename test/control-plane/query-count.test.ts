import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './api-fixture.ts';

const ACCOUNTS = 6;
const KEYS_EACH = 4;

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
  for (let account = 0; account < ACCOUNTS; account += 1) {
    const { accountId } = await api.openAccount(`Customer ${account}`);
    const grant = { accountId, amountUsd: '1', reason: 'Test', idempotencyKey: randomUUID() };
    await api.mutate('creditGrant', grant, '');
    for (let key = 0; key < KEYS_EACH; key += 1) {
      const { apiKey } = await api.mutate('apiKeyCreate', { accountId, name: `Key ${key}` }, 'apiKey { id }');
      for (const alias of ['fast', 'smart'])
        await api.mutate(
          'modelAliasSet',
          { apiKeyId: apiKey.id, alias, kind: 'EXACT', model: 'openai/gpt-5-mini' },
          '',
        );
      await api.sql`
        insert into usage_records (request_id, account_id, api_key_id, occurred_at, spool_id, dialect, sandbox, stream,
          status, http_status, input_tokens, output_tokens, reasoning_tokens, cache_read_tokens, cache_write_5m_tokens,
          cache_write_1h_tokens, estimated, cost_nano, latency_ms, request_count)
        values (uuidv7(), ${accountId.slice(5)}::uuid, ${apiKey.id.slice(4)}::uuid, now(), 's', 'chat', false, false,
          'success', 200, 0, 0, 0, 0, 0, 0, false, 0, 0, 1)`;
    }
  }
});
afterAll(() => api.close());

async function statementsOf(
  document: string,
): Promise<{ statements: string[]; data: Record<string, unknown> }> {
  api.statements.length = 0;
  const { data, errors } = await api.call(document);
  expect(errors).toEqual([]);
  return { statements: [...api.statements], data };
}

describe('the number of SQL statements', () => {
  it('does not grow with the number of accounts, keys and aliases of a page', async () => {
    const document = (accounts: number, keys: number) => `{
      accounts(first: ${accounts}) { nodes {
        name
        balance { availableUsd }
        apiKeys(first: ${keys}) { nodes { name account { name } aliases { nodes { alias model { displayName price { id } } } } } }
        ledgerEntries { nodes { amountUsd account { name } } }
        usageRecords { nodes { requestId apiKey { name } } }
        managementTokens { nodes { name } }
      } } }`;
    const one = await statementsOf(document(1, 1));
    const many = await statementsOf(document(ACCOUNTS, KEYS_EACH));
    expect(many.statements.length).toBeLessThanOrEqual(one.statements.length);
    expect(JSON.stringify(many.data).match(/"alias":/g)).toHaveLength(ACCOUNTS * KEYS_EACH * 2);
    expect(JSON.stringify(many.data).match(/"requestId":/g)).toHaveLength(ACCOUNTS * KEYS_EACH);
  });

  it('is at most six for keys with their aliases, limits and usage', async () => {
    const { statements } = await statementsOf(`{ apiKeys(first: 100) { nodes {
      name rpmLimit tpmLimit aliases { nodes { alias model { id } } } usageRecords(first: 1) { nodes { costUsd } } } } }`);
    expect(statements.length).toBeLessThanOrEqual(6);
  });

  it('gives every parent its own page', async () => {
    const { data } = await statementsOf(
      '{ accounts { nodes { name apiKeys(first: 2) { nodes { name } } } } }',
    );
    expect(data.accounts).toEqual({
      nodes: Array.from({ length: ACCOUNTS }, (_, index) => ({
        name: `Customer ${ACCOUNTS - 1 - index}`,
        apiKeys: { nodes: [{ name: 'Key 3' }, { name: 'Key 2' }] },
      })),
    });
  });
});
