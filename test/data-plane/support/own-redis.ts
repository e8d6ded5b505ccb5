import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createChildGroup } from '#control-plane/supervisor/child-group.ts';
import { findRedisProgram, installRedis } from '#control-plane/supervisor/redis-program.ts';
import { prepareRedis } from '#control-plane/supervisor/redis-server.ts';
import { readTestSettings } from '#test/setup/settings.ts';

export interface OwnRedis {
  readonly url: string;
  /** Process id, for stopping and continuing it. */
  readonly pid: number;
  discard(): Promise<void>;
}

/** A Redis that only one test file uses, so that it may be frozen without harm to others. */
export async function startOwnRedis(): Promise<OwnRedis> {
  const { environment } = readTestSettings();
  const folder = await mkdtemp(path.join(tmpdir(), 'crossmodel-redis-'));
  const children = createChildGroup(folder, { note: () => undefined, step: () => () => undefined });
  const { child, url } = await prepareRedis({
    program: findRedisProgram(environment) ?? (await installRedis(environment)),
    folder,
    logFile: path.join(folder, 'redis.log'),
    durable: false,
    databases: 1,
  });
  await children.start(child, 'redis');
  const { redis: pid = 0 } = JSON.parse(readFileSync(path.join(folder, 'processes.json'), 'utf8')) as {
    redis?: number;
  };
  const discard = async (): Promise<void> => {
    process.kill(pid, 'SIGCONT');
    await children.stopAll();
    await rm(folder, { recursive: true, force: true });
  };
  return { url, pid, discard };
}
