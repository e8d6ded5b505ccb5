import { mkdtempSync, rmSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChildGroup, createChildGroup } from '#control-plane/supervisor/child-group.ts';
import { prepareEmbeddedPostgres } from '#control-plane/supervisor/embedded-postgres.ts';
import { checkDatabase, checkRedis } from '#control-plane/supervisor/external-stores.ts';
import { findRedisProgram, installRedis } from '#control-plane/supervisor/redis-program.ts';
import { prepareRedis } from '#control-plane/supervisor/redis-server.ts';
import { REPOSITORY_ROOT } from '#test/rules/source-files.ts';
import { readTestSettings } from '#test/setup/settings.ts';
import { readProcesses } from './read-processes.ts';

const RECOVERY_LIMIT_MS = 5_000;
const home = mkdtempSync(path.join(tmpdir(), 'crossmodel-recovery-'));
const notes: string[] = [];
const children: ChildGroup = createChildGroup(home, {
  note: (line) => notes.push(line),
  step: () => () => undefined,
});
let postgresUrl = '';
let redisUrl = '';

beforeAll(async () => {
  await chmod(home, 0o711);
  const { environment } = readTestSettings();
  const server = await prepareEmbeddedPostgres({
    repositoryRoot: REPOSITORY_ROOT,
    folder: home,
    logFile: path.join(home, 'postgres.log'),
    durable: true,
  });
  const redis = await prepareRedis({
    program: findRedisProgram(environment) ?? (await installRedis(environment)),
    folder: home,
    logFile: path.join(home, 'redis.log'),
    durable: true,
    databases: 1,
  });
  await Promise.all([children.start(server.child, 'postgres'), children.start(redis.child, 'redis')]);
  postgresUrl = server.url;
  redisUrl = redis.url;
});

afterAll(async () => {
  await children.stopAll();
  rmSync(home, { recursive: true, force: true });
});

/** Kills it and waits until a new one serves, as the supervisor itself notes it. */
async function killAndAwaitRecovery(name: string): Promise<number> {
  const before = notes.length;
  process.kill(readProcesses(home)[name] ?? Number.NaN, 'SIGKILL');
  const startedMs = performance.now();
  while (!notes.slice(before).some((line) => line.startsWith(`${name} serves again`))) {
    if (performance.now() - startedMs > 2 * RECOVERY_LIMIT_MS) throw new Error(notes.join('\n'));
    await delay(10);
  }
  return performance.now() - startedMs;
}

describe('a store that is killed', () => {
  it('Postgres is back within five seconds, again and again, with every committed row', async () => {
    const first = postgres(postgresUrl, { max: 1 });
    await first`create table kept (round int)`;
    await first.end();
    for (let round = 0; round < 4; round += 1) {
      const sql = postgres(postgresUrl, { max: 4, onnotice: () => undefined });
      await sql`insert into kept values (${round})`;
      // A backend in the middle of a long statement outlives the postmaster for a moment and holds its shared memory.
      const busy = sql`select pg_sleep(30)`.catch(() => undefined);
      expect(await killAndAwaitRecovery('postgres')).toBeLessThan(RECOVERY_LIMIT_MS);
      await sql.end({ timeout: 0 });
      await busy;
    }
    const sql = postgres(postgresUrl, { max: 1 });
    expect((await sql`select round from kept order by round`).map(({ round }) => round)).toEqual([
      0, 1, 2, 3,
    ]);
    await sql.end();
  });

  it('Postgres killed within milliseconds of its last start comes back too', async () => {
    process.kill(readProcesses(home).postgres ?? Number.NaN, 'SIGKILL');
    const before = readProcesses(home).postgres;
    while ((readProcesses(home).postgres ?? before) === before) await delay(2);
    expect(await killAndAwaitRecovery('postgres')).toBeLessThan(RECOVERY_LIMIT_MS);
    const sql = postgres(postgresUrl, { max: 1 });
    expect(await sql`select count(*)::int as rows from kept`).toEqual([{ rows: 4 }]);
    await sql.end();
  });

  it('Redis is back within five seconds with what was written a second earlier', async () => {
    const client = new Redis(redisUrl, { retryStrategy: () => 20, maxRetriesPerRequest: null });
    client.on('error', () => undefined);
    for (let round = 0; round < 3; round += 1) {
      await client.rpush('kept', String(round));
      await delay(1_200);
      expect(await killAndAwaitRecovery('redis')).toBeLessThan(RECOVERY_LIMIT_MS);
    }
    expect(await client.lrange('kept', 0, -1)).toEqual(['0', '1', '2']);
    client.disconnect();
  });

  it('a Redis that would evict, and a server that cannot be reached, are refused with what to do', async () => {
    const client = new Redis(redisUrl);
    expect(await checkRedis(redisUrl, 0)).toBe(true);
    await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await expect(checkRedis(redisUrl, 0)).rejects.toThrow(
      'has maxmemory-policy allkeys-lru; CrossModel needs',
    );
    await client.config('SET', 'maxmemory-policy', 'noeviction');
    client.disconnect();
    expect(await checkRedis('redis://127.0.0.1:1/0', 0)).toBe(false);
    await checkDatabase(postgresUrl, 0);
    const wrong = postgresUrl.replace(/:[^:@]*@/, ':hush-hush@');
    const refusal = await checkDatabase(wrong, 0).then(
      () => '',
      (error: Error) => error.message,
    );
    expect(refusal).toMatch(/^DATABASE_URL \(127\.0\.0\.1:\d+\) cannot be used: 28P01\. /);
    expect(refusal).not.toContain('hush-hush');
  });

  it('Redis refuses whoever does not know the password, and never evicts', async () => {
    const stranger = new Redis(redisUrl.replace(/:[^:@]*@/, ':wrong@'), { retryStrategy: () => null });
    stranger.on('error', () => undefined);
    await expect(stranger.ping()).rejects.toThrow();
    stranger.disconnect();
    const client = new Redis(redisUrl);
    expect(await client.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
    client.disconnect();
  });
});
