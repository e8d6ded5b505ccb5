import { readdirSync, readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import postgres from 'postgres';
import type { RunningProduct } from '#test/acceptance/running-product.ts';

export const COMPONENTS = ['data-plane', 'control-plane', 'workers', 'redis', 'postgres'] as const;
export type Component = (typeof COMPONENTS)[number];

const WATCH_MS = 50;
const PROBE_TIMEOUT_MS = 2_000;
const STAT_PARENT_FIELD = 1;

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

/**
 * The process with all that it has started: of Postgres, freezing the first process alone would leave the sessions running.
 */
export function withDescendants(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const child = Number(name);
    if (!Number.isInteger(child)) continue;
    const parent = parentOf(child);
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), child]);
  }
  const found = [pid];
  for (let index = 0; index < found.length; index += 1)
    found.push(...(children.get(found[index] ?? 0) ?? []));
  return found;
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[STAT_PARENT_FIELD]);
  } catch {
    return undefined;
  }
}

export function componentOf(processName: string): Component | undefined {
  if (processName.startsWith('data-plane')) return 'data-plane';
  return COMPONENTS.find((component) => component === processName);
}

/** True when the process of that name is another one than `killedPid`, and that one is gone. */
export function isSuccessorRunning(product: RunningProduct, processName: string, killedPid: number): boolean {
  const pid = product.processes()?.[processName];
  return pid !== undefined && pid !== killedPid && isAlive(pid) && !isAlive(killedPid);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** True when the component answers as a whole; workers have no door, and are taken at their word. */
export async function serves(product: RunningProduct, component: Component): Promise<boolean> {
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
    await (await fetch(url, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) })).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

async function redisServes(url: string): Promise<boolean> {
  const redis = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    commandTimeout: PROBE_TIMEOUT_MS,
  });
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
  const sql = postgres(url, { max: 1, connect_timeout: 2, fetch_types: false });
  try {
    await sql`select 1`;
    return true;
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
}
