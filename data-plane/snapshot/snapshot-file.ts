import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { SealingKey } from '#shared/sealed-secret.ts';
import {
  decodeSnapshotPart,
  encodeSnapshotPart,
  type SnapshotCatalog,
  type SnapshotShard,
} from '#shared/snapshot.ts';
import { SnapshotStore } from './snapshot-store.ts';

/**
 * The last good snapshot on disk, for a start while Redis is away: one line per part (catalog, then the shards), each with
 * its own digest. Credentials in it are sealed as they are in Redis.
 */
export async function saveSnapshotFile(path: string, store: SnapshotStore): Promise<void> {
  const { catalog, shards } = store.export();
  const lines = [catalog, ...shards].map((part) => encodeSnapshotPart(part, store.sequence));
  const temporary = `${path}.${process.pid}.tmp`;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(temporary, `${lines.join('\n')}\n`, { mode: 0o600 });
  await rename(temporary, path);
}

/** Reads the copy back; `undefined` when there is none. Throws `SnapshotFormatError` when it is damaged. */
export async function loadSnapshotFile(
  path: string,
  sealingKey: SealingKey,
): Promise<SnapshotStore | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const store = new SnapshotStore(sealingKey);
  const [catalogLine = '', ...shardLines] = text.trimEnd().split('\n');
  const catalog = decodeSnapshotPart<SnapshotCatalog>(catalogLine);
  store.loadCatalog(catalog.body, catalog.sequence);
  for (const [shard, line] of shardLines.entries()) {
    const part = decodeSnapshotPart<SnapshotShard>(line);
    store.loadShard(shard, part.body, part.sequence);
  }
  store.sequence = catalog.sequence;
  return store;
}
