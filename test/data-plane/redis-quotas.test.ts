import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { Hold, HoldRequest } from '#data-plane/admission/quotas.ts';
import { openRedisQuotas, type RedisQuotas } from '#data-plane/admission/redis-quotas.ts';
import type { CompiledKey } from '#data-plane/snapshot/compiled-snapshot.ts';
import { systemClock } from '#shared/clock.ts';
import { isFault } from '#shared/fault.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { mintTestId } from '#test/setup/billing-fixtures.ts';
import { testRedisUrl } from '#test/setup/test-backends.ts';

const redisUrl = await testRedisUrl();
const redis = new Redis(redisUrl);
const opened: RedisQuotas[] = [];
const logger = pino({ level: 'silent' });

afterAll(async () => {
  await Promise.all(opened.map((quotas) => quotas.close()));
  redis.disconnect();
});

async function openMarker(): Promise<void> {
  const runId = /^run_id:([0-9a-f]+)/m.exec(await redis.info('server'))?.[1] ?? '';
  await redis.set(redisKeys.quotaOpen, runId);
}

async function openQuotas(spoolId = mintTestId()): Promise<RedisQuotas> {
  const quotas = openRedisQuotas({
    redisUrl,
    spoolId,
    noteGrant: (_, onWritten) => setImmediate(onWritten),
    clock: systemClock,
    logger,
    outageAllowanceNano: 100_000_000n,
    holdTimeoutMs: 2_000,
  });
  opened.push(quotas);
  await expect.poll(() => quotas.reachable).toBe(true);
  return quotas;
}

function keyWith(limits: { rpm?: number; tpm?: number } = {}, accountId = mintTestId()): CompiledKey {
  return {
    config: {
      id: mintTestId(),
      digest: 'd',
      accountId,
      status: 'active',
      expiresAtMs: null,
      rpmLimit: limits.rpm ?? 1_000,
      tpmLimit: limits.tpm ?? 1_000_000,
      aliases: [],
    },
    exactAliases: new Map(),
    prefixAliases: [],
  };
}

async function fund(key: CompiledKey, nano: bigint, sequence = 1): Promise<void> {
  await redis.hset(redisKeys.wallet(key.config.accountId), { balance: nano.toString(), sequence });
}

const ask = (key: CompiledKey, worstCaseNano: bigint, reservedTokens = 10): HoldRequest => ({
  key,
  worstCaseNano,
  reservedTokens,
});

async function held(quotas: RedisQuotas, request: HoldRequest): Promise<Hold> {
  const outcome = await quotas.hold(request);
  if (isFault(outcome)) throw new Error(`refused: ${outcome.kind}`);
  return outcome;
}

describe('quotas in Redis', () => {
  beforeEach(async () => {
    await redis.flushdb();
    await openMarker();
  });

  it('lends a balance once, to several processes together', async () => {
    const [first, second] = [await openQuotas(), await openQuotas()];
    const key = keyWith();
    await fund(key, 100n);
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 ? first : second).hold(ask(key, 10n))),
    );
    expect(outcomes.filter((outcome) => !isFault(outcome))).toHaveLength(10);
    expect(outcomes.filter(isFault).every((refusal) => refusal.kind === 'insufficient_balance')).toBe(true);
  });

  it('gives back what a request did not cost and keeps what it did', async () => {
    const quotas = await openQuotas();
    const key = keyWith();
    await fund(key, 100n);
    quotas.settle(await held(quotas, ask(key, 90n)), 30n, 10);
    await expect
      .poll(() => quotas.readWallet(key.config.accountId))
      .toEqual({ spendableNano: 70n, uncollectedNano: 30n });
    await held(quotas, ask(key, 70n));
    expect(await quotas.hold(ask(key, 1n))).toMatchObject({ kind: 'insufficient_balance' });
  });

  it('frees a spent amount from the wallet once the ledger has settled it', async () => {
    const spool = mintTestId();
    const quotas = await openQuotas(spool);
    const key = keyWith();
    await fund(key, 100n);
    quotas.settle(await held(quotas, ask(key, 50n)), 40n, 10);
    await fund(key, 60n, 2);
    await redis.hset(redisKeys.wallet(key.config.accountId), `s:${spool}`, 40);
    await expect
      .poll(() => quotas.readWallet(key.config.accountId))
      .toEqual({ spendableNano: 60n, uncollectedNano: 0n });
  });

  it('tells an account that never had credit from one that has none left', async () => {
    const quotas = await openQuotas();
    const never = keyWith();
    expect(await quotas.hold(ask(never, 1n))).toMatchObject({ kind: 'no_wallet' });
    expect(await quotas.readWallet(never.config.accountId)).toBeUndefined();
    const empty = keyWith();
    await fund(empty, 0n);
    expect(await quotas.hold(ask(empty, 0n))).toMatchObject({ kind: 'insufficient_balance' });
  });

  it('admits exactly the requests per minute, over several processes, and says when the next fits', async () => {
    const [first, second] = [await openQuotas(), await openQuotas()];
    const key = keyWith({ rpm: 6 });
    await fund(key, 1_000_000n);
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
    const quotas = await openQuotas();
    const key = keyWith({ tpm: 100 });
    await fund(key, 1_000_000n);
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
    const quotas = await openQuotas();
    const key = keyWith();
    await fund(key, 100n);
    await held(quotas, ask(key, 80n));
    await redis.del(redisKeys.wallet(key.config.accountId));
    await fund(key, 100n);
    expect(await quotas.hold(ask(key, 50n))).toMatchObject({ kind: 'insufficient_balance' });
  });

  it('declares its counters again when Redis was wiped under it', async () => {
    const quotas = await openQuotas();
    const key = keyWith();
    await fund(key, 100n);
    await held(quotas, ask(key, 80n));
    await redis.flushdb();
    await quotas.hold(ask(key, 1n));
    await fund(key, 100n);
    await expect.poll(() => redis.hvals(redisKeys.wallet(key.config.accountId))).toContain('80');
    await openMarker();
    await expect.poll(() => quotas.reachable).toBe(true);
    expect(await quotas.hold(ask(key, 50n))).toMatchObject({ kind: 'insufficient_balance' });
  });

  it('serves an account with a known balance from a small allowance while quotas are shut, and nobody else', async () => {
    const quotas = await openQuotas();
    const [known, stranger] = [keyWith(), keyWith()];
    await fund(known, 10_000_000_000n);
    await fund(stranger, 10_000_000_000n);
    quotas.settle(await held(quotas, ask(known, 1n)), 1n, 1);
    await redis.set(redisKeys.quotaOpen, 'another run');
    await held(quotas, ask(known, 60_000_000n));
    expect(await quotas.hold(ask(known, 60_000_000n))).toMatchObject({
      kind: 'model_unavailable',
      retryAfterMs: 1_000,
    });
    expect(await quotas.hold(ask(stranger, 1n))).toMatchObject({ kind: 'model_unavailable' });
    await openMarker();
    await expect.poll(() => quotas.reachable).toBe(true);
    await held(quotas, ask(stranger, 1n));
  });
});
