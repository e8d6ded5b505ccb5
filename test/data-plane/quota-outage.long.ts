import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RedisQuotas } from '#data-plane/admission/redis-quotas.ts';
import type { CompiledKey } from '#data-plane/snapshot/compiled-snapshot.ts';
import { systemClock } from '#shared/clock.ts';
import { isFault } from '#shared/fault.ts';
import { type OwnRedis, startOwnRedis } from './support/own-redis.ts';
import { ask, keyWith, QuotaProcesses } from './support/quota-processes.ts';

const FROZEN_MS = 60_000;
const REQUESTS_PER_SECOND = 200;
const HOLD_NANO = 1_000_000n;
const COST_NANO = 50_000n;

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

interface Drive {
  readonly refused: number;
  readonly served: number;
  /** What the hold took, ms, sorted. */
  readonly waitedMs: readonly number[];
}

async function drive(quotas: RedisQuotas, key: CompiledKey, forMs: number): Promise<Drive> {
  const waitedMs: number[] = [];
  let refused = 0;
  const one = async (): Promise<void> => {
    const startedMs = systemClock.monotonicMs();
    const outcome = await quotas.hold(ask(key, HOLD_NANO));
    waitedMs.push(systemClock.monotonicMs() - startedMs);
    if (isFault(outcome)) refused += 1;
    else quotas.settle(outcome, COST_NANO, 10);
  };
  const startedMs = systemClock.monotonicMs();
  const running: Promise<void>[] = [];
  while (systemClock.monotonicMs() - startedMs < forMs) {
    const due = ((systemClock.monotonicMs() - startedMs) * REQUESTS_PER_SECOND) / 1_000;
    while (running.length < due) running.push(one());
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await Promise.all(running);
  waitedMs.sort((left, right) => left - right);
  return { refused, served: waitedMs.length - refused, waitedMs };
}

it('a minute without Redis refuses nothing that slices and allowance cover, and adds less than 5 ms', async () => {
  await processes.openMarker();
  const quotas = await processes.open({ holdTimeoutMs: 5 });
  const key = keyWith({ rpmLimit: 1_000_000, tpmLimit: 1_000_000_000 });
  await processes.fund(key, 1_000_000_000_000n);
  const before = await drive(quotas, key, 10_000);
  process.kill(server.pid, 'SIGSTOP');
  const frozen = await drive(quotas, key, FROZEN_MS);
  process.kill(server.pid, 'SIGCONT');
  const p99Ms = frozen.waitedMs[Math.floor(frozen.waitedMs.length * 0.99)] ?? 0;
  process.stdout.write(
    `frozen for 60 s: ${frozen.served} served, ${frozen.refused} refused, p99 of the hold ${p99Ms.toFixed(2)} ms\n`,
  );
  expect(frozen.refused).toBe(0);
  expect(p99Ms).toBeLessThan(5);
  await expect.poll(() => quotas.reachable, { timeout: 10_000 }).toBe(true);
  await expect
    .poll(
      async () => {
        const figures = await quotas.readWallet(key.config.accountId);
        return isFault(figures) ? undefined : figures?.uncollectedNano;
      },
      { timeout: 15_000 },
    )
    .toBe(BigInt(before.served + frozen.served) * COST_NANO);
});
