import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { digestApiKey } from '#shared/api-key.ts';
import { systemClock } from '#shared/clock.ts';
import { createIdMinter } from '#shared/identifiers.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { openRedisLink, type RedisLink } from '#shared/redis-link.ts';
import {
  encodeSnapshotPart,
  SHARD_COUNT,
  SNAPSHOT_FORMAT,
  type SnapshotAccount,
  type SnapshotChange,
  type SnapshotKey,
  shardOf,
} from '#shared/snapshot.ts';
import { startOwnRedis } from '#test/data-plane/support/own-redis.ts';

/**
 * What a snapshot of many keys costs a data plane: `node test/bench/snapshot-main.ts --keys 1000000`. Each key has an account
 * of its own, one alias and two limits. Prints the resident memory per key, how long loading takes, and the longest pause of the
 * event loop while loading, while changes arrive, and while the copy on disk is written; and what a look-up costs.
 */
const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000000' },
    accounts: { type: 'string' },
    changes: { type: 'string', default: '20000' },
  },
});
const keyCount = Number(values.keys);
const accountCount = Number(values.accounts ?? keyCount);
const CHANGES_PER_BATCH = 500;
const mintId = createIdMinter(systemClock);

function makeAccounts(): SnapshotAccount[] {
  return Array.from({ length: accountCount }, () => ({ id: mintId(), status: 'active' }));
}

function makeKey(index: number, accounts: readonly SnapshotAccount[]): SnapshotKey {
  return {
    id: mintId(),
    // The measuring process makes the same.
    digest: digestApiKey(`bench-${index}`),
    accountId: accounts[index % accounts.length]?.id ?? '',
    status: 'active',
    expiresAtMs: null,
    rpmLimit: 600,
    tpmLimit: 1_000_000,
    aliases: [{ alias: 'fast', kind: 'exact', model: 'openai/gpt-4o-mini' }],
  };
}

/** Publishes everything as the control plane does; returns some of the keys. */
async function publish({ client }: RedisLink): Promise<SnapshotKey[]> {
  const shards = Array.from({ length: SHARD_COUNT }, () => ({
    accounts: [] as SnapshotAccount[],
    keys: [] as SnapshotKey[],
  }));
  const accounts = makeAccounts();
  for (const account of accounts) shards[shardOf(account.id)]?.accounts.push(account);
  const some: SnapshotKey[] = [];
  for (let index = 0; index < keyCount; index += 1) {
    const key = makeKey(index, accounts);
    if (some.length < Number(values.changes)) some.push(key);
    shards[shardOf(key.id)]?.keys.push(key);
  }
  for (const [shard, body] of shards.entries())
    await client.set(redisKeys.snapshotShard(shard), encodeSnapshotPart(body, 0));
  await client.set(redisKeys.snapshotCatalog, encodeSnapshotPart({ models: [], upstreams: [] }, 0));
  const head = { format: SNAPSHOT_FORMAT, sequence: 0, shardsSequence: 0, checkedAtMs: systemClock.nowMs() };
  await client.hset(redisKeys.snapshotHead, head);
  return some;
}

async function publishChanges({ client }: RedisLink, keys: readonly SnapshotKey[]): Promise<void> {
  for (let first = 0; first < keys.length; first += CHANGES_PER_BATCH) {
    const pipeline = client.pipeline();
    for (const [index, key] of keys.slice(first, first + CHANGES_PER_BATCH).entries()) {
      const change: SnapshotChange = { kind: 'key', id: key.id, key: { ...key, rpmLimit: 601 } };
      const fields = ['sequence', first + index + 1, 'body', JSON.stringify(change)];
      pipeline.xadd(redisKeys.snapshotChanges, '*', ...fields);
    }
    pipeline.hset(redisKeys.snapshotHead, 'sequence', Math.min(first + CHANGES_PER_BATCH, keys.length));
    await pipeline.exec();
  }
}

const redis = await startOwnRedis();
try {
  const link = openRedisLink(redis.url, 'snapshot-bench', pino({ level: 'warn' }));
  while (link.runId() === undefined) await new Promise((resolve) => setTimeout(resolve, 20));
  process.stdout.write(`publishing ${keyCount} keys of ${accountCount} accounts ...\n`);
  const changing = await publish(link);
  const file = path.join(import.meta.dirname, 'snapshot-load-main.ts');
  const child = spawn(
    process.execPath,
    ['--expose-gc', file, redis.url, String(keyCount), String(changing.length)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  child.stdout.on('data', (text: Buffer) => {
    process.stdout.write(text);
    if (text.includes('changes')) void publishChanges(link, changing);
  });
  await once(child, 'exit');
  link.close();
} finally {
  await redis.discard();
}
