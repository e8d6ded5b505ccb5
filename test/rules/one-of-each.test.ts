import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { REPOSITORY_ROOT, sourceFiles } from './source-files.ts';

interface LockEntry {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
}

const TREES = ['.', 'test/clients', 'test/clients/command-line'];

function lockedPackages(tree: string): Record<string, LockEntry> {
  const lock: { packages: Record<string, LockEntry> } = JSON.parse(
    readFileSync(path.join(REPOSITORY_ROOT, tree, 'package-lock.json'), 'utf8'),
  );
  return lock.packages;
}

describe('the dependency tree', () => {
  it('has exactly one copy of graphql, because two do not recognise each other', () => {
    const copies = Object.keys(lockedPackages('.')).filter((folder) =>
      /(^|\/)node_modules\/graphql$/.test(folder),
    );
    expect(copies).toEqual(['node_modules/graphql']);
    expect(existsSync(path.join(REPOSITORY_ROOT, 'node_modules/graphql/package.json'))).toBe(true);
  });

  it.each(TREES)(
    'names no download address in the lock file of %s, and a digest for every package',
    (tree) => {
      const entries = Object.entries(lockedPackages(tree)).filter(([folder]) => folder !== '');
      expect(entries.filter(([, entry]) => entry.resolved !== undefined)).toEqual([]);
      expect(entries.filter(([, entry]) => entry.integrity === undefined && entry.link !== true)).toEqual([]);
    },
  );

  it.each(TREES)('asks for exact versions only in %s', (tree) => {
    const manifest: Record<string, Record<string, string> | undefined> = JSON.parse(
      readFileSync(path.join(REPOSITORY_ROOT, tree, 'package.json'), 'utf8'),
    );
    const wanted = {
      ...manifest.dependencies,
      ...manifest.devDependencies,
      ...manifest.optionalDependencies,
    };
    const loose = Object.entries(wanted).filter(
      ([, version]) => !/^(npm:[\w./@-]+@)?\d+\.\d+\.\d+/.test(version),
    );
    expect(loose).toEqual([]);
  });
});

describe('the ledger', () => {
  const WRITES =
    /\b(insert\s+into|update|delete\s+from|truncate)\s+(table\s+)?"?ledger_|\.(insert|update|delete)\(\s*(schema\.)?ledger/i;

  it('is written by post-transaction.ts alone', () => {
    const writers = sourceFiles()
      .filter(({ path: file }) => /^(control-plane|data-plane|shared|db)\//.test(file))
      .filter(({ lines }) => lines.some((line) => WRITES.test(line)))
      .map(({ path: file }) => file);
    expect(writers).toEqual(['control-plane/ledger/post-transaction.ts']);
  });

  it('a write to it is seen in SQL and in the query builder', () => {
    expect('update ledger_balances set balance_nano = 0').toMatch(WRITES);
    expect('await tx.insert(ledgerEntries).values(rows)').toMatch(WRITES);
    expect('select * from ledger_entries for update').not.toMatch(WRITES);
  });
});
