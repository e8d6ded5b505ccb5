import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import postgres from 'postgres';
import { systemClock } from '#shared/clock.ts';
import { type RunningProduct, within } from '#test/acceptance/running-product.ts';
import type { SeededRandom } from './seeded-random.ts';

export const COMPONENTS = ['data-plane', 'control-plane', 'workers', 'redis', 'postgres'] as const;
export type Component = (typeof COMPONENTS)[number];

const RECOVERY_TIMEOUT_MS = 60_000;
const PAUSE_FROM_MS = 300;
const PAUSE_TO_MS = 1_800;

/** A kill that counts: a living process was ended by our signal, and its successor serves. */
export interface Kill {
  readonly component: Component;
  readonly processName: string;
  readonly pid: number;
  /** Since the beginning of the killing, ms. */
  readonly atMs: number;
  /** From the signal until the successor served, ms. */
  readonly recoveredAfterMs: number;
}

/**
 * Kills each component so many times, in random order at random moments, also while another one is still recovering; only
 * a component that is itself still down is waited for. Rejects when one does not come back.
 */
export async function killAtRandom(
  product: RunningProduct,
  killsPerComponent: number,
  random: SeededRandom,
  onKill: (kill: Kill) => void,
): Promise<Kill[]> {
  const plan = random.shuffle(
    COMPONENTS.flatMap((component) => Array<Component>(killsPerComponent).fill(component)),
  );
  const recovering = new Map<Component, Promise<void>>();
  const startedAtMs = systemClock.monotonicMs();
  const kills: Kill[] = [];
  for (const component of plan) {
    await delay(random.between(PAUSE_FROM_MS, PAUSE_TO_MS));
    await recovering.get(component);
    const atMs = systemClock.monotonicMs() - startedAtMs;
    const recovered = killOne(product, component, random).then((done) => {
      const kill = { ...done, atMs };
      kills.push(kill);
      onKill(kill);
    });
    // Awaited below; without this a failure in the meantime would count as unhandled.
    recovered.catch(() => undefined);
    recovering.set(component, recovered);
  }
  await Promise.all(recovering.values());
  return kills;
}

async function killOne(
  product: RunningProduct,
  component: Component,
  random: SeededRandom,
): Promise<Omit<Kill, 'atMs'>> {
  const victims = Object.entries(product.processes()).filter(([name]) => componentOf(name) === component);
  const victim = victims[random.between(0, victims.length)];
  if (!victim) throw new Error(`No process of ${component} is running`);
  const [processName, pid] = victim;
  const killedAtMs = systemClock.monotonicMs();
  process.kill(pid, 'SIGKILL');
  const isBack = await within(
    RECOVERY_TIMEOUT_MS,
    async () => isSuccessorRunning(product, processName, pid) && (await serves(product, component)),
  );
  if (!isBack) throw new Error(`${processName} did not come back within ${RECOVERY_TIMEOUT_MS} ms`);
  return { component, processName, pid, recoveredAfterMs: systemClock.monotonicMs() - killedAtMs };
}

function componentOf(processName: string): Component | undefined {
  if (processName.startsWith('data-plane')) return 'data-plane';
  return COMPONENTS.find((component) => component === processName);
}

function isSuccessorRunning(product: RunningProduct, processName: string, killedPid: number): boolean {
  const pid = product.processes()?.[processName];
  return pid !== undefined && pid !== killedPid && isAlive(pid) && !isAlive(killedPid);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function serves(product: RunningProduct, component: Component): Promise<boolean> {
  switch (component) {
    case 'data-plane':
      return answers(`${product.access.dataPlaneUrl}/healthz`);
    case 'control-plane':
      return answers(product.access.graphqlUrl);
    case 'redis':
      return redisServes(product.redisUrl);
    case 'postgres':
      return postgresServes(product.databaseUrl);
    case 'workers':
      return true;
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    await (await fetch(url, { signal: AbortSignal.timeout(2_000) })).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

async function redisServes(url: string): Promise<boolean> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return (await redis.ping()) === 'PONG';
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
}

async function postgresServes(url: string): Promise<boolean> {
  const sql = postgres(url, { max: 1, connect_timeout: 2 });
  try {
    await sql`select 1`;
    return true;
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
}
