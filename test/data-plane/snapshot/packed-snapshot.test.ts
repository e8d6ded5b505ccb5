import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HashIndex, hashText } from '#data-plane/snapshot/hash-index.ts';
import { PackedAccounts } from '#data-plane/snapshot/packed-accounts.ts';
import { PackedKeys, unpackKey } from '#data-plane/snapshot/packed-keys.ts';
import { PackedTexts, textsIn } from '#data-plane/snapshot/packed-texts.ts';
import type { SnapshotKey } from '#shared/snapshot.ts';

/** Few ids and digests, so that keys are replaced, rotated, removed and come back. */
const digests = fc.constantFrom('d1', 'd2', 'd3', 'd4', 'ḓ5', '');
const keyStates = fc.record<SnapshotKey>(
  {
    id: fc.constantFrom('k1', 'k2', 'k3'),
    digest: digests,
    accountId: fc.string(),
    status: fc.constantFrom('active', 'disabled'),
    expiresAtMs: fc.option(fc.nat()),
    rpmLimit: fc.nat(),
    tpmLimit: fc.nat(),
    concurrencyLimit: fc.nat(),
    budget: fc.record({ limitNano: fc.constant('5'), period: fc.constantFrom('none', 'day') }),
    allowedModels: fc.array(fc.string()),
    allowedAddresses: fc.array(fc.string()),
    previousSecret: fc.record({ digest: digests, validUntilMs: fc.nat() }),
    aliases: fc.array(
      fc.record({
        alias: fc.string({ unit: 'grapheme' }),
        kind: fc.constantFrom('exact', 'prefix'),
        model: fc.string(),
      }),
      { maxLength: 3 },
    ),
  },
  { requiredKeys: ['id', 'digest', 'accountId', 'status', 'expiresAtMs', 'rpmLimit', 'tpmLimit', 'aliases'] },
);

function textsOf(portions: Iterable<Buffer>): string[] {
  const texts: string[] = [];
  for (const portion of portions) texts.push(...textsIn(portion));
  return texts;
}

/** Every digest belongs to one key at a time, as in the product. */
function isFree(wanted: SnapshotKey, keys: Iterable<SnapshotKey>): boolean {
  const all = (key: SnapshotKey): string[] => [key.digest, key.previousSecret?.digest ?? key.digest];
  return [...keys].every(
    (key) => key.id === wanted.id || !all(key).some((digest) => all(wanted).includes(digest)),
  );
}

describe('the packed keys', () => {
  it('hold what a plain map holds, through any changes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(keyStates, fc.constantFrom('k1', 'k2', 'k3')), { maxLength: 30 }),
        (changes) => {
          const packed = new PackedKeys();
          const plain = new Map<string, SnapshotKey>();
          for (const change of changes) {
            if (typeof change === 'string') {
              packed.remove(change);
              plain.delete(change);
            } else if (isFree(change, plain.values())) {
              packed.put(change);
              plain.set(change.id, change);
            }
            for (const digest of ['d1', 'd2', 'd3', 'd4', 'ḓ5', '']) {
              const owner = [...plain.values()].find(
                (key) => key.digest === digest || key.previousSecret?.digest === digest,
              );
              expect(packed.find(digest)?.config).toEqual(owner);
            }
          }
          const kept = textsOf(packed.portions()).map(unpackKey);
          expect(kept.toSorted((left, right) => (left.id < right.id ? -1 : 1))).toEqual(
            [...plain.values()].toSorted((left, right) => (left.id < right.id ? -1 : 1)),
          );
        },
      ),
    );
  });

  it('give the same object for the same key until it changes', () => {
    const packed = new PackedKeys();
    const state: SnapshotKey = {
      ...{
        id: 'k',
        digest: 'd',
        accountId: 'a',
        status: 'active',
        expiresAtMs: null,
        rpmLimit: 1,
        tpmLimit: 1,
      },
      aliases: [{ alias: 'fast', kind: 'exact', model: 'vendor/model' }],
    };
    packed.put(state);
    const found = packed.find('d');
    expect(found?.exactAliases.get('fast')).toBe('vendor/model');
    expect(packed.find('d')).toBe(found);
    packed.put({ ...state, status: 'disabled' });
    expect(packed.find('d')?.config.status).toBe('disabled');
  });
});

describe('the packed accounts', () => {
  it('are found by id with their last state, and not after their removal', () => {
    const packed = new PackedAccounts();
    for (let index = 0; index < 20_000; index += 1) packed.put({ id: `account-${index}`, status: 'active' });
    for (let index = 0; index < 20_000; index += 2)
      packed.put({ id: `account-${index}`, status: 'suspended' });
    for (let index = 0; index < 20_000; index += 3) packed.remove(`account-${index}`);
    const wrong = Array.from({ length: 20_000 }, (_, index) => index).filter((index) => {
      const expected = index % 3 === 0 ? undefined : index % 2 === 0 ? 'suspended' : 'active';
      return packed.find(`account-${index}`)?.status !== expected;
    });
    expect(wrong).toEqual([]);
    expect(textsOf(packed.portions())).toHaveLength(20_000 - Math.ceil(20_000 / 3));
  });
});

describe('packed texts', () => {
  it('stay readable while most of the others are removed, and give their room back', () => {
    const places = new Map<string, number>();
    const moves: string[] = [];
    const texts = new PackedTexts((text, from, to) => {
      expect(places.get(text)).toBe(from);
      places.set(text, to);
      moves.push(text);
    });
    const line = (index: number): string => `${index}: ${'ä'.repeat(index % 90)}`;
    for (let index = 0; index < 25_000; index += 1) places.set(line(index), texts.add(line(index)));
    const huge = 'x'.repeat(3_000_000);
    places.set(huge, texts.add(huge));
    for (let index = 0; index < 25_000; index += 1) {
      if (index % 10 === 0) continue;
      texts.remove(places.get(line(index)) ?? 0);
      places.delete(line(index));
    }
    expect(moves.length).toBeGreaterThan(1_000);
    for (const [text, place] of places) expect(texts.read(place)).toBe(text);
    expect(textsOf(texts.portions()).toSorted()).toEqual([...places.keys()].toSorted());
  });

  it('are all among the portions although others come, go and move while these are taken', () => {
    const places = new Map<string, number>();
    const texts = new PackedTexts((text, _, to) => places.set(text, to));
    const add = (text: string): void => void places.set(text, texts.add(text));
    for (let index = 0; index < 25_000; index += 1) add(`text ${index} ${'-'.repeat(60)}`);
    const staying = [...places.keys()].filter((_, index) => index % 4 === 0);
    const leaving = [...places.keys()].filter((_, index) => index % 4 !== 0);
    const seen = new Set<string>();
    for (const portion of texts.portions()) {
      for (const text of textsIn(portion)) seen.add(text);
      for (const text of leaving.splice(0, 10_000)) {
        texts.remove(places.get(text) ?? 0);
        add(`new ${text}`);
      }
    }
    expect(leaving).toEqual([]);
    expect(staying.filter((text) => !seen.has(text))).toEqual([]);
  });
});

describe('the hash index', () => {
  it('tells numbers of one hash apart and finds the others after each removal', () => {
    const index = new HashIndex();
    const hashes = Array.from({ length: 5_000 }, (_, number) => hashText(String(number % 2_500)));
    for (const [position, hash] of hashes.entries()) index.add(hash, position + 1);
    const finds = (position: number): boolean =>
      index.find(hashes[position] ?? 0, (number) => number === position + 1) !== 0;
    for (let position = 0; position < 5_000; position += 2) index.remove(hashes[position] ?? 0, position + 1);
    for (let position = 0; position < 5_000; position += 1) expect(finds(position)).toBe(position % 2 === 1);
    expect(() => index.remove(hashes[0] ?? 0, 1)).toThrow('not in the index');
  });
});
