import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import postgres from 'postgres';
import { systemClock } from '#shared/clock.ts';
import { type RunningProduct, within } from '#test/acceptance/running-product.ts';
import type { SeededRandom } from './seeded-random.ts';

export const COMPONENTS = ['data-plane', 'control-plane', 'workers', 'redis', 'postgres'] as const;
export type Component = (typeof COMPONENTS)[number];

const RECOVERY_TIMEOUT_MS = 60_000;
const WATCH_MS = 50;
const SHORTEST_PAUSE_MS = 300;

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

export interface KillPlan {
  readonly killsPerComponent: number;
  /** Between two kills, at most. */
  readonly longestPauseMs: number;
}

/**
 * Kills each component so many times, in random order at random moments, also while another one is still recovering; only
 * a component that is itself still down is waited for. Rejects when one does not come back.
 */
export async function killAtRandom(
  product: RunningProduct,
  { killsPerComponent, longestPauseMs }: KillPlan,
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
    await delay(random.between(SHORTEST_PAUSE_MS, longestPauseMs));
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
  const { processName, pid } = await chooseVictim(product, component, random);
  const killedAtMs = systemClock.monotonicMs();
  process.kill(pid, 'SIGKILL');
  const isBack = await within(
    RECOVERY_TIMEOUT_MS,
    async () => isSuccessorRunning(product, processName, pid) && (await serves(product, component)),
  );
  if (!isBack) throw new Error(`${processName} did not come back within ${RECOVERY_TIMEOUT_MS} ms`);
  return { component, processName, pid, recoveredAfterMs: systemClock.monotonicMs() - killedAtMs };
}

/** A running process of the component; waits for one, because it may just be restarting for reasons of its own. */
async function chooseVictim(
  product: RunningProduct,
  component: Component,
  random: SeededRandom,
): Promise<{ processName: string; pid: number }> {
  let victims: [string, number][] = [];
  await within(RECOVERY_TIMEOUT_MS, () => {
    victims = Object.entries(product.processes() ?? {}).filter(
      ([name, pid]) => componentOf(name) === component && isAlive(pid),
    );
    return victims.length > 0;
  });
  const victim = victims[random.between(0, victims.length)];
  if (!victim) throw new Error(`No process of ${component} runs for ${RECOVERY_TIMEOUT_MS} ms`);
  return { processName: victim[0], pid: victim[1] };
}

/** Notes the processes that end although nobody killed them. */
export function watchForCrashes(product: RunningProduct): {
  stop(): readonly number[];
  readonly seen: ReadonlyMap<number, string>;
} {
  const seen = new Map<number, string>();
  const timer = setInterval(() => {
    for (const [name, pid] of Object.entries(product.processes() ?? {})) seen.set(pid, name);
  }, WATCH_MS);
  return {
    seen,
    stop: () => {
      clearInterval(timer);
      return [...seen.keys()].filter((pid) => !isAlive(pid));
    },
  };
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
