import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ingestUsage } from '#control-plane/usage/ingest-usage.ts';
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
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
let account: BillableAccount;
let accountId: string;
let records: UsageRecord[];
const otherKey = mintTestId();
const FROM = '2020-01-01T00:00:00Z';
const TO = '2099-01-01T00:00:00Z';
const FIGURES = 'costNano requestCount successCount inputTokens outputTokens';

beforeAll(async () => {
  api = await startTestApi();
  account = await createBillableAccount(api.sql);
  accountId = formatId('Account', account.accountId);
  for (const id of [account.apiKeyId, otherKey])
    await api.sql`
      insert into api_keys (id, account_id, name, digest, start, last4, rpm_limit, tpm_limit)
      values (${id}, ${account.accountId}, 'Key', ${id}, 'cm-abc', 'wxyz', 1, 1)`;
  records = [
    billedRecord(account, { input: 1_000, output: 100 }, { endUser: 'ada' }),
    billedRecord(account, { input: 500, output: 50 }, { endUser: 'ada', dialect: 'messages' }),
    billedRecord(
      account,
      { input: 10, output: 1 },
      { endUser: 'bob', apiKeyId: otherKey, status: 'aborted' },
    ),
    billedRecord(
      account,
      {},
      { status: 'error', costNano: '0', model: null, priceVersionId: null, httpStatus: 404 },
    ),
  ];
  await book(records);
});
afterAll(() => api.close());

async function book(booked: readonly UsageRecord[], spool = mintTestId()): Promise<void> {
  const lines = booked.map((record) => JSON.stringify(record)).join('\n');
  await ingestUsage(api.sql, { spool, from: 1, to: booked.length, lines });
}

async function summary(groupBy: string, selection: string, args = `from: "${FROM}", to: "${TO}"`) {
  return await api.call(
    `{ usageSummary(groupBy: [${groupBy}], ${args}, accountId: "${accountId}") { ${selection} usage { ${FIGURES} } } }`,
  );
}

const costOf = (chosen: readonly UsageRecord[]) =>
  chosen.reduce((sum, record) => sum + BigInt(record.costNano), 0n).toString();

describe('usageSummary', () => {
  it('adds up to what was booked, and counts a repeated batch once', async () => {
    await book(records);
    const { data } = await summary('', '');
    expect(data.usageSummary).toEqual([
      {
        usage: {
          costNano: costOf(records),
          requestCount: 4,
          successCount: 2,
          inputTokens: records.reduce((sum, record) => sum + record.usage.input, 0),
          outputTokens: records.reduce((sum, record) => sum + record.usage.output, 0),
        },
      },
    ]);
  });

  it('groups by time, model, key and dialect, alone and together', async () => {
    const byKey = (await summary('API_KEY', 'apiKeyId')).data.usageSummary;
    expect(byKey).toHaveLength(2);
    const other = byKey.find(
      (group: { apiKeyId: string }) => group.apiKeyId === formatId('ApiKey', otherKey),
    );
    expect(other.usage).toMatchObject({ costNano: costOf(records.slice(2, 3)), successCount: 0 });
    const { data } = await summary('DAY, DIALECT, MODEL', 'startsAt dialect model apiKeyId');
    const groups = data.usageSummary;
    expect(groups).toHaveLength(3);
    for (const group of groups) {
      expect(group.startsAt).toMatch(/T00:00:00\.000Z$/);
      expect(group.apiKeyId).toBeNull();
    }
    expect(groups.filter((group: { dialect: string }) => group.dialect === 'messages')).toMatchObject([
      { model: account.model, usage: { costNano: costOf(records.slice(1, 2)) } },
    ]);
  });

  it('narrows to a key, a model and a dialect', async () => {
    const count = async (filter: string) => {
      const { data } = await summary('', '', `from: "${FROM}", to: "${TO}", ${filter}`);
      return data.usageSummary[0]?.usage.requestCount;
    };
    expect(await count(`apiKeyId: "${formatId('ApiKey', otherKey)}"`)).toBe(1);
    expect(await count(`apiKeyId: "${formatId('ApiKey', mintTestId())}"`)).toBeUndefined();
    expect(await count(`model: "${account.model}"`)).toBe(3);
    expect(await count('dialect: "messages"')).toBe(1);
  });

  it('cuts hours, days and months exactly, and counts the hour that the range begins in', async () => {
    const now = new Date(systemClock.nowMs());
    const monthMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1);
    const late = await createBillableAccount(api.sql);
    const at = (offsetMs: number, endUser: string) => {
      const requestId = firstUuidAt(monthMs + offsetMs).slice(0, 14) + mintTestId().slice(14);
      return billedRecord(late, {}, { requestId, costNano: '0', endUser });
    };
    await book([at(-1, 'ada'), at(0, 'ada'), at(1, 'bob'), at(3_600_000, 'bob'), at(86_400_000, 'bob')]);
    const counts = async (groupBy: string, from: number, to: number) => {
      const iso = (offsetMs: number) => new Date(monthMs + offsetMs).toISOString();
      const { data } = await api.call(
        `{ usageSummary(groupBy: ${groupBy}, accountId: "${formatId('Account', late.accountId)}", from: "${iso(from)}", to: "${iso(to)}") { usage { requestCount } } }`,
      );
      return data.usageSummary.map((group: { usage: { requestCount: number } }) => group.usage.requestCount);
    };
    const WHOLE = [-3_600_000, 2 * 86_400_000] as const;
    expect(await counts('HOUR', ...WHOLE)).toEqual([1, 2, 1, 1]);
    expect(await counts('[DAY]', ...WHOLE)).toEqual([1, 3, 1]);
    expect(await counts('MONTH', ...WHOLE)).toEqual([1, 4]);
    expect(await counts('[]', 1_800_000, 3_600_000)).toEqual([2]);
    expect(await counts('[HOUR, END_USER]', ...WHOLE)).toEqual([1, 1, 1, 1, 1]);
    expect(await counts('[DAY, END_USER]', ...WHOLE)).toEqual([1, 1, 2, 1]);
    expect(await counts('[MONTH, END_USER]', ...WHOLE)).toEqual([1, 1, 3]);
    expect(await counts('[END_USER]', 1_800_000, 3_600_000)).toEqual([1, 1]);
  });

  it('groups by end user', async () => {
    const { data } = await summary('END_USER, MONTH', 'endUser startsAt');
    expect(data.usageSummary.map((group: { endUser: string }) => group.endUser)).toEqual(['ada', 'bob']);
    expect(data.usageSummary[0].usage.costNano).toBe(costOf(records.slice(0, 2)));
  });

  it('keeps to the asked time', async () => {
    expect((await summary('', '', `from: "${FROM}", to: "2020-02-01T00:00:00Z"`)).data.usageSummary).toEqual(
      [],
    );
  });

  it.each([
    ['two times', 'HOUR, DAY', undefined],
    ['end users by model', 'END_USER, MODEL', undefined],
    ['end users of one dialect', 'END_USER', `from: "${FROM}", to: "${TO}", dialect: "chat"`],
    ['a time that ends before it begins', 'DAY', `from: "${TO}", to: "${FROM}"`],
  ])('refuses %s', async (_case, groupBy, args) => {
    const { errors } = await summary(groupBy, '', args);
    expect(errors.map((error) => error.extensions?.code)).toEqual(['BAD_USER_INPUT']);
  });

  it('shows another tenant nothing', async () => {
    const { managementToken: token } = await api.openAccount();
    const document = `{ usageSummary(groupBy: [], from: "${FROM}", to: "${TO}", accountId: "${accountId}") { usage { costNano } } }`;
    expect((await api.call(document, { token })).data.usageSummary).toEqual([]);
  });

  it('never reads usage rows, as the plans of its statements say', async () => {
    api.statements.length = 0;
    await summary('DAY, MODEL', 'startsAt');
    await summary('END_USER', 'endUser');
    await api.call(`{ apiKeys(accountId: "${accountId}") { nodes { usage(days: 30) { costNano } } } }`);
    const reads = api.statements.filter((statement) => /usage_/.test(statement));
    expect(reads).toHaveLength(3);
    for (const statement of reads) {
      const plan = JSON.stringify(await api.sql.unsafe(`explain (generic_plan) ${statement}`));
      expect(plan).toMatch(/usage_hours|usage_key_days|usage_end_user_hours/);
      expect(plan).not.toMatch(/usage_records|usage_\d{4}/);
    }
  });
});

describe('the usage of keys', () => {
  it('is one statement for all of them, whatever is asked beside it', async () => {
    api.statements.length = 0;
    const { data, errors } = await api.call(`{ apiKeys(first: 100, accountId: "${accountId}") { nodes {
      id name rpmLimit tpmLimit concurrencyLimit budgetUsd lastUsedAt
      usage(days: 30) { ${FIGURES} } aliases { nodes { alias model { id } } } } } }`);
    expect(errors).toEqual([]);
    expect(data.apiKeys.nodes).toHaveLength(2);
    const mine = data.apiKeys.nodes.find(
      (key: { id: string }) => key.id === formatId('ApiKey', account.apiKeyId),
    );
    expect(mine.usage).toMatchObject({ costNano: costOf(records.slice(0, 2)), requestCount: 3 });
    expect(api.statements.length).toBeLessThanOrEqual(6);
  });

  it('names the network of the latest use, also when an older record comes late', async () => {
    const from = (network: string, requestId: string) =>
      billedRecord(account, undefined, { requestId, network });
    const [older, newer] = [mintTestId(), mintTestId()];
    const spool = `slot-0-${mintTestId()}`;
    const ingest = (sequence: number, record: UsageRecord) =>
      ingestUsage(api.sql, { spool, from: sequence, to: sequence, lines: JSON.stringify(record) });
    const network = async () => {
      const query = `{ node(id: "${formatId('ApiKey', account.apiKeyId)}") { ... on ApiKey { lastUsedNetwork } } }`;
      return (await api.call(query)).data.node.lastUsedNetwork;
    };
    expect(await network()).toBeNull();
    await ingest(1, from('198.51.100.0/24', newer));
    expect(await network()).toBe('198.51.100.0/24');
    await ingest(2, from('192.0.2.0/24', older));
    expect(await network()).toBe('198.51.100.0/24');
    await ingest(3, from('2001:db8::/48', mintTestId()));
    expect(await network()).toBe('2001:db8::/48');
  });
});
