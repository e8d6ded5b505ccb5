import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { isFault } from '#shared/fault.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { mintTestId } from '#test/setup/billing-fixtures.ts';
import { testRedisUrl } from '#test/setup/test-backends.ts';
import { ask, held, keyWith, QuotaProcesses } from './support/quota-processes.ts';

const processes = new QuotaProcesses(await testRedisUrl());
const { redis } = processes;
afterAll(() => processes.close());

describe('quotas in Redis', () => {
  beforeEach(async () => {
    await redis.flushdb();
    await processes.openMarker();
  });

  it('lends a balance once, to several processes together', async () => {
    const [first, second] = [await processes.open(), await processes.open()];
    const key = keyWith();
    await processes.fund(key, 100n);
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 ? first : second).hold(ask(key, 10n))),
    );
    expect(outcomes.filter((outcome) => !isFault(outcome))).toHaveLength(10);
    expect(outcomes.filter(isFault).every((refusal) => refusal.kind === 'insufficient_balance')).toBe(true);
  });

  it('gives back what a request did not cost and keeps what it did', async () => {
    const quotas = await processes.open();
    const key = keyWith();
    await processes.fund(key, 100n);
    quotas.settle(await held(quotas, ask(key, 90n)), 30n, 10);
    await expect
      .poll(() => quotas.readWallet(key.config.accountId))
      .toEqual({ spendableNano: 70n, uncollectedNano: 30n });
    await held(quotas, ask(key, 70n));
    expect(await quotas.hold(ask(key, 1n))).toMatchObject({ kind: 'insufficient_balance' });
  });

  it('frees a spent amount from the wallet once the ledger has settled it', async () => {
    const spool = mintTestId();
    const quotas = await processes.open({ spoolId: spool });
    const key = keyWith();
    await processes.fund(key, 100n);
    quotas.settle(await held(quotas, ask(key, 50n)), 40n, 10);
    await processes.fund(key, 60n, 2);
    await redis.hset(redisKeys.wallet(key.config.accountId), `s:${spool}`, 40);
    await expect
      .poll(() => quotas.readWallet(key.config.accountId))
      .toEqual({ spendableNano: 60n, uncollectedNano: 0n });
  });

  it('tells an account that never had credit from one that has none left', async () => {
    const quotas = await processes.open();
    const never = keyWith();
    expect(await quotas.hold(ask(never, 1n))).toMatchObject({ kind: 'no_wallet' });
    expect(await quotas.readWallet(never.config.accountId)).toBeUndefined();
    const empty = keyWith();
    await processes.fund(empty, 0n);
    expect(await quotas.hold(ask(empty, 0n))).toMatchObject({ kind: 'insufficient_balance' });
  });

  it('admits exactly the requests per minute, over several processes, and says when the next fits', async () => {
    const [first, second] = [await processes.open(), await processes.open()];
    const key = keyWith({ rpmLimit: 6 });
    await processes.fund(key, 1_000_000n);
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, (_, index) => (index % 2 ? first : second).hold(ask(key, 1n))),
    );
    expect(outcomes.filter((outcome) => !isFault(outcome))).toHaveLength(6);
    const refusal = outcomes.find(isFault);
    expect(refusal).toMatchObject({
      kind: 'rate_limit_exceeded',
      message: 'Rate limit exceeded: max 6 requests per minute.',
    });
    expect(refusal?.retryAfterMs).toBeGreaterThan(58_000);
    expect(refusal?.retryAfterMs).toBeLessThanOrEqual(61_000);
  });

  it('counts reserved tokens, returns the surplus, and lets an oversize request run alone', async () => {
    const quotas = await processes.open();
    const key = keyWith({ tpmLimit: 100 });
    await processes.fund(key, 1_000_000n);
    const oversize = await held(quotas, ask(key, 1n, 5_000));
    expect(oversize.standing.remainingTokens).toBe(0);
    expect(await quotas.hold(ask(key, 1n, 1))).toMatchObject({
      message: 'Rate limit exceeded: max 100 tokens per minute.',
    });
    quotas.settle(oversize, 0n, 40);
    await expect.poll(async () => isFault(await quotas.hold(ask(key, 1n, 60)))).toBe(false);
    expect(await quotas.hold(ask(key, 1n, 1))).toMatchObject({ kind: 'rate_limit_exceeded' });
  });

  it('tells a Redis that lost its last moments what was granted, before lending more', async () => {
    const quotas = await processes.open();
    const key = keyWith();
    await processes.fund(key, 100n);
    await held(quotas, ask(key, 80n));
    await redis.del(redisKeys.wallet(key.config.accountId));
    await processes.fund(key, 100n);
    expect(await quotas.hold(ask(key, 50n))).toMatchObject({ kind: 'insufficient_balance' });
  });

  it('declares its counters again when Redis was wiped under it', async () => {
    const quotas = await processes.open();
    const key = keyWith();
    await processes.fund(key, 100n);
    await held(quotas, ask(key, 80n));
    await redis.flushdb();
    await quotas.hold(ask(key, 1n));
    await processes.fund(key, 100n);
    await expect.poll(() => redis.hvals(redisKeys.wallet(key.config.accountId))).toContain('80');
    await processes.openMarker();
    await expect.poll(() => quotas.reachable).toBe(true);
    expect(await quotas.hold(ask(key, 50n))).toMatchObject({ kind: 'insufficient_balance' });
  });

  it('serves an account with a known balance from a small allowance while quotas are shut, and nobody else', async () => {
    const quotas = await processes.open();
    const [known, stranger] = [keyWith(), keyWith()];
    await processes.fund(known, 10_000_000_000n);
    await processes.fund(stranger, 10_000_000_000n);
    quotas.settle(await held(quotas, ask(known, 1n)), 1n, 1);
    await redis.set(redisKeys.quotaOpen, 'another run');
    await held(quotas, ask(known, 60_000_000n));
    expect(await quotas.hold(ask(known, 60_000_000n))).toMatchObject({
      kind: 'model_unavailable',
      retryAfterMs: 1_000,
    });
    expect(await quotas.hold(ask(stranger, 1n))).toMatchObject({ kind: 'model_unavailable' });
    await processes.openMarker();
    await expect.poll(() => quotas.reachable).toBe(true);
    await held(quotas, ask(stranger, 1n));
  });
});
