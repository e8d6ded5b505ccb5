import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Hold } from '#data-plane/admission/quotas.ts';
import type { RedisQuotas } from '#data-plane/admission/redis-quotas.ts';
import type { CompiledKey } from '#data-plane/snapshot/compiled-snapshot.ts';
import { EndedSpoolSpending } from '#data-plane/usage/ended-spool-spending.ts';
import { reserveEndedSpool } from '#data-plane/usage/reserve-ended-spool.ts';
import { SpoolFiles } from '#data-plane/usage/spool-files.ts';
import { isFault } from '#shared/fault.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { openRedisLink } from '#shared/redis-link.ts';
import { mintTestId } from '#test/setup/billing-fixtures.ts';
import { type OwnRedis, startOwnRedis } from './support/own-redis.ts';
import { ask, held, keyWith, QuotaProcesses } from './support/quota-processes.ts';

const QUICK_MS = 5;
const BALANCE = 10_000_000_000n;

let server: OwnRedis;
let processes: QuotaProcesses;
beforeAll(async () => {
  server = await startOwnRedis();
  processes = new QuotaProcesses(server.url);
});
afterAll(async () => {
  await processes.close();
  await server.discard();
});
beforeEach(async () => {
  await processes.redis.flushdb();
  await processes.openMarker();
});
afterEach(async () => {
  process.kill(server.pid, 'SIGCONT');
  await processes.closeProcesses();
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const busyKey = (): CompiledKey => keyWith({ rpmLimit: 1_000_000, tpmLimit: 1_000_000_000 });

/** A hundred requests a second, each costing 1,000 of the 10,000 that it holds. Returns what was refused. */
async function drive(quotas: RedisQuotas, key: CompiledKey, rounds: number): Promise<number> {
  let refused = 0;
  for (let round = 0; round < rounds; round += 1) {
    const outcome = await quotas.hold(ask(key, 10_000n));
    if (isFault(outcome)) refused += 1;
    else quotas.settle(outcome, 1_000n, 10);
    await pause(10);
  }
  return refused;
}

/** Holds and spent money of one account, as Redis knows it. */
const uncollected = (quotas: RedisQuotas, key: CompiledKey) => async (): Promise<bigint> => {
  const figures = await quotas.readWallet(key.config.accountId);
  return figures === undefined || isFault(figures) ? -1n : figures.uncollectedNano;
};

describe('while Redis is frozen', () => {
  it('a busy key goes on from its slices, and every cost is known afterwards', async () => {
    const quotas = await processes.open({ holdTimeoutMs: QUICK_MS });
    const key = busyKey();
    await processes.fund(key, BALANCE);
    await drive(quotas, key, 150);
    expect(quotas.counts.sliced).toBeGreaterThan(0);
    process.kill(server.pid, 'SIGSTOP');
    expect(await drive(quotas, key, 150)).toBe(0);
    expect(quotas.reachable).toBe(false);
    process.kill(server.pid, 'SIGCONT');
    await expect.poll(() => quotas.reachable, { timeout: 10_000 }).toBe(true);
    await expect.poll(uncollected(quotas, key), { timeout: 10_000 }).toBe(300_000n);
  });

  it('others are served from the allowance, then refused with a time to retry', async () => {
    const quotas = await processes.open({ holdTimeoutMs: QUICK_MS });
    const [known, stranger] = [keyWith(), keyWith()];
    await processes.fund(known, BALANCE);
    await processes.fund(stranger, BALANCE);
    quotas.settle(await held(quotas, ask(known, 1n)), 1n, 1);
    await expect.poll(uncollected(quotas, known)).toBe(1n);
    process.kill(server.pid, 'SIGSTOP');
    const first = await held(quotas, ask(known, 60_000_000n));
    const refused = { kind: 'model_unavailable', retryAfterMs: 1_000 };
    expect(await quotas.hold(ask(known, 60_000_000n))).toMatchObject(refused);
    expect(await quotas.hold(ask(stranger, 1n))).toMatchObject(refused);
    quotas.settle(first, 7n, 1);
    const second = await held(quotas, ask(known, 60_000_000n));
    process.kill(server.pid, 'SIGCONT');
    await expect.poll(() => quotas.reachable, { timeout: 10_000 }).toBe(true);
    quotas.settle(second, 9n, 1);
    await expect.poll(uncollected(quotas, known), { timeout: 10_000 }).toBe(17n);
  });

  it('a key keeps its limits within each process', async () => {
    const quotas = await processes.open({ holdTimeoutMs: QUICK_MS });
    const key = keyWith({ rpmLimit: 5, concurrencyLimit: 2 });
    await processes.fund(key, BALANCE);
    quotas.settle(await held(quotas, ask(key, 1n)), 1n, 1);
    await expect.poll(uncollected(quotas, key)).toBe(1n);
    process.kill(server.pid, 'SIGSTOP');
    const running = [await held(quotas, ask(key, 1n)), await held(quotas, ask(key, 1n))];
    expect(await quotas.hold(ask(key, 1n))).toMatchObject({ kind: 'model_unavailable' });
    for (const hold of running) quotas.settle(hold, 1n, 1);
    // With the one before the outage that makes five.
    for (let sent = 0; sent < 2; sent += 1) quotas.settle(await held(quotas, ask(key, 1n)), 1n, 1);
    const refusal = await quotas.hold(ask(key, 1n));
    expect(refusal).toMatchObject({
      kind: 'rate_limit_exceeded',
      message: 'Rate limit exceeded: max 5 requests per minute.',
      standing: { requestLimit: 5, remainingRequests: 0 },
    });
  });

  it('a stream’s hold grows from the allowance, and ends with what it cost', async () => {
    const quotas = await processes.open({ holdTimeoutMs: QUICK_MS });
    const key = keyWith({ budget: { limitNano: '1000000000', period: 'none' }, concurrencyLimit: 2 });
    await processes.fund(key, BALANCE);
    const [first, second]: Hold[] = [
      await held(quotas, ask(key, 40_000_000n)),
      await held(quotas, ask(key, 10n)),
    ];
    if (first === undefined || second === undefined) throw new Error('Nothing was held');
    process.kill(server.pid, 'SIGSTOP');
    expect(await quotas.extend(first, 60_000_000n)).toBe('held');
    expect(first.heldNano).toBe(100_000_000n);
    expect(await quotas.extend(second, 60_000_000n)).toBe('unknown');
    expect(second.heldNano).toBe(10n);
    // 30 of its 60 million of the allowance stay used, for 70 million cost more than the 40 million that were lent.
    quotas.settle(first, 70_000_000n, 1);
    expect(await quotas.extend(second, 80_000_000n)).toBe('unknown');
    expect(await quotas.extend(second, 70_000_000n)).toBe('held');
    process.kill(server.pid, 'SIGCONT');
    await expect.poll(() => quotas.reachable, { timeout: 10_000 }).toBe(true);
    expect(await quotas.extend(second, 5_000_000n)).toBe('held');
    quotas.settle(second, 7n, 1);
    await expect.poll(uncollected(quotas, key), { timeout: 10_000 }).toBe(70_000_007n);
    const budget = await processes.wallet(`key:${key.config.id}:none`);
    const [granted, returned] = ['g:', 'r:'].map((kind) =>
      Object.entries(budget).find(([field]) => field.startsWith(kind)),
    );
    expect(BigInt(granted?.[1] ?? 0) - BigInt(returned?.[1] ?? 0)).toBe(70_000_007n);
    for (let sent = 0; sent < 2; sent += 1) await held(quotas, ask(key, 1n));
  });
});

describe('while Redis is only busy', () => {
  const BUSY_MS = 30;
  const keepBusy = () =>
    processes.redis.eval(
      `local function now() local t = redis.call('TIME'); return t[1] * 1000 + t[2] / 1000 end
       local start = now()
       while now() - start < ${BUSY_MS} do end`,
      0,
    );

  // A machine that stalls for 100 ms makes a busy Redis count as away.
  it('a key near its limit waits for the answer, and no process admits more', { retry: 2 }, async () => {
    const both = [
      await processes.open({ holdTimeoutMs: QUICK_MS }),
      await processes.open({ holdTimeoutMs: QUICK_MS }),
    ];
    const key = keyWith({ rpmLimit: 4 });
    await processes.fund(key, BALANCE);
    for (const quotas of both) quotas.settle(await held(quotas, ask(key, 1n)), 1n, 1);
    const busy = keepBusy();
    const asked = both.flatMap((quotas) => Array.from({ length: 3 }, () => quotas.hold(ask(key, 1n))));
    const outcomes = await Promise.all(asked);
    await busy;
    expect(outcomes.filter((outcome) => !isFault(outcome))).toHaveLength(2);
    expect(both.map(({ counts }) => counts.alone)).toEqual([0, 0]);
  });
});

describe('after Redis was frozen', () => {
  it('what was admitted without it counts against the limits of all processes', async () => {
    const [alone, other] = [
      await processes.open({ holdTimeoutMs: QUICK_MS }),
      await processes.open({ holdTimeoutMs: QUICK_MS }),
    ];
    const key = keyWith({ rpmLimit: 5 });
    await processes.fund(key, BALANCE);
    alone.settle(await held(alone, ask(key, 1n)), 1n, 1);
    process.kill(server.pid, 'SIGSTOP');
    for (let sent = 0; sent < 3; sent += 1) alone.settle(await held(alone, ask(key, 1n)), 1n, 1);
    process.kill(server.pid, 'SIGCONT');
    for (const quotas of [alone, other])
      await expect.poll(() => quotas.reachable, { timeout: 10_000 }).toBe(true);
    const counted = async () =>
      Object.entries(await processes.redis.hgetall(redisKeys.rateBuckets(key.config.id)))
        .filter(([bucket]) => bucket.startsWith('r'))
        .reduce((sum, [, requests]) => sum + Number(requests), 0);
    await expect.poll(counted, { timeout: 10_000 }).toBe(4);
    await held(other, ask(key, 1n));
    expect(await other.hold(ask(key, 1n))).toMatchObject({ kind: 'rate_limit_exceeded' });
  });
});

describe('after Redis was wiped', () => {
  it('nothing is lent before it is seeded, and nothing twice after', async () => {
    const [first, second] = [await processes.open(), await processes.open()];
    const key = busyKey();
    await processes.fund(key, 40_000_000n);
    await drive(first, key, 150);
    const running = await held(second, ask(key, 30_000_000n));
    const spent = BigInt(first.counts.asked + first.counts.sliced) * 1_000n;
    await processes.redis.flushdb();
    // Slices in hand go on; who has none waits for the seeding.
    expect(await second.hold(ask(keyWith(), 1n))).toMatchObject({ kind: 'model_unavailable' });
    await expect.poll(() => processes.wallet(key.config.accountId)).toMatchObject({});
    await processes.fund(key, 40_000_000n);
    const runId = /^run_id:([0-9a-f]+)/m.exec(await processes.redis.info('server'))?.[1] ?? '';
    await drive(first, key, 20);
    await expect.poll(() => processes.redis.scard(redisKeys.quotaDeclared(runId))).toBe(2);
    await processes.openMarker();
    await expect.poll(() => first.reachable && second.reachable).toBe(true);
    const other = keyWith({ accountId: key.config.accountId });
    expect(await second.hold(ask(other, 10_000_000n - spent))).toMatchObject({
      kind: 'insufficient_balance',
    });
    second.settle(running, 30_000_000n, 1);
    await expect.poll(uncollected(second, key), { timeout: 10_000 }).toBe(30_000_000n + spent + 20_000n);
  });

  it('the money of a silent spool stays reserved, and none is lent where even that is unknown', async () => {
    const silent = mintTestId();
    const [reserved, forbidden] = [keyWith(), keyWith()];
    for (const key of [reserved, forbidden]) await processes.fund(key, 100n);
    await processes.redis.hset(redisKeys.wallet(reserved.config.accountId), `b:${silent}`, 80);
    await processes.redis.hset(redisKeys.wallet(forbidden.config.accountId), `x:${silent}`, 1);
    const quotas = await processes.open();
    expect(await quotas.hold(ask(reserved, 30n))).toMatchObject({ kind: 'insufficient_balance' });
    await held(quotas, ask(reserved, 20n));
    expect(await quotas.hold(ask(forbidden, 1n))).toMatchObject({ kind: 'model_unavailable' });
    // The silent process speaks: its own counters replace the guards.
    for (const key of [reserved, forbidden])
      await processes.redis.sadd(redisKeys.spoolWallets(silent), key.config.accountId);
    await processes.open({ spoolId: silent });
    await held(quotas, ask(forbidden, 1n));
    await held(quotas, ask(reserved, 80n));
  });

  it('what the spool of an ended process has spent is reserved once, beyond what is reserved already', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'crossmodel-ended-'));
    const [key, counted] = [keyWith(), keyWith()];
    const line = ({ config }: CompiledKey, costNano: string, budgetPeriod?: string) =>
      JSON.stringify({ accountId: config.accountId, apiKeyId: config.id, costNano, budgetPeriod });
    const lines = [line(key, '30', 'none'), 'torn', line(key, '12'), line(counted, '50'), line(counted, '0')];
    const files = new SpoolFiles(folder, 1_000_000);
    files.append(Buffer.from(`${lines.join('\n')}\n`), lines.length, false);
    const spool = mintTestId();
    for (const each of [key, counted]) await processes.fund(each, 100n);
    await processes.redis.hset(redisKeys.wallet(counted.config.accountId), {
      [`g:${spool}`]: 70,
      [`r:${spool}`]: 30,
    });
    const link = openRedisLink(server.url, 'ended', pino({ level: 'silent' }));
    await expect.poll(() => link.runId()).toBeDefined();
    const spending = new EndedSpoolSpending(files);
    for (let round = 0; round < 2; round += 1) await reserveEndedSpool(link, spool, spending);
    link.close();
    rmSync(folder, { recursive: true });
    expect(await processes.wallet(key.config.accountId)).toMatchObject({ [`b:${spool}`]: '42' });
    expect(await processes.wallet(`key:${key.config.id}:none`)).toEqual({ [`b:${spool}`]: '30' });
    expect(await processes.wallet(counted.config.accountId)).toMatchObject({ [`b:${spool}`]: '10' });
    const quotas = await processes.open();
    expect(await quotas.hold(ask(key, 59n))).toMatchObject({ kind: 'insufficient_balance' });
    expect(await quotas.readWallet(key.config.accountId)).toEqual({
      spendableNano: 58n,
      uncollectedNano: 42n,
    });
  });
});

it('a new connection to a Redis of another run asks for nothing before it is seeded', async () => {
  const quotas = await processes.open();
  const key = keyWith();
  await processes.fund(key, 100n);
  await processes.redis.set(redisKeys.quotaOpen, 'another run');
  const client = new Redis(server.url);
  expect(await quotas.hold(ask(key, 1n))).toMatchObject({ kind: 'model_unavailable' });
  client.disconnect();
});
