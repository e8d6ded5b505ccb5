import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { Hold } from '#data-plane/admission/quotas.ts';
import type { RedisQuotas } from '#data-plane/admission/redis-quotas.ts';
import type { CompiledKey } from '#data-plane/snapshot/compiled-snapshot.ts';
import { isFault } from '#shared/fault.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { decodeGrantLine } from '#shared/usage-record.ts';
import { seededRandom } from '#test/reliability/seeded-random.ts';
import { mintTestId } from '#test/setup/billing-fixtures.ts';
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

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const busyKey = (): CompiledKey => keyWith({ rpmLimit: 1_000_000, tpmLimit: 1_000_000_000 });

/** Sends requests at a steady pace, each costing 1 of the 10 it holds, until most come out of slices. */
async function makeBusy(quotas: RedisQuotas, key: CompiledKey): Promise<void> {
  const { sliced } = quotas.counts;
  for (let round = 0; round < 400 && quotas.counts.sliced - sliced < 50; round += 1) {
    for (let sent = 0; sent < 3; sent += 1) {
      const outcome = await quotas.hold(ask(key, 10n));
      if (!isFault(outcome)) quotas.settle(outcome, 1n, 10);
    }
    await pause(10);
  }
  expect(quotas.counts.sliced - sliced).toBeGreaterThanOrEqual(50);
}

describe('a busy key', () => {
  it('is admitted without asking Redis, and costs what it costs', async () => {
    const spoolId = mintTestId();
    const quotas = await processes.open({ spoolId });
    const key = busyKey();
    await processes.fund(key, 1_000_000_000n);
    await makeBusy(quotas, key);
    const outcome = quotas.hold(ask(key, 10n));
    expect(outcome).not.toBeInstanceOf(Promise);
    if (!(outcome instanceof Promise) && !isFault(outcome)) quotas.settle(outcome, 1n, 10);
    const { sliced, asked } = quotas.counts;
    const cost = BigInt(sliced + asked);
    await expect
      .poll(() => quotas.readWallet(key.config.accountId), { timeout: 5_000 })
      .toEqual({ spendableNano: 1_000_000_000n - cost, uncollectedNano: cost });
    // The rest of the slice comes back once the key rests.
    await expect
      .poll(
        async () => {
          const { [`g:${spoolId}`]: granted = 0, [`r:${spoolId}`]: returned = 0 } = await processes.wallet(
            key.config.accountId,
          );
          return BigInt(granted) - BigInt(returned);
        },
        { timeout: 15_000 },
      )
      .toBe(cost);
  });

  it('uses lent money only once its spool knows of it', async () => {
    const lines: string[] = [];
    const written: (() => void)[] = [];
    const quotas = await processes.open({
      noteGrant: (line, onWritten) => {
        lines.push(line);
        written.push(onWritten);
      },
    });
    const key = busyKey();
    await processes.fund(key, 1_000_000_000n);
    for (let round = 0; round < 60 && lines.length === 0; round += 1) {
      await held(quotas, ask(key, 10n));
      await held(quotas, ask(key, 10n));
      await pause(10);
    }
    expect(quotas.counts.sliced).toBe(0);
    const [grant] = decodeGrantLine(lines[0] ?? '') ?? [];
    expect(grant?.wallet).toBe(key.config.accountId);
    expect(BigInt(grant?.grantedNano ?? 0)).toBeGreaterThan(BigInt(quotas.counts.asked) * 10n);
    for (const done of written) done();
    await expect
      .poll(async () => (await quotas.hold(ask(key, 10n))) && quotas.counts.sliced)
      .toBeGreaterThan(0);
  });

  it('gives its slices back for a neighbour that would be refused', async () => {
    const [first, second] = [await processes.open(), await processes.open()];
    const key = busyKey();
    const other = keyWith({ accountId: key.config.accountId });
    await processes.fund(key, 20_000n);
    await makeBusy(first, key);
    const spent = BigInt(first.counts.sliced + first.counts.asked);
    const wallet = await processes.wallet(key.config.accountId);
    expect(Object.keys(wallet).some((field) => field.startsWith('i:'))).toBe(true);
    await held(second, ask(other, 20_000n - spent));
    expect(await second.hold(ask(other, 1n))).toMatchObject({ kind: 'insufficient_balance' });
  });

  it('gives its slices back when the balance falls below what is lent', async () => {
    const quotas = await processes.open();
    const key = busyKey();
    await processes.fund(key, 20_000n);
    await makeBusy(quotas, key);
    await processes.fund(key, 1n, 2);
    await redis.publish(redisKeys.quotaRecall, key.config.accountId);
    await expect.poll(() => quotas.hold(ask(key, 10n))).toMatchObject({ kind: 'insufficient_balance' });
    const idle = Object.keys(await processes.wallet(key.config.accountId)).filter((field) =>
      field.startsWith('i:'),
    );
    expect(idle).toEqual([]);
  });

  it('asks for each request again when its account has little left', async () => {
    const quotas = await processes.open();
    const key = busyKey();
    await processes.fund(key, 100n);
    for (let sent = 0; sent < 60; sent += 1) {
      const outcome = await quotas.hold(ask(key, 10n));
      if (!isFault(outcome)) quotas.settle(outcome, 0n, 10);
      await pause(10);
    }
    expect(quotas.counts).toMatchObject({ asked: 60, sliced: 0, refused: 0 });
  });
});

describe.each([1, 2, 4])('on %i processes', (count) => {
  it('a balance is never overdrawn and used to its end', async () => {
    const random = seededRandom(count);
    const quotas = await Promise.all(Array.from({ length: count }, () => processes.open()));
    const key = busyKey();
    const balance = 60_000n;
    await processes.fund(key, balance);
    const holdNano = 50n;
    let spent = 0n;
    let open = 0n;
    let refusedInARow = 0;
    const client = async (own: RedisQuotas): Promise<void> => {
      while (refusedInARow < 200) {
        const outcome = await own.hold(ask(key, holdNano));
        if (isFault(outcome)) {
          expect(outcome.kind).toBe('insufficient_balance');
          refusedInARow += 1;
          continue;
        }
        refusedInARow = 0;
        open += holdNano;
        if (spent + open > balance) throw new Error(`Overdrawn: ${spent} spent and ${open} held`);
        await pause(random.between(0, 4));
        const cost = BigInt(random.between(0, 51));
        open -= holdNano;
        spent += cost;
        own.settle(outcome, cost, 10);
      }
    };
    const clients = quotas.flatMap((own) => Array.from({ length: 8 }, () => client(own)));
    await Promise.all(clients);
    expect(open).toBe(0n);
    expect(spent).toBeLessThanOrEqual(balance);
    expect(balance - spent).toBeLessThan(holdNano);
    const slicedHolds = quotas.reduce((sum, own) => sum + own.counts.sliced, 0);
    expect(slicedHolds).toBeGreaterThan(0);
  });

  it('a busy key is admitted up to its limit per minute and no further', async () => {
    const quotas = await Promise.all(Array.from({ length: count }, () => processes.open()));
    const key = keyWith({ rpmLimit: 1_200, tpmLimit: 1_000_000_000 });
    await processes.fund(key, 1_000_000_000_000n);
    let admitted = 0;
    let refusals = 0;
    const client = async (own: RedisQuotas): Promise<void> => {
      while (refusals < 60 * count) {
        const outcome = await own.hold(ask(key, 10n));
        if (isFault(outcome)) {
          expect(outcome.message).toBe('Rate limit exceeded: max 1200 requests per minute.');
          refusals += 1;
          await pause(60);
          continue;
        }
        admitted += 1;
        own.settle(outcome, 1n, 10);
        await pause(2);
      }
    };
    await Promise.all(quotas.flatMap((own) => Array.from({ length: 3 }, () => client(own))));
    expect(admitted).toBeLessThanOrEqual(1_200);
    expect(admitted).toBeGreaterThanOrEqual(1_190);
  });
});

describe('an answer of Redis that comes too late', () => {
  it('leaves nothing taken, whether or not Redis had granted it', async () => {
    const spoolId = mintTestId();
    const quotas = await processes.open({ spoolId, holdTimeoutMs: 50 });
    const key = keyWith();
    await processes.fund(key, 1_000n);
    const known: Hold[] = [await held(quotas, ask(key, 10n))];
    await redis.client('PAUSE', 120, 'ALL');
    const outcomes = await Promise.all([1, 2, 3].map(() => quotas.hold(ask(key, 100n))));
    for (const outcome of outcomes) if (!isFault(outcome)) known.push(outcome);
    expect(known).toHaveLength(4);
    for (const hold of known) quotas.settle(hold, 5n, 10);
    const outstanding = async (): Promise<bigint> => {
      const wallet = await processes.wallet(key.config.accountId);
      return BigInt(wallet[`g:${spoolId}`] ?? 0) - BigInt(wallet[`r:${spoolId}`] ?? 0);
    };
    await expect.poll(outstanding, { timeout: 10_000 }).toBe(20n);
  });
});
