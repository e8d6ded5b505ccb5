import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WalletPublisher } from '#control-plane/ledger/publish-wallets.ts';
import { reconcile } from '#control-plane/ledger/reconcile.ts';
import { reconcileRegularly } from '#control-plane/ledger/reconcile-regularly.ts';
import { dropOldPartitions } from '#control-plane/usage/drop-old-partitions.ts';
import { ingestUsage } from '#control-plane/usage/ingest-usage.ts';
import { openDatabase } from '#db/client.ts';
import { ensureUsagePartitions, firstUuidAt } from '#db/usage-partitions.ts';
import { systemClock } from '#shared/clock.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { openRedisLink } from '#shared/redis-link.ts';
import {
  type BillableAccount,
  billedRecord,
  createBillableAccount,
  mintTestId,
} from '#test/setup/billing-fixtures.ts';
import { testDatabaseUrl, testRedisUrl } from '#test/setup/test-backends.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

const logger = pino({ level: 'silent' });
const clients = openDatabase(await testDatabaseUrl(), { max: 4, applicationName: 'reconcile-test' });
const link = openRedisLink(await testRedisUrl(), 'reconcile-test', logger);
const { sql, database } = clients;
const wallets = new WalletPublisher(sql, link, systemClock, logger, () => undefined);
const resources = { database, sql, redis: link.client, clock: systemClock };
let api: TestApi;
let account: BillableAccount;

beforeAll(async () => {
  api = await startTestApi();
  wallets.start();
  await within(async () => (await link.client.get(redisKeys.quotaOpen)) !== null);
});
afterAll(async () => {
  await wallets.close();
  link.close();
  await clients.close();
  await api.close();
});
beforeEach(async () => {
  account = await createBillableAccount(sql);
});

async function within(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function book(records: readonly object[], spool = mintTestId()): Promise<void> {
  const lines = records.map((record) => JSON.stringify(record)).join('\n');
  const { settled } = await ingestUsage(sql, { spool, from: 1, to: records.length, lines });
  await wallets.publishSettled(settled);
}

const subjects = async () =>
  (await reconcile(resources)).differences.map(({ check, subject }) => `${check}: ${subject}`);

describe('reconciliation', () => {
  it('finds nothing where everything was booked as it should, and says what it compared', async () => {
    await book([billedRecord(account), billedRecord(account, { output: 5 })]);
    const result = await reconcile(resources);
    expect(result).toMatchObject({ differenceCount: 0, differences: [] });
    expect(Object.values(result.checked).filter((compared) => compared === 0)).toHaveLength(1);
    expect(result.checked).toMatchObject({ promotions: 0 });
  });

  it('names the usage row whose cost was changed', async () => {
    const [one, two] = [billedRecord(account), billedRecord(account)];
    await book([one, two]);
    await sql`update usage_records set cost_nano = cost_nano + 1 where request_id = ${two.requestId}`;
    const result = await reconcile(resources);
    const day = `usage_days ${account.accountId}`;
    expect(result.differences).toContainEqual({
      check: 'settlements',
      subject: `usage_records ${two.requestId}`,
      expected: two.costNano,
      found: (BigInt(two.costNano) + 1n).toString(),
    });
    expect(result.differences.some(({ subject }) => subject.startsWith(day))).toBe(true);
    await sql`update usage_records set cost_nano = cost_nano - 1 where request_id = ${two.requestId}`;
    expect(await subjects()).toEqual([]);
  });

  it('names the settlement that has lost a row', async () => {
    const [one, two] = [billedRecord(account), billedRecord(account)];
    await book([one, two]);
    const [row] = await sql`delete from usage_records where request_id = ${one.requestId} returning *`;
    expect(await subjects()).toContain(`settlements: ledger_transactions ${row?.settlement_id}`);
    await sql`insert into usage_records ${sql({ ...row })}`;
    expect(await subjects()).toEqual([]);
  });

  it('names a stored balance that is not the sum of its entries', async () => {
    await book([billedRecord(account)]);
    const [row] = await sql<{ id: string }[]>`
      update ledger_balances set balance_nano = balance_nano + 7 from ledger_accounts
      where ledger_accounts.id = ledger_account_id and account_id = ${account.accountId} returning ledger_account_id as id`;
    const found = await subjects();
    expect(found).toContain(`balances: ledger_balances ${row?.id}`);
    expect(found.some((subject) => subject.startsWith('redis: '))).toBe(true);
    await sql`update ledger_balances set balance_nano = balance_nano - 7 where ledger_account_id = ${row?.id ?? ''}`;
    expect(await subjects()).toEqual([]);
  });

  it('names the wallet in Redis that says something else than the ledger', async () => {
    const record = billedRecord(account);
    const spool = mintTestId();
    await book([record], spool);
    const key = redisKeys.wallet(account.accountId);
    // A sequence from the future, so that a publication that is still under way does not put it right.
    await link.client.hset(key, 'balance', '123', 'sequence', '1000000');
    await link.client.hset(key, `s:${spool}`, '4');
    expect((await reconcile(resources)).differences).toEqual([
      { check: 'redis', subject: `${key} balance`, expected: `-${record.costNano}`, found: '123' },
      { check: 'redis', subject: `${key} s:${spool}`, expected: record.costNano, found: '4' },
    ]);
    await link.client.hset(key, 'balance', `-${record.costNano}`, `s:${spool}`, record.costNano);
    expect(await subjects()).toEqual([]);
  });

  it('still reconciles after the rows of an old month are dropped, and books nothing of them again', async () => {
    const nowMs = systemClock.nowMs();
    const longAgoMs = nowMs - 400 * 86_400_000;
    await ensureUsagePartitions(sql, longAgoMs);
    const oldId = `${firstUuidAt(longAgoMs).slice(0, 14)}7${mintTestId().slice(15)}`;
    const old = billedRecord(account, {}, { requestId: oldId });
    const spool = mintTestId();
    const recent = billedRecord(account);
    await book([billedRecord(account, { output: 3 }, { requestId: oldId }), recent], spool);
    await sql`update usage_spools set opened_at = ${new Date(longAgoMs)} where id = ${spool}`;
    expect(await dropOldPartitions(sql, nowMs, 0)).toEqual([]);
    const dropped = await dropOldPartitions(sql, nowMs, 3);
    expect(dropped.length).toBeGreaterThan(0);
    expect(await sql`select 1 from usage_records where request_id = ${oldId}`).toEqual([]);
    expect(await sql`select 1 from usage_records where request_id = ${recent.requestId}`).toHaveLength(1);
    expect(await subjects()).toEqual([]);
    const late = { spool: mintTestId(), from: 1, to: 1, lines: JSON.stringify(old) };
    expect(await ingestUsage(sql, late)).toMatchObject({ settled: [], quarantined: 1 });
    expect(await subjects()).toEqual([]);
  });

  it('keeps a month whose rows and daily totals differ', async () => {
    const longAgoMs = systemClock.nowMs() - 800 * 86_400_000;
    await ensureUsagePartitions(sql, longAgoMs);
    const requestId = `${firstUuidAt(longAgoMs).slice(0, 14)}7${mintTestId().slice(15)}`;
    await book([billedRecord(account, { output: 3 }, { requestId })]);
    const change = (nano: number) => sql`
      update usage_days set cost_nano = cost_nano + ${nano} where account_id = ${account.accountId}`;
    await change(1);
    const dropped = await dropOldPartitions(sql, systemClock.nowMs(), 3);
    expect(await sql`select 1 from usage_records where request_id = ${requestId}`).toHaveLength(1);
    await change(-1);
    expect(await dropOldPartitions(sql, systemClock.nowMs(), 3)).toHaveLength(1);
    expect(dropped.length).toBeGreaterThan(0);
  });

  it('runs when an operator asks, who then reads the result', async () => {
    const regularly = reconcileRegularly(resources, 60, logger);
    const read = async () => {
      const { data } = await api.call(
        '{ lastReconciliation { balanced differenceCount differences { subject } checks { name compared } startedAt } }',
      );
      return data.lastReconciliation;
    };
    await within(async () => (await read()) !== null);
    const before = await read();
    expect(before).toMatchObject({ balanced: true, differenceCount: 0, differences: [] });
    expect(before.checks).toHaveLength(8);
    await within(async () => {
      await api.mutate('reconciliationRun', {}, 'requested');
      return (await read()).startedAt > before.startedAt;
    });
    await regularly.close();
    const { managementToken: token } = await api.openAccount();
    expect(await api.codes('{ lastReconciliation { balanced } }', { token })).toEqual(['FORBIDDEN']);
  });
});
