import { afterAll, describe, expect, it } from 'vitest';
import { ingestUsage } from '#control-plane/usage/ingest-usage.ts';
import { openDatabase } from '#db/client.ts';
import { budgetPeriodAt, budgetWallet, currentBudgetLabels } from '#shared/budget-period.ts';
import { encodeGrantLine, SPOOL_CLOSED_LINE, type UsageRecord } from '#shared/usage-record.ts';
import { billedRecord, createBillableAccount, mintTestId } from '#test/setup/billing-fixtures.ts';
import { testDatabaseUrl } from '#test/setup/test-backends.ts';

const clients = openDatabase(await testDatabaseUrl(), { max: 4, applicationName: 'budget-test' });
const { sql } = clients;
afterAll(() => clients.close());

const batchOf = (spool: string, from: number, lines: readonly (UsageRecord | string)[]) => ({
  spool,
  from,
  to: from + lines.length - 1,
  lines: lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
});

describe('a budget period', () => {
  const at = (text: string) => Date.parse(text);

  it.each([
    ['day', '2026-11-21T23:59:59.999Z', 'day-2026-11-21', '2026-11-22T00:00:00Z'],
    ['day', '2026-11-22T00:00:00.000Z', 'day-2026-11-22', '2026-11-23T00:00:00Z'],
    ['week', '2026-11-22T23:59:59.999Z', 'week-2026-11-16', '2026-11-23T00:00:00Z'],
    ['week', '2026-11-23T00:00:00.000Z', 'week-2026-11-23', '2026-11-30T00:00:00Z'],
    ['month', '2026-12-31T23:59:59.999Z', 'month-2026-12', '2027-01-01T00:00:00Z'],
    ['month', '2028-02-29T00:00:00.000Z', 'month-2028-02', '2028-03-01T00:00:00Z'],
  ] as const)('of a %s at %s is %s until %s', (period, now, label, end) => {
    expect(budgetPeriodAt(period, at(now))).toEqual({ label, endsAtMs: at(end) });
  });

  it('without an end is one for ever', () => {
    expect(budgetPeriodAt('none', at('2026-11-21'))).toEqual({
      label: 'none',
      endsAtMs: Number.POSITIVE_INFINITY,
    });
  });

  it('is current on both sides of midnight for hosts whose clocks differ', () => {
    const labels = currentBudgetLabels(at('2026-12-01T00:00:01Z'));
    for (const label of ['day-2026-11-30', 'day-2026-12-01', 'month-2026-11', 'month-2026-12', 'none'])
      expect(labels).toContain(label);
  });
});

describe('budgets in the ingest', () => {
  it('count each request once, in the period that it was admitted under', async () => {
    const account = await createBillableAccount(sql);
    const spool = mintTestId();
    const today = { budgetPeriod: 'day-2026-11-21' };
    const [one, two] = [billedRecord(account, undefined, today), billedRecord(account, undefined, today)];
    const tomorrow = billedRecord(account, undefined, { budgetPeriod: 'day-2026-11-22' });
    const free = billedRecord(account);
    const cost = BigInt(one.costNano);
    await ingestUsage(sql, batchOf(spool, 1, [one, free]));
    await ingestUsage(sql, batchOf(spool, 1, [one, free]));
    const outcome = await ingestUsage(sql, batchOf(spool, 3, [two, one, tomorrow]));
    const wallet = budgetWallet(account.apiKeyId, today.budgetPeriod);
    expect(outcome.budgets).toContainEqual({
      wallet,
      spool,
      settledNano: (2n * cost).toString(),
      spentNano: (2n * cost).toString(),
      sequence: '2',
    });
    const rows = await sql`
      select period, spent_nano::text from usage_budgets where api_key_id = ${account.apiKeyId} order by period`;
    expect([...rows]).toEqual([
      { period: 'day-2026-11-21', spent_nano: (2n * cost).toString() },
      { period: 'day-2026-11-22', spent_nano: cost.toString() },
    ]);
  });

  it('keep what a spool was lent until it is closed, and take no torn grant line for a record', async () => {
    const account = await createBillableAccount(sql);
    const spool = mintTestId();
    const grant = (granted: number) =>
      encodeGrantLine([
        { wallet: account.accountId, grantedNano: String(granted), returnedNano: String(granted - 5) },
      ]);
    const first = await ingestUsage(sql, batchOf(spool, 1, [grant(900), grant(700), '{"grants":[{}]}']));
    expect(first).toMatchObject({ highWater: 3, quarantined: 1 });
    const stored = () => sql`
      select granted_nano::text, returned_nano::text from usage_spool_grants where spool_id = ${spool}`;
    await ingestUsage(sql, batchOf(spool, 4, [grant(800)]));
    expect([...(await stored())]).toEqual([{ granted_nano: '800', returned_nano: '795' }]);
    await ingestUsage(sql, batchOf(spool, 5, [SPOOL_CLOSED_LINE]));
    expect(await stored()).toHaveLength(0);
  });

  it('list requests that cost more than was held for them', async () => {
    const account = await createBillableAccount(sql);
    const record = billedRecord(account, undefined, { excessNano: '77' });
    await ingestUsage(sql, batchOf(mintTestId(), 1, [record, billedRecord(account)]));
    const rows = await sql`
      select request_id, excess_nano::text from usage_excesses where account_id = ${account.accountId}`;
    expect([...rows]).toEqual([{ request_id: record.requestId, excess_nano: '77' }]);
  });
});
