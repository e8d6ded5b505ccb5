import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { HoldRequest } from '#data-plane/admission/quotas.ts';
import { budgetPeriodAt, budgetWallet } from '#shared/budget-period.ts';
import { systemClock } from '#shared/clock.ts';
import { isFault } from '#shared/fault.ts';
import { formatId } from '#shared/identifiers.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { testRedisUrl } from '#test/setup/test-backends.ts';
import { ask, held, keyWith, QuotaProcesses } from './support/quota-processes.ts';

const processes = new QuotaProcesses(await testRedisUrl());
const { redis } = processes;
afterAll(() => processes.close());
beforeEach(async () => {
  await processes.closeProcesses();
  await redis.flushdb();
  await processes.openMarker();
});

const RICH = 1_000_000_000_000n;
const currentDay = () => budgetPeriodAt('day', systemClock.nowMs()).label;

describe('the budget of a key', () => {
  it('is spent over several processes together, though its account has more', async () => {
    const [first, second] = [await processes.open(), await processes.open()];
    const key = keyWith({ budget: { limitNano: '100', period: 'day' } });
    await processes.fund(key, RICH);
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 ? first : second).hold(ask(key, 10n))),
    );
    expect(outcomes.filter((outcome) => !isFault(outcome))).toHaveLength(10);
    const refusal = outcomes.find(isFault);
    expect(refusal).toMatchObject({ kind: 'insufficient_balance' });
    expect(refusal?.message).toContain(formatId('ApiKey', key.config.id));
  });

  it('counts what the ledger has settled in its period, and a change of the limit at once', async () => {
    const quotas = await processes.open();
    const key = keyWith({ budget: { limitNano: '100', period: 'day' } });
    await processes.fund(key, RICH);
    const wallet = budgetWallet(key.config.id, currentDay());
    await redis.hset(redisKeys.wallet(wallet), { balance: '-95', sequence: 1 });
    expect(await quotas.hold(ask(key, 10n))).toMatchObject({ kind: 'insufficient_balance' });
    const raised = {
      ...key,
      config: { ...key.config, budget: { limitNano: '110', period: 'day' as const } },
    };
    const hold = await held(quotas, ask(raised, 10n));
    expect(hold.budgetPeriod).toBe(currentDay());
    expect(await redis.ttl(redisKeys.wallet(wallet))).toBeGreaterThan(86_400);
  });

  it('is no limit to other keys of the account', async () => {
    const quotas = await processes.open();
    const key = keyWith({ budget: { limitNano: '5', period: 'none' } });
    const other = keyWith({ accountId: key.config.accountId });
    await processes.fund(key, RICH);
    expect(await quotas.hold(ask(key, 10n))).toMatchObject({ kind: 'insufficient_balance' });
    expect((await held(quotas, ask(other, 10n))).budgetPeriod).toBeUndefined();
  });

  it('takes nothing from the account when it refuses', async () => {
    const quotas = await processes.open();
    const key = keyWith({ budget: { limitNano: '5', period: 'none' }, concurrencyLimit: 1 });
    await processes.fund(key, 100n);
    await quotas.hold(ask(key, 10n));
    expect(await quotas.readWallet(key.config.accountId)).toEqual({
      spendableNano: 100n,
      uncollectedNano: 0n,
    });
    await held(quotas, ask(key, 5n));
  });
});

describe('the concurrency limit of a key', () => {
  it('bounds its requests in flight over several processes, and frees a place with each end', async () => {
    const [first, second] = [await processes.open(), await processes.open()];
    const key = keyWith({ concurrencyLimit: 3 });
    await processes.fund(key, RICH);
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, index) => (index % 2 ? first : second).hold(ask(key, 1n))),
    );
    const running = outcomes.flatMap((outcome) => (isFault(outcome) ? [] : [outcome]));
    expect(running).toHaveLength(3);
    expect(outcomes.find(isFault)).toMatchObject({
      kind: 'rate_limit_exceeded',
      message: 'Rate limit exceeded: max 3 requests in flight.',
      retryAfterMs: 1_000,
    });
    const index = outcomes.findIndex((outcome) => !isFault(outcome));
    const [ended] = running;
    if (ended === undefined) throw new Error('Nothing was held');
    const owner = index % 2 ? first : second;
    const other = index % 2 ? second : first;
    owner.settle(ended, 0n, 1);
    await expect.poll(async () => isFault(await other.hold(ask(key, 1n)))).toBe(false);
    expect(isFault(await owner.hold(ask(key, 1n)))).toBe(true);
  });
});

describe('an answer whose length is neither stated nor stoppable', () => {
  const unstated = (key: HoldRequest['key'], ceiling: bigint, least: bigint): HoldRequest => ({
    ...ask(key, ceiling),
    leastNano: least,
  });

  it('holds its ceiling while that is free', async () => {
    const quotas = await processes.open();
    const key = keyWith();
    await processes.fund(key, 1_000n);
    const holds = [];
    for (let sent = 0; sent < 3; sent += 1) holds.push(await held(quotas, unstated(key, 300n, 10n)));
    expect(holds.map(({ heldNano }) => heldNano)).toEqual([300n, 300n, 300n]);
  });

  it('runs alone where its ceiling is not free, so that at most one ceiling of an account is overrun', async () => {
    const [first, second] = [await processes.open(), await processes.open()];
    const key = keyWith();
    await processes.fund(key, 250n);
    const alone = await held(first, unstated(key, 300n, 10n));
    expect(alone.heldNano).toBe(10n);
    for (const quotas of [first, second])
      expect(await quotas.hold(unstated(key, 300n, 10n))).toMatchObject({ kind: 'insufficient_balance' });
    await held(second, ask(key, 100n));
    expect(first.settle(alone, 300n, 1)).toBe(290n);
    expect(first.counts).toMatchObject({ excesses: 1, excessNano: 290n });
    await expect
      .poll(() => second.readWallet(key.config.accountId))
      .toEqual({ spendableNano: -150n, uncollectedNano: 400n });
    expect(await second.hold(unstated(key, 300n, 10n))).toMatchObject({ kind: 'insufficient_balance' });
  });
});

describe('a hold that grows', () => {
  it('takes more from every wallet or nothing', async () => {
    const quotas = await processes.open();
    const key = keyWith({ budget: { limitNano: '100', period: 'none' }, concurrencyLimit: 1 });
    await processes.fund(key, 1_000n);
    const hold = await held(quotas, ask(key, 40n));
    expect(await quotas.extend(hold, 50n)).toBe('held');
    expect(hold.heldNano).toBe(90n);
    expect(await quotas.extend(hold, 50n)).toBe('short');
    expect(hold.heldNano).toBe(90n);
    expect(quotas.settle(hold, 90n, 1)).toBe(0n);
    await expect
      .poll(() => quotas.readWallet(key.config.accountId))
      .toEqual({ spendableNano: 910n, uncollectedNano: 90n });
  });
});

describe('rates', () => {
  const secondOfRedis = async (): Promise<number> => Number((await redis.time())[0]);

  it('admit a retry at the time that the refusal names', async () => {
    const quotas = await processes.open();
    const key = keyWith({ rpmLimit: 3 });
    await processes.fund(key, RICH);
    const now = await secondOfRedis();
    await redis.hset(redisKeys.rateBuckets(key.config.id), { [`r${now - 59}`]: 1, [`r${now - 30}`]: 2 });
    const refusal = await quotas.hold(ask(key, 1n));
    if (!isFault(refusal)) throw new Error('It was admitted');
    expect(refusal.standing).toMatchObject({ requestLimit: 3, remainingRequests: 0 });
    expect(refusal.standing?.requestResetMs).toBeGreaterThan(29_000);
    expect(refusal.standing?.requestResetMs).toBeLessThanOrEqual(31_000);
    expect(refusal.retryAfterMs).toBeLessThanOrEqual(2_000);
    await new Promise((resolve) => setTimeout(resolve, refusal.retryAfterMs));
    await held(quotas, ask(key, 1n));
    expect(await quotas.hold(ask(key, 1n))).toMatchObject({ kind: 'rate_limit_exceeded' });
  });

  it('charge a shortfall at once and tell what is left', async () => {
    const quotas = await processes.open();
    const key = keyWith({ tpmLimit: 1_000, rpmLimit: 10 });
    await processes.fund(key, RICH);
    const hold = await held(quotas, ask(key, 1n, 100));
    expect(hold.standing).toMatchObject({ remainingRequests: 9, remainingTokens: 900 });
    expect(hold.standing.tokenResetMs).toBeGreaterThan(60_000);
    quotas.settle(hold, 0n, 700);
    await expect
      .poll(async () => (await held(quotas, ask(key, 1n, 1))).standing.remainingTokens)
      .toBeLessThan(300);
    expect(await quotas.hold(ask(key, 1n, 300))).toMatchObject({
      message: 'Rate limit exceeded: max 1000 tokens per minute.',
    });
  });

  it('keep all but one of the places of a sole client free for it', async () => {
    const quotas = await processes.open();
    const key = keyWith({ rpmLimit: 60 });
    await processes.fund(key, RICH);
    let admitted = 0;
    for (let sent = 0; sent < 60; sent += 1) {
      const outcome = await quotas.hold(ask(key, 1n));
      if (isFault(outcome)) continue;
      admitted += 1;
      quotas.settle(outcome, 1n, 10);
    }
    expect(admitted).toBe(60);
    expect(await quotas.hold(ask(key, 1n))).toMatchObject({ kind: 'rate_limit_exceeded' });
  });
});
