import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { WalletPublisher } from '#control-plane/ledger/publish-wallets.ts';
import { UsageConsumer } from '#control-plane/usage/consume-usage-stream.ts';
import { UsageTotalsPublisher } from '#control-plane/usage/publish-usage-totals.ts';
import { EndedSpoolSpending } from '#data-plane/usage/ended-spool-spending.ts';
import { type FileSpool, openFileSpool } from '#data-plane/usage/file-spool.ts';
import { SpoolFiles } from '#data-plane/usage/spool-files.ts';
import { openDatabase } from '#db/client.ts';
import { type Clock, systemClock } from '#shared/clock.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { openRedisLink } from '#shared/redis-link.ts';
import { billedRecord, createBillableAccount } from '#test/setup/billing-fixtures.ts';
import { testDatabaseUrl, testRedisUrl } from '#test/setup/test-backends.ts';

const redisUrl = await testRedisUrl();
const redis = new Redis(redisUrl);
const clients = openDatabase(await testDatabaseUrl(), { max: 4, applicationName: 'spool-test' });
const logger = pino({ level: 'silent' });
const home = mkdtempSync(join(tmpdir(), 'crossmodel-spool-'));

afterAll(async () => {
  redis.disconnect();
  await clients.close();
  rmSync(home, { recursive: true, force: true });
});

function openSpool(slot: number, slotCount = slot + 1, clock: Clock = systemClock): FileSpool {
  return openFileSpool({
    redisUrl,
    home,
    slot,
    slotCount,
    capacityBytes: 1_000_000,
    durable: false,
    clock,
    logger,
  });
}

/** A running ingest worker on the test database and Redis. */
async function startIngest(): Promise<{ close(): Promise<void> }> {
  const link = openRedisLink(redisUrl, 'test', logger);
  const readingLink = openRedisLink(redisUrl, 'test-reader', logger, true);
  const totals = new UsageTotalsPublisher(clients.sql, link, systemClock, logger);
  const wallets = new WalletPublisher(clients.sql, link, systemClock, logger, () => totals.reseed());
  const consumer = new UsageConsumer({
    clients,
    link,
    readingLink,
    wallets,
    totals,
    clock: systemClock,
    logger,
    consumer: 'test',
  });
  wallets.start();
  totals.start();
  consumer.start();
  return {
    close: async () => {
      readingLink.close();
      await Promise.all([wallets.close(), totals.close(), consumer.close()]);
      link.close();
    },
  };
}

async function bookedRequests(accountId: string): Promise<string[]> {
  const rows = await clients.sql<{ request_id: string }[]>`
    select request_id from usage_records where account_id = ${accountId} order by request_id`;
  return rows.map((row) => row.request_id);
}

describe('spool files', () => {
  const directory = () => mkdtempSync(join(home, 'files-'));

  it('forget a torn last line and number the next record right after the last whole one', () => {
    const path = directory();
    const files = new SpoolFiles(path, 1_000);
    files.append(Buffer.from('{"a":1}\n{"a":2}\n'), 2, false);
    files.close();
    appendFileSync(join(path, readdirSync(path)[0] ?? ''), '{"a":3');
    const reopened = new SpoolFiles(path, 1_000);
    expect(reopened.last).toBe(2);
    reopened.append(Buffer.from('{"a":4}\n'), 1, false);
    expect(reopened.read(1, 10)).toEqual([
      { sequence: 1, text: '{"a":1}' },
      { sequence: 2, text: '{"a":2}' },
      { sequence: 3, text: '{"a":4}' },
    ]);
  });

  it('delete only segments that Postgres has whole, and keep counting after that', () => {
    const files = new SpoolFiles(directory(), 10);
    for (let index = 1; index <= 4; index += 1) files.append(Buffer.from(`{"line":${index}}\n`), 1, false);
    files.trim(3);
    expect(files.first).toBe(4);
    expect(files.read(1, 10).map((line) => line.sequence)).toEqual([4]);
    files.trim(4);
    expect(files.last).toBe(4);
  });
});

describe('what an ended spool has spent', () => {
  it('is counted from all its lines once, and from those left after it was trimmed', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'crossmodel-spending-'));
    const files = new SpoolFiles(directory, 100_000);
    const record = billedRecord({
      ...{ accountId: 'account', apiKeyId: 'key', model: 'm', priceVersionId: 'p' },
    });
    const line = JSON.stringify({ ...record, costNano: '3', budgetPeriod: 'none' });
    for (let written = 0; written < 12_000; written += 100)
      files.append(Buffer.from(`${line}\n`.repeat(100)), 100, false);
    const spending = new EndedSpoolSpending(files);
    const whole = new Map([
      ['account', 36_000n],
      ['key:key:none', 36_000n],
    ]);
    expect(await spending.perWallet()).toEqual(whole);
    files.trim(11_000);
    // The chunk that the first line left is in counts whole.
    expect((await spending.perWallet()).get('account')).toBe(6_000n);
    expect((await new EndedSpoolSpending(files).perWallet()).get('account')).toBeLessThanOrEqual(6_000n);
    files.remove();
  });
});

describe('the way of a record from spool to ledger', () => {
  beforeEach(async () => {
    await redis.flushdb();
    rmSync(join(home, 'spool'), { recursive: true, force: true });
  });

  it('has the record on disk before the response may end', async () => {
    const account = await createBillableAccount(clients.sql);
    const spool = openSpool(0);
    const record = billedRecord(account);
    const seen = await new Promise<number>((resolve) =>
      spool.append(record, () => resolve(new SpoolFiles(join(home, 'spool', spool.id), 1).last)),
    );
    expect(seen).toBe(1);
    await spool.close(0);
  });

  it('brings every record to Postgres once, though Redis is wiped on the way', async () => {
    const account = await createBillableAccount(clients.sql);
    const spool = openSpool(0);
    const records = Array.from({ length: 300 }, () => billedRecord(account));
    for (const record of records) spool.append(record, () => undefined);
    await expect.poll(() => redis.xlen(redisKeys.usageStream)).toBeGreaterThan(0);
    await redis.flushdb();
    const ingest = await startIngest();
    await expect.poll(() => bookedRequests(account.accountId), { timeout: 20_000 }).toHaveLength(300);
    await expect.poll(() => spool.backlog).toBe(0);
    await spool.close(1_000);
    await ingest.close();
  }, 30_000);

  it('adopts, settles, closes and removes the spool of a killed process', async () => {
    const account = await createBillableAccount(clients.sql);
    const left = join(home, 'spool', 'slot-0-left-behind');
    const orphan = join(home, 'spool', 'slot-7-left-behind');
    const records = [billedRecord(account), billedRecord(account)];
    for (const [index, directory] of [left, orphan].entries()) {
      mkdirSync(directory, { recursive: true });
      // A process id that cannot be alive, as a kill -9 leaves it.
      writeFileSync(join(directory, 'owner'), '999999999 1');
      const files = new SpoolFiles(directory, 1_000);
      files.append(Buffer.from(`${JSON.stringify(records[index])}\n`), 1, false);
      files.close();
    }
    const ingest = await startIngest();
    const spool = openSpool(0, 2);
    await expect.poll(() => bookedRequests(account.accountId), { timeout: 10_000 }).toHaveLength(2);
    await expect.poll(() => readdirSync(join(home, 'spool')), { timeout: 10_000 }).toEqual([spool.id]);
    const closed = await clients.sql`
      select id from usage_spools where closed_at is not null and id like '%left-behind' order by id`;
    expect(closed.map((row) => row.id)).toEqual(['slot-0-left-behind', 'slot-7-left-behind']);
    await spool.close(1_000);
    await ingest.close();
  }, 30_000);

  it('ships a large backlog of ended processes a part at a time, what ended last first', async () => {
    const lines = 25_000;
    const names = ['slot-0-a-oldest', 'slot-0-b', 'slot-0-c-newest'];
    for (const name of names) {
      const directory = join(home, 'spool', name);
      mkdirSync(directory, { recursive: true });
      const files = new SpoolFiles(directory, 1_000_000);
      files.append(Buffer.from('{}\n'.repeat(lines)), lines, false);
      files.close();
    }
    const spool = openSpool(0);
    expect(spool.adoptedBacklog).toBe(0);
    await expect.poll(() => spool.adoptedBacklog).toBe(names.length * (lines + 1));
    const waiting = async () => {
      const entries = await redis.xrange(redisKeys.usageStream, '-', '+');
      return Map.groupBy(entries, ([, fields]) => fields[1] ?? '');
    };
    await expect.poll(async () => (await waiting()).get('slot-0-b')?.length, { timeout: 10_000 }).toBe(40);
    expect([...(await waiting()).keys()].sort()).toEqual(['slot-0-b', 'slot-0-c-newest']);
    await spool.close(0);
  }, 30_000);

  it('keeps what a failing disk would not take, refuses new requests, and writes it once the disk works', async () => {
    const account = await createBillableAccount(clients.sql);
    const spool = openSpool(0);
    // A directory where the first file belongs is a disk that takes nothing.
    const obstacle = join(home, 'spool', spool.id, `${'1'.padStart(16, '0')}.jsonl`);
    mkdirSync(obstacle);
    const records = [billedRecord(account), billedRecord(account)];
    for (const record of records)
      await new Promise<void>((resolve) => {
        spool.append(record, resolve);
      });
    expect(spool.accepting).toBe(false);
    rmSync(obstacle, { recursive: true });
    await expect.poll(() => spool.accepting, { timeout: 10_000 }).toBe(true);
    const ingest = await startIngest();
    await expect
      .poll(() => bookedRequests(account.accountId), { timeout: 20_000 })
      .toEqual(records.map(({ requestId }) => requestId));
    await spool.close(1_000);
    await ingest.close();
  });

  it('books neighbouring batches together, whatever else lies in the stream and in whatever order', async () => {
    const account = await createBillableAccount(clients.sql);
    const records = Array.from({ length: 6 }, () => billedRecord(account));
    const send = (
      from: number,
      to: number,
      lines = records.slice(from - 1, to).map((each) => JSON.stringify(each)),
    ) =>
      redis.xadd(
        redisKeys.usageStream,
        '*',
        'spool',
        'by-hand',
        'from',
        from,
        'to',
        to,
        'lines',
        lines.join('\n'),
      );
    await send(5, 6);
    await send(1, 2);
    // Says that it has two lines, and has three: it must not shift what its neighbours say.
    await send(3, 4, ['{}', '{}', '{}']);
    await send(1, 2);
    await send(3, 4);
    const ingest = await startIngest();
    await expect
      .poll(() => bookedRequests(account.accountId), { timeout: 20_000 })
      .toEqual(records.map(({ requestId }) => requestId));
    await expect.poll(() => redis.xlen(redisKeys.usageStream), { timeout: 20_000 }).toBe(0);
    expect(await redis.hget(redisKeys.usageConfirmed, 'by-hand')).toBe('6');
    await ingest.close();
  });

  it('knows how much waits for Postgres, since when, and how requests ended', async () => {
    const account = await createBillableAccount(clients.sql);
    let nowMs = 1_000;
    const clock = { nowMs: () => systemClock.nowMs(), monotonicMs: () => nowMs };
    const spool = openSpool(0, 1, clock);
    expect(spool.backlogAgeMs).toBe(0);
    const refused = { status: 'error', errorCode: 'rate_limit_exceeded', count: 3 } as const;
    for (const record of [billedRecord(account), billedRecord(account, {}, refused)])
      await new Promise<void>((resolve) => {
        spool.append(record, resolve);
      });
    nowMs += 7_000;
    expect(spool.backlogAgeMs).toBe(7_000);
    expect(spool.backlog).toBe(2);
    expect([...spool.counts.endings()]).toEqual([
      { dialect: 'chat', status: 'success', code: '', count: 1 },
      { dialect: 'chat', status: 'error', code: 'rate_limit_exceeded', count: 3 },
    ]);
    await spool.close(0);
  });

  it('refuses new requests when the spool is full', async () => {
    const account = await createBillableAccount(clients.sql);
    const spool = openSpool(0);
    expect(spool.accepting).toBe(true);
    for (let index = 0; index < 2_500; index += 1) spool.append(billedRecord(account), () => undefined);
    await expect.poll(() => spool.accepting).toBe(false);
    await spool.close(0);
  });
});
