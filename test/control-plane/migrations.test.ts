import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrateDatabase } from '#control-plane/migrate.ts';
import type { Sql } from '#db/client.ts';
import { ensureUsagePartitions, firstUuidAt } from '#db/usage-partitions.ts';
import { createBillableAccount, mintTestId } from '#test/setup/billing-fixtures.ts';
import { testDatabaseUrl } from '#test/setup/test-backends.ts';

let sql: Sql;
beforeAll(async () => {
  sql = postgres(await testDatabaseUrl(), { max: 3, onnotice: () => undefined });
});
afterAll(() => sql.end());

describe('migrateDatabase', () => {
  it('brings an empty database up, also when three processes do it at once, and again', async () => {
    const name = `migrate_${randomBytes(4).toString('hex')}`;
    await sql.unsafe(`create database ${name}`);
    const url = (await testDatabaseUrl()).replace(/[^/]*$/, name);
    await Promise.all([migrateDatabase(url), migrateDatabase(url), migrateDatabase(url)]);
    await migrateDatabase(url);
    const fresh = postgres(url, { max: 1 });
    expect([...(await fresh`select id, sequence::int from config_sequence`)]).toEqual([
      { id: 1, sequence: 0 },
    ]);
    await fresh.end();
    await sql.unsafe(`drop database ${name}`);
  });
});

describe('the migration to end users by hour', () => {
  it('keeps what was counted by day, as the first hour of its day', async () => {
    const before = await mkdtemp(path.join(tmpdir(), 'crossmodel-migrations-'));
    const name = `hours_${randomBytes(4).toString('hex')}`;
    await sql.unsafe(`create database ${name}`);
    const url = (await testDatabaseUrl()).replace(/[^/]*$/, name);
    const database = postgres(url, { max: 1, onnotice: () => undefined });
    try {
      await cp('db/migrations', before, { recursive: true });
      const journalFile = path.join(before, 'meta/_journal.json');
      const journal = JSON.parse(await readFile(journalFile, 'utf8'));
      journal.entries = journal.entries.filter(({ idx }: { idx: number }) => idx < 14);
      await writeFile(journalFile, JSON.stringify(journal));
      await migrate(drizzle(database), { migrationsFolder: before });
      const accountId = mintTestId();
      await database`
        insert into usage_end_user_days values (${accountId}, '2026-11-21', 'ada', 12345678901, 2, 1, 30, 40, 50, 60)`;
      await sql.unsafe(`alter database ${name} set timezone = 'Asia/Tokyo'`);
      await migrateDatabase(url);
      const rows = await database`
        select account_id, to_char(hour at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as hour, end_user, cost_nano,
          request_count, success_count, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens
        from usage_end_user_hours`.values();
      const figures = ['12345678901', '2', '1', '30', '40', '50', '60'];
      expect([...rows]).toEqual([[accountId, '2026-11-21 00:00', 'ada', ...figures]]);
    } finally {
      await database.end();
      await sql.unsafe(`drop database ${name}`);
      await rm(before, { recursive: true });
    }
  });
});

describe('the ledger tables', () => {
  const post = async (amounts: readonly number[]) => {
    const { accountId } = await createBillableAccount(sql);
    const transactionId = mintTestId();
    await sql.begin(async (tx) => {
      const customer = mintTestId();
      await tx`insert into ledger_accounts (id, kind, account_id) values (${customer}, 'customer_available', ${accountId})`;
      await tx`
        insert into ledger_transactions (id, kind, idempotency_key, description)
        values (${transactionId}, 'reversal', ${transactionId}, 'test')`;
      for (const amount of amounts)
        await tx`
          insert into ledger_entries (id, transaction_id, ledger_account_id, amount_nano)
          values (${mintTestId()}, ${transactionId}, ${customer}, ${amount})`;
    });
    return transactionId;
  };

  it('take a balanced transaction', async () => {
    const id = await post([5, -3, -2]);
    expect(await sql`select 1 from ledger_entries where transaction_id = ${id}`).toHaveLength(3);
  });

  it.each([
    ['that does not sum to zero', [5, -4]],
    ['of one entry', [5]],
    ['without entries', []],
  ])('refuse a transaction %s, at commit', async (_case, amounts) => {
    await expect(post(amounts)).rejects.toMatchObject({ constraint_name: 'ledger_transactions_balance' });
  });

  it('refuse to add an entry to a transaction that is posted', async () => {
    const id = await post([1, -1]);
    await expect(
      sql`insert into ledger_entries (id, transaction_id, ledger_account_id, amount_nano)
          select ${mintTestId()}, transaction_id, ledger_account_id, 7 from ledger_entries
          where transaction_id = ${id} limit 1`,
    ).rejects.toMatchObject({ constraint_name: 'ledger_transactions_balance' });
  });

  it('refuse updates and deletes', async () => {
    const id = await post([1, -1]);
    for (const statement of [
      sql`update ledger_entries set amount_nano = 2 where transaction_id = ${id}`,
      sql`delete from ledger_entries where transaction_id = ${id}`,
      sql`update ledger_transactions set description = 'other' where id = ${id}`,
      sql`delete from ledger_transactions where id = ${id}`,
    ])
      await expect(statement).rejects.toThrow('append-only');
  });
});

describe('price versions', () => {
  it('cannot be changed or removed', async () => {
    const { priceVersionId } = await createBillableAccount(sql);
    await expect(sql`update price_versions set tiers = '[]' where id = ${priceVersionId}`).rejects.toThrow(
      'append-only',
    );
    await expect(sql`delete from price_versions where id = ${priceVersionId}`).rejects.toThrow('append-only');
  });
});

describe('usage partitions', () => {
  const insertAt = async (timeMs: number) => {
    const requestId = firstUuidAt(timeMs).replace('-0000-0000-', '-7000-8000-');
    await sql`
      insert into usage_records (request_id, account_id, api_key_id, occurred_at, spool_id, dialect, sandbox, stream,
        status, http_status, input_tokens, output_tokens, reasoning_tokens, cache_read_tokens, cache_write_5m_tokens,
        cache_write_1h_tokens, estimated, cost_nano, latency_ms, request_count)
      values (${requestId}, ${mintTestId()}, ${mintTestId()}, now(), 's', 'chat', false, false, 'success', 200,
        0, 0, 0, 0, 0, 0, false, 0, 0, 1)`;
    const [row] = await sql<{ partition: string }[]>`
      select tableoid::regclass::text as partition from usage_records where request_id = ${requestId}`;
    return row?.partition;
  };

  it('take a record in the month of its request id, from the first to the last millisecond', async () => {
    const december = Date.UTC(2031, 11, 15);
    expect(await ensureUsagePartitions(sql, december)).toEqual([
      'usage_records_2031_11',
      'usage_records_2031_12',
      'usage_records_2032_01',
      'usage_records_2032_02',
    ]);
    expect(await ensureUsagePartitions(sql, december)).toEqual([]);
    expect(await insertAt(Date.UTC(2031, 11, 1))).toBe('usage_records_2031_12');
    expect(await insertAt(Date.UTC(2032, 0, 1) - 1)).toBe('usage_records_2031_12');
    expect(await insertAt(Date.UTC(2032, 0, 1))).toBe('usage_records_2032_01');
  });

  it('refuse a record outside every month', async () => {
    await expect(insertAt(Date.UTC(2040, 0, 1))).rejects.toThrow('no partition');
  });

  it('exist for this month and two ahead after a migration', async () => {
    expect(await ensureUsagePartitions(sql, Date.now())).toEqual([]);
    expect(await insertAt(Date.now())).toMatch(/^usage_records_\d{4}_\d{2}$/);
  });
});
