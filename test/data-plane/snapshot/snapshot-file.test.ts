import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadSnapshotFile, saveSnapshotFile } from '#data-plane/snapshot/snapshot-file.ts';
import { SnapshotStore } from '#data-plane/snapshot/snapshot-store.ts';
import { parseSealingKey } from '#shared/sealed-secret.ts';
import type { SnapshotKey } from '#shared/snapshot.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'crossmodel-snapshot-file-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const sealingKey = parseSealingKey('5'.repeat(64));
if (sealingKey === undefined) throw new Error('The test key is malformed');
const KEYS = 12_000;

function keyNumber(index: number): SnapshotKey {
  return {
    ...{
      id: `key-${index}`,
      digest: `digest-${index}`,
      accountId: `account-${index % 10}`,
      status: 'active',
    },
    ...{ expiresAtMs: null, rpmLimit: index, tpmLimit: 1_000 },
    aliases: [{ alias: 'snél\n', kind: 'exact', model: 'vendor/model' }],
  };
}

function filledStore(): SnapshotStore {
  const store = new SnapshotStore(sealingKey as NonNullable<typeof sealingKey>);
  for (let index = 0; index < 10; index += 1) {
    const id = `account-${index}`;
    store.apply({ kind: 'account', id, account: { id, status: 'active' } }, 1);
  }
  for (let index = 0; index < KEYS; index += 1)
    store.apply({ kind: 'key', id: `key-${index}`, key: keyNumber(index) }, 1);
  store.sequence = 1;
  return store;
}

const save = async (name: string): Promise<string> => {
  const file = path.join(folder, name);
  await saveSnapshotFile(file, filledStore());
  return file;
};
const load = (file: string) => loadSnapshotFile(file, sealingKey as NonNullable<typeof sealingKey>);

describe('the copy of the snapshot on disk', () => {
  it('holds every account and key, and the number from which changes go on', async () => {
    const store = await load(await save('whole'));
    const missing = Array.from({ length: KEYS }, (_, index) => index).filter(
      (index) => store?.findKey(`digest-${index}`)?.config.rpmLimit !== index,
    );
    expect(missing).toEqual([]);
    expect(store?.findKey('digest-7')?.config).toEqual(keyNumber(7));
    expect(store?.findAccount('account-3')).toEqual({ id: 'account-3', status: 'active' });
    expect(store?.sequence).toBe(1);
  });

  it('takes a change that came while it was written once more', async () => {
    const store = filledStore();
    const saving = saveSnapshotFile(path.join(folder, 'changing'), store);
    const changed = { ...keyNumber(7), status: 'disabled' } as const;
    store.apply({ kind: 'key', id: 'key-7', key: changed }, 2);
    store.sequence = 2;
    await saving;
    const loaded = await load(path.join(folder, 'changing'));
    loaded?.apply({ kind: 'key', id: 'key-7', key: changed }, 2);
    expect(loaded?.findKey('digest-7')?.config.status).toBe('disabled');
    expect(loaded?.findKey(`digest-${KEYS - 1}`)).toBeDefined();
  });

  it('is refused when its end is missing', async () => {
    const file = await save('short');
    for (const missing of [1, 300, 100_000]) {
      writeFileSync(file, readFileSync(file).subarray(0, -missing));
      await expect(load(file)).rejects.toThrow();
    }
  });

  it('is refused when one of its bytes is another one', async () => {
    const file = await save('damaged');
    const bytes = readFileSync(file);
    for (const place of [10, 300, bytes.length >> 1]) {
      const damaged = Buffer.from(bytes);
      damaged[place] = (damaged[place] ?? 0) ^ 1;
      writeFileSync(file, damaged);
      await expect(load(file)).rejects.toThrow();
    }
  });

  it('is no error when there is none', async () => {
    expect(await load(path.join(folder, 'absent'))).toBeUndefined();
  });
});
