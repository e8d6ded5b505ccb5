import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import postgres from 'postgres';
import { errorCode } from './error-code.ts';
import { StartRefusal } from './start-refusal.ts';

const CONNECT_TIMEOUT_S = 5;
const RETRY_MS = 500;
const OLDEST_POSTGRES = 150_000;
const OLDEST_REDIS = 7;

/** Host and port only: the rest of a connection address is secret. */
function placeOf(url: string): string {
  return new URL(url).host;
}

/** Tries again until `patienceMs` is over, because a database beside us may still be starting. */
async function withPatience<Result>(patienceMs: number, attempt: () => Promise<Result>): Promise<Result> {
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof StartRefusal || performance.now() >= deadlineMs) throw error;
      await delay(RETRY_MS);
    }
  }
}

/** Throws StartRefusal when the server cannot be reached within `patienceMs` or is too old. */
export async function checkDatabase(url: string, patienceMs: number): Promise<void> {
  try {
    await withPatience(patienceMs, async () => {
      const sql = postgres(url, {
        max: 1,
        connect_timeout: CONNECT_TIMEOUT_S,
        onnotice: () => undefined,
        // Otherwise the driver ends this process when Postgres goes away right after the connection was made.
        fetch_types: false,
      });
      try {
        const [row] = await sql<{ server_version_num: string }[]>`show server_version_num`;
        if (Number(row?.server_version_num) < OLDEST_POSTGRES) {
          throw new StartRefusal(
            `DATABASE_URL (${placeOf(url)}) is Postgres ${row?.server_version_num}; CrossModel needs 15 or newer.`,
          );
        }
      } finally {
        await sql.end({ timeout: 1 });
      }
    });
  } catch (error) {
    if (error instanceof StartRefusal) throw error;
    throw new StartRefusal(
      `DATABASE_URL (${placeOf(url)}) cannot be used: ${errorCode(error)}. Check that the server runs, that this host may ` +
        'reach it, and the user, password and database name in the URL.',
    );
  }
}

/**
 * Throws StartRefusal when the server is too old or would evict our data. When it cannot be reached within `patienceMs`
 * the answer is false and the caller decides: a data plane can start without Redis, from its copy on disk.
 */
export async function checkRedis(url: string, patienceMs: number): Promise<boolean> {
  let information: string;
  try {
    information = await withPatience(patienceMs, () => redisInformation(url));
  } catch {
    return false;
  }
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(information)?.[1];
  const version = Number.parseInt(field('valkey_version') ?? field('redis_version') ?? '0', 10);
  if (version < OLDEST_REDIS) {
    throw new StartRefusal(
      `REDIS_URL (${placeOf(url)}) is Redis ${field('redis_version')}; CrossModel needs Redis 7 or Valkey.`,
    );
  }
  const policy = field('maxmemory_policy') ?? 'unknown';
  if (policy !== 'noeviction') {
    throw new StartRefusal(
      `REDIS_URL (${placeOf(url)}) has maxmemory-policy ${policy}; CrossModel needs noeviction, because an evicted key would ` +
        'be lost work. Set `maxmemory-policy noeviction` in its configuration.',
    );
  }
  return true;
}

async function redisInformation(url: string): Promise<string> {
  const client = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_TIMEOUT_S * 1_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return `${await client.info('server')}\n${await client.info('memory')}`;
  } finally {
    client.disconnect();
  }
}
