import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { ingestUsage } from '#control-plane/usage/ingest-usage.ts';
import { openDatabase } from '#db/client.ts';
import { SPOOL_CLOSED_LINE, type UsageBatch, type UsageRecord } from '#shared/usage-record.ts';
import {
  billedRecord,
  createBillableAccount,
  ledgerBalanceOf,
  mintTestId,
} from '#test/setup/billing-fixtures.ts';
import { testDatabaseUrl } from '#test/setup/test-backends.ts';

const clients = openDatabase(await testDatabaseUrl(), { max: 4, applicationName: 'ingest-test' });
const { sql } = clients;
afterAll(() => clients.close());

function batchOf(spool: string, from: number, records: readonly (UsageRecord | string)[]): UsageBatch {
  return {
    spool,
    from,
    to: from + records.length - 1,
    lines: records.map((record) => (typeof record === 'string' ? record : JSON.stringify(record))).join('\n'),
  };
}

function costOfAll(records: readonly UsageRecord[]): bigint {
  return records.reduce((sum, record) => sum + BigInt(record.costNano), 0n);
}

async function rowsOf(accountId: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from usage_records where account_id = ${accountId}`;
  return row?.count ?? 0;
}

describe('usage ingest', () => {
  it('books a batch once however often it arrives', async () => {
    const account = await createBillableAccount(sql);
    const records = [billedRecord(account), billedRecord(account, { input: 7, output: 3 })];
    const batch = batchOf(mintTestId(), 1, records);
    const first = await ingestUsage(sql, batch);
    const repeated = await ingestUsage(sql, batch);
    expect(first).toMatchObject({
      highWater: 2,
      gap: false,
      settled: [{ settledNano: costOfAll(records).toString() }],
    });
    expect(repeated).toMatchObject({ highWater: 2, gap: false, settled: [] });
    expect(await rowsOf(account.accountId)).toBe(2);
    expect(await ledgerBalanceOf(sql, account.accountId)).toBe(-costOfAll(records));
  });

  it('leaves a batch beyond the high-water mark alone until the gap is filled', async () => {
    const account = await createBillableAccount(sql);
    const spool = mintTestId();
    const [one, two] = [billedRecord(account), billedRecord(account)];
    expect(await ingestUsage(sql, batchOf(spool, 2, [two]))).toMatchObject({ gap: true, highWater: 0 });
    expect(await rowsOf(account.accountId)).toBe(0);
    await ingestUsage(sql, batchOf(spool, 1, [one]));
    expect(await ingestUsage(sql, batchOf(spool, 2, [two]))).toMatchObject({ gap: false, highWater: 2 });
    expect(await rowsOf(account.accountId)).toBe(2);
  });

  it('settles only the rows it inserted when a request arrives through two spools', async () => {
    const account = await createBillableAccount(sql);
    const shared = billedRecord(account);
    const own = billedRecord(account);
    await ingestUsage(sql, batchOf(mintTestId(), 1, [shared]));
    await ingestUsage(sql, batchOf(mintTestId(), 1, [shared, own]));
    expect(await ledgerBalanceOf(sql, account.accountId)).toBe(-costOfAll([shared, own]));
  });

  it('quarantines what it cannot book, with the reason, and books the rest', async () => {
    const account = await createBillableAccount(sql);
    const spool = mintTestId();
    const good = billedRecord(account);
    const outcome = await ingestUsage(
      sql,
      batchOf(spool, 1, [
        'not json',
        good,
        billedRecord(account, {}, { costNano: '1' }),
        billedRecord({ ...account, accountId: mintTestId() }),
        billedRecord(account, undefined, { requestedModel: 'nul\0' }),
        billedRecord(account, undefined, { requestedModel: '\ud800' }),
        billedRecord(account, undefined, { requestId: '0190a0a0-0000-7000-8000-000000000000' }),
        billedRecord(account, undefined, { latencyMs: 2 ** 40 }),
        billedRecord(account, undefined, { priceVersionId: mintTestId() }),
      ]),
    );
    expect(outcome).toMatchObject({ highWater: 9, quarantined: 8 });
    const reasons = await sql<{ sequence: string; reason: string }[]>`
      select sequence::text, reason from usage_quarantine where spool_id = ${spool} order by sequence`;
    expect(reasons.map((row) => row.reason)).toEqual([
      'not JSON',
      'cost differs from the price',
      'unknown account',
      'requestedModel',
      'requestedModel',
      'no partition for its time',
      'latencyMs',
      'unknown price version',
    ]);
    expect(await ledgerBalanceOf(sql, account.accountId)).toBe(-BigInt(good.costNano));
  });

  it('records failed requests without touching the ledger', async () => {
    const account = await createBillableAccount(sql);
    const failed = billedRecord(
      account,
      {},
      {
        status: 'error',
        httpStatus: 429,
        errorCode: 'rate_limit_exceeded',
        priceVersionId: null,
        costNano: '0',
      },
    );
    await ingestUsage(sql, batchOf(mintTestId(), 1, [failed]));
    expect(await rowsOf(account.accountId)).toBe(1);
    expect(await ledgerBalanceOf(sql, account.accountId)).toBe(0n);
  });

  it('closes a spool with its last line', async () => {
    const account = await createBillableAccount(sql);
    const spool = mintTestId();
    const outcome = await ingestUsage(sql, batchOf(spool, 1, [billedRecord(account), SPOOL_CLOSED_LINE]));
    expect(outcome).toMatchObject({ closed: true, highWater: 2, quarantined: 0 });
    const [row] = await sql`select closed_at is not null as closed from usage_spools where id = ${spool}`;
    expect(row).toEqual({ closed: true });
  });

  it('counts the day once per request for GET /v1/usage', async () => {
    const account = await createBillableAccount(sql);
    const records = [billedRecord(account, { input: 10, cacheRead: 5, output: 2 }), billedRecord(account)];
    const batch = batchOf(mintTestId(), 1, records);
    await ingestUsage(sql, batch);
    await ingestUsage(sql, batch);
    const [day] = await sql`
      select cost_nano::text, prompt_tokens::int, completion_tokens::int, request_count::int, success_count::int
      from usage_days where account_id = ${account.accountId}`;
    expect(day).toEqual({
      cost_nano: costOfAll(records).toString(),
      prompt_tokens: 1_015,
      completion_tokens: 102,
      request_count: 2,
      success_count: 2,
    });
  });

  it('ends with the same ledger whatever the order, overlap and repetition of batches', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 12 }),
        fc.array(fc.tuple(fc.nat(11), fc.integer({ min: 1, max: 5 })), { minLength: 0, maxLength: 20 }),
        async (count, deliveries) => {
          const account = await createBillableAccount(sql);
          const spool = mintTestId();
          const records = Array.from({ length: count }, (_, index) =>
            billedRecord(account, { input: index + 1, output: index }),
          );
          const deliver = (from: number, size: number) =>
            ingestUsage(sql, batchOf(spool, from, records.slice(from - 1, from - 1 + size)));
          for (const [start, size] of deliveries) if (start < count) await deliver(start + 1, size);
          await deliver(1, count);
          expect(await rowsOf(account.accountId)).toBe(count);
          expect(await ledgerBalanceOf(sql, account.accountId)).toBe(-costOfAll(records));
          const [sum] = await sql<
            { sum: string }[]
          >`select coalesce(sum(amount_nano), 0)::text as sum from ledger_entries`;
          expect(sum?.sum).toBe('0');
        },
      ),
      { numRuns: 25, seed: 20_261_121 },
    );
  });
});
