import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ingestUsage } from '#control-plane/usage/ingest-usage.ts';
import { type DatabaseClients, openDatabase } from '#db/client.ts';
import { firstUuidAt } from '#db/usage-partitions.ts';
import { systemClock } from '#shared/clock.ts';
import { formatId } from '#shared/identifiers.ts';
import type { UsageRecord } from '#shared/usage-record.ts';
import {
  type BillableAccount,
  billedRecord,
  createBillableAccount,
  mintTestId,
} from '#test/setup/billing-fixtures.ts';
import { testDatabaseUrl } from '#test/setup/test-backends.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

const MS_PER_HOUR = 3_600_000;
const now = new Date(systemClock.nowMs());
/** Midnight of the first of this month: an hour, day and month boundary at once. */
const MONTH_START = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1);

let api: TestApi;
let clients: DatabaseClients;
let account: BillableAccount;
let accountId: string;
let keyId: string;
let otherKeyId: string;
let token: string;

function uuidIn(publicId: string): string {
  return publicId.replace(/^[a-z_]+_(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function recordAt(offsetMs: number, changes: Partial<UsageRecord> = {}): UsageRecord {
  const requestId = firstUuidAt(MONTH_START + offsetMs).slice(0, 14) + mintTestId().slice(14);
  return billedRecord(account, { input: 1_000, output: 100, cacheRead: 10 }, { requestId, ...changes });
}

beforeAll(async () => {
  api = await startTestApi();
  clients = openDatabase(await testDatabaseUrl(), { max: 2, applicationName: 'usage-summary' });
  ({ accountId, managementToken: token } = await api.openAccount());
  const keyNamed = async (name: string) =>
    (await api.mutate('apiKeyCreate', { accountId, name }, 'apiKey { id }')).apiKey.id;
  keyId = await keyNamed('one');
  otherKeyId = await keyNamed('two');
  const priced = await createBillableAccount(clients.sql);
  account = { ...priced, accountId: uuidIn(accountId), apiKeyId: uuidIn(keyId) };
  const otherKey = { apiKeyId: uuidIn(otherKeyId) };
  const records = [
    recordAt(-1, { dialect: 'messages', endUser: 'a'.repeat(22) }),
    recordAt(0, { endUser: 'a'.repeat(22) }),
    recordAt(1, { endUser: 'b'.repeat(22) }),
    recordAt(MS_PER_HOUR, otherKey),
    recordAt(25 * MS_PER_HOUR, {
      ...otherKey,
      status: 'error',
      httpStatus: 400,
      errorCode: 'model_not_found',
      model: null,
      costNano: '0',
      priceVersionId: null,
      usage: { ...billedRecord(account).usage, input: 0, output: 0 },
      count: 7,
    }),
  ];
  const lines = records.map((record) => JSON.stringify(record));
  const spool = mintTestId();
  const outcome = await ingestUsage(clients.sql, { spool, from: 1, to: 5, lines: lines.join('\n') });
  expect(outcome.quarantined).toBe(0);
});
afterAll(async () => {
  await clients.close();
  await api.close();
});

const at = (offsetMs: number) => new Date(MONTH_START + offsetMs).toISOString();

describe('usage records', () => {
  it('are filtered by time, key, model, dialect, status and end user', async () => {
    const count = async (filter: string) =>
      (await api.call(`{ usageRecords(${filter}) { nodes { id endUser } } }`, { token })).data.usageRecords
        .nodes.length;
    expect(await count(`accountId: "${accountId}"`)).toBe(5);
    expect(await count(`from: "${at(0)}", to: "${at(1)}"`)).toBe(1);
    expect(await count(`from: "${at(0)}"`)).toBe(4);
    expect(await count(`apiKeyId: "${otherKeyId}"`)).toBe(2);
    expect(await count(`apiKeyId: "${formatId('ApiKey', mintTestId())}"`)).toBe(0);
    expect(await count(`model: "${account.model}"`)).toBe(4);
    expect(await count('dialect: "messages"')).toBe(1);
    expect(await count('status: ERROR')).toBe(1);
    expect(await count(`endUser: "${'a'.repeat(22)}", dialect: "chat"`)).toBe(1);
  });

  it('are filtered below accounts and keys too, and their pages go on under the same filter', async () => {
    const page = async (after: string) =>
      (
        await api.call(
          `{ account(id: "${accountId}") { usageRecords(status: SUCCESS, first: 3 ${after}) { nodes { status } pageInfo { hasNextPage endCursor } } } }`,
          { token },
        )
      ).data.account.usageRecords;
    const first = await page('');
    expect(first.nodes).toHaveLength(3);
    const second = await page(`, after: "${first.pageInfo.endCursor}"`);
    expect(second).toMatchObject({ nodes: [{ status: 'SUCCESS' }], pageInfo: { hasNextPage: false } });
    const { data } = await api.call(
      `{ apiKeys { nodes { usageRecords(dialect: "messages") { nodes { dialect } } } } }`,
      { token },
    );
    expect(data.apiKeys.nodes).toEqual([
      { usageRecords: { nodes: [] } },
      { usageRecords: { nodes: [{ dialect: 'messages' }] } },
    ]);
  });
});
