import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const REPOSITORY_ROOT = path.resolve(import.meta.dirname, '../..');
const COPIED = [
  'shared',
  'db',
  'control-plane',
  'data-plane',
  'test/invariants',
  'package.json',
  'tsconfig.json',
];

/** A change of the shipped source that must not go unnoticed. */
export interface Mutant {
  readonly file: string;
  /** Each text must be in the file exactly once: a mutant that no longer fits is a failure, not a pass. */
  readonly replacements: readonly { readonly shipped: string; readonly planted: string }[];
}

export interface SourceCopy {
  readonly root: string;
  remove(): void;
}

/** Copies the source with the mutant planted; nothing of the repository itself is touched. */
export function plant(mutant: Mutant): SourceCopy {
  const root = mkdtempSync(path.join(tmpdir(), 'crossmodel-mutant-'));
  for (const name of COPIED)
    cpSync(path.join(REPOSITORY_ROOT, name), path.join(root, name), { recursive: true });
  symlinkSync(path.join(REPOSITORY_ROOT, 'node_modules'), path.join(root, 'node_modules'));
  const file = path.join(root, mutant.file);
  let source = readFileSync(file, 'utf8');
  for (const { shipped, planted } of mutant.replacements) {
    const places = source.split(shipped).length - 1;
    if (places !== 1) throw new Error(`${mutant.file} has ${places} places for the mutant of "${shipped}"`);
    source = source.replace(shipped, () => planted);
  }
  writeFileSync(file, source);
  return { root, remove: () => rmSync(root, { recursive: true, force: true }) };
}
