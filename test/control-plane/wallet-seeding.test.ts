import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WalletPublisher } from '#control-plane/ledger/publish-wallets.ts';
import { ingestUsage } from '#control-plane/usage/ingest-usage.ts';
import { openDatabase } from '#db/client.ts';
import { budgetPeriodAt, budgetWallet } from '#shared/budget-period.ts';
import { systemClock } from '#shared/clock.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { openRedisLink, type RedisLink } from '#shared/redis-link.ts';
import { encodeGrantLine, type UsageRecord } from '#shared/usage-record.ts';
import { billedRecord, createBillableAccount, mintTestId } from '#test/setup/billing-fixtures.ts';
import { testDatabaseUrl, testRedisUrl } from '#test/setup/test-backends.ts';

const redisUrl = await testRedisUrl();
const redis = new Redis(redisUrl);
const clients = openDatabase(await testDatabaseUrl(), { max: 6, applicationName: 'seeding-test' });
const { sql } = clients;
const logger = pino({ level: 'silent' });
const period = budgetPeriodAt('day', systemClock.nowMs()).label;

let link: RedisLink;
let publisher: WalletPublisher;
beforeEach(async () => {
  await redis.flushdb();
  await sql`update usage_spools set closed_at = now() where closed_at is null`;
  link = openRedisLink(redisUrl, 'seeding', logger);
  publisher = new WalletPublisher(sql, link, systemClock, logger, () => undefined);
});
afterEach(async () => {
  await publisher.close();
  link.close();
});
afterAll(async () => {
  redis.disconnect();
  await clients.close();
});

const wallet = (name: string) => redis.hgetall(redisKeys.wallet(name));
const whenOpen = () => expect.poll(() => redis.get(redisKeys.quotaOpen), { timeout: 10_000 }).not.toBeNull();
const ingest = (spool: string, lines: readonly (UsageRecord | string)[]) =>
  ingestUsage(sql, {
    spool,
    from: 1,
    to: lines.length,
    lines: lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  });

describe('a wiped Redis', () => {
  it('is told balances, budgets and what was settled from each open spool', async () => {
    const account = await createBillableAccount(sql);
    const spool = mintTestId();
    const record = billedRecord(account, undefined, { budgetPeriod: period });
    await ingest(spool, [record]);
    await redis.sadd(redisKeys.quotaDeclared(await runId()), spool);
    publisher.start();
    await whenOpen();
    expect(await wallet(account.accountId)).toEqual({
      balance: `-${record.costNano}`,
      sequence: '1',
      [`s:${spool}`]: record.costNano,
    });
    expect(await wallet(budgetWallet(account.apiKeyId, period))).toEqual({
      balance: `-${record.costNano}`,
      sequence: '1',
      [`s:${spool}`]: record.costNano,
    });
  });

  it('reserves what a silent spool was lent, and forbids grants where that is unknown', async () => {
    const [lent, unknown] = [await createBillableAccount(sql), await createBillableAccount(sql)];
    const spool = mintTestId();
    const [first, second] = [billedRecord(lent), billedRecord(unknown)];
    const grant = { wallet: lent.accountId, grantedNano: '10000000', returnedNano: '1000000' };
    await ingest(spool, [encodeGrantLine([grant]), first, second]);
    publisher.start();
    await whenOpen();
    const reach = 9_000_000n - BigInt(first.costNano);
    expect((await wallet(lent.accountId))[`b:${spool}`]).toBe(reach.toString());
    expect((await wallet(lent.accountId))[`x:${spool}`]).toBeUndefined();
    expect((await wallet(unknown.accountId))[`x:${spool}`]).toBe('1');
    expect(new Set(await redis.smembers(redisKeys.spoolWallets(spool)))).toEqual(
      new Set([lent.accountId, unknown.accountId]),
    );
    // An operator writes it off, or its successor closes it.
    await sql`update usage_spools set closed_at = now() where id = ${spool}`;
    await expect
      .poll(async () => Object.keys(await wallet(unknown.accountId)), { timeout: 12_000 })
      .not.toContain(`x:${spool}`);
    expect(Object.keys(await wallet(lent.accountId))).not.toContain(`b:${spool}`);
    await expect.poll(() => redis.scard(redisKeys.quotaSpools)).toBe(0);
  });

  it('is seeded again when what was settled could not be published', async () => {
    const account = await createBillableAccount(sql);
    publisher.start();
    await whenOpen();
    const spool = mintTestId();
    const { settled, budgets } = await ingest(spool, [billedRecord(account)]);
    await redis.sadd(redisKeys.quotaDeclared(await runId()), spool);
    link.client.disconnect(true);
    await publisher.publishSettled(settled, budgets).catch(() => undefined);
    await expect
      .poll(async () => (await wallet(account.accountId))[`s:${spool}`], { timeout: 10_000 })
      .toBe(settled[0]?.settledNano);
  });
});

it('a balance below what is lent calls idle slices back', async () => {
  const account = await createBillableAccount(sql);
  publisher.start();
  await whenOpen();
  const recalled: string[] = [];
  const listener = new Redis(redisUrl);
  await listener.subscribe(redisKeys.quotaRecall);
  listener.on('message', (_, name: string) => recalled.push(name));
  await redis.hset(redisKeys.wallet(account.accountId), { 'g:one': 500, 'i:one': 400 });
  const { settled } = await ingest(mintTestId(), [billedRecord(account)]);
  await publisher.publishSettled(settled);
  await expect.poll(() => recalled).toContain(account.accountId);
  listener.disconnect();
});

async function runId(): Promise<string> {
  return /^run_id:([0-9a-f]+)/m.exec(await redis.info('server'))?.[1] ?? '';
}
