import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ChildGroup, createChildGroup } from '#control-plane/supervisor/child-group.ts';
import { prepareEmbeddedPostgres } from '#control-plane/supervisor/embedded-postgres.ts';
import type { Progress } from '#control-plane/supervisor/progress.ts';
import { findRedisProgram, installRedis } from '#control-plane/supervisor/redis-program.ts';
import { prepareRedis } from '#control-plane/supervisor/redis-server.ts';
import { isInUse, lockStateFolder } from '#control-plane/supervisor/state-folder.ts';
import { systemClock } from '#shared/clock.ts';

export interface ThrowAwayStores {
  readonly postgresUrl: string;
  /** Without a database number; append `/n`, n below {@link REDIS_DATABASES}. */
  readonly redisUrl: string;
  readonly children: ChildGroup;
  /** Ends both servers and deletes everything they wrote. */
  discard(): Promise<void>;
}

export const REDIS_DATABASES = 64;
const REPOSITORY_ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const FOLDER_PREFIX = 'crossmodel-test-';
/** Younger folders may belong to a run that has not yet said so. */
const ABANDONED_AFTER_MS = 60_000;
const SILENT: Progress = { note: () => undefined, step: () => () => undefined };

/**
 * A Postgres and a Redis of our own, in a new folder: as fast as they can be when nothing has to last, or `durable` as the
 * product runs them.
 */
export async function startThrowAwayStores(
  environment: Readonly<NodeJS.ProcessEnv>,
  durable = false,
): Promise<ThrowAwayStores> {
  removeAbandonedFolders();
  const folder = await mkdtemp(path.join(tmpdir(), FOLDER_PREFIX));
  lockStateFolder(folder);
  // As root, Postgres runs as another user, who must be able to pass through.
  await chmod(folder, process.getuid?.() === 0 ? 0o711 : 0o700);
  const children = createChildGroup(folder, SILENT);
  // An interrupted run ends without its teardown.
  const discardAtOnce = (): void => {
    killAll(folder);
    rmSync(folder, { recursive: true, force: true });
  };
  process.on('exit', discardAtOnce);
  const discard = async (): Promise<void> => {
    process.off('exit', discardAtOnce);
    await children.stopAll();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const [postgres, redis] = await Promise.all([
      prepareEmbeddedPostgres({
        repositoryRoot: REPOSITORY_ROOT,
        folder,
        logFile: path.join(folder, 'postgres.log'),
        durable,
      }),
      prepareRedis({
        program: findRedisProgram(environment) ?? (await installRedis(environment)),
        folder,
        logFile: path.join(folder, 'redis.log'),
        durable,
        databases: REDIS_DATABASES,
      }),
    ]);
    await Promise.all([children.start(postgres.child, 'postgres'), children.start(redis.child, 'redis')]);
    return { postgresUrl: postgres.url, redisUrl: redis.url, children, discard };
  } catch (error) {
    await discard();
    throw error;
  }
}

function killAll(folder: string): void {
  try {
    const table: Record<string, number> = JSON.parse(
      readFileSync(path.join(folder, 'processes.json'), 'utf8'),
    );
    for (const pid of Object.values(table)) process.kill(pid, 'SIGKILL');
  } catch {
    // Nothing had been started, or it has ended already.
  }
}

/** Runs that were killed leave their folders; their servers have ended with them. */
function removeAbandonedFolders(): void {
  for (const name of readdirSync(tmpdir())) {
    const folder = path.join(tmpdir(), name);
    if (!name.startsWith(FOLDER_PREFIX) || isInUse(folder)) continue;
    const facts = statSync(folder, { throwIfNoEntry: false });
    const isOurs = facts !== undefined && facts.uid === process.getuid?.();
    if (isOurs && systemClock.nowMs() - facts.mtimeMs > ABANDONED_AFTER_MS)
      rmSync(folder, { recursive: true, force: true });
  }
}
