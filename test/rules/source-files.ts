import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const REPOSITORY_ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const ROOMS = ['shared', 'db', 'control-plane', 'data-plane', 'test'];
const GENERATED = /^db\/migrations\//;

export interface SourceFile {
  /** Relative to the repository, with forward slashes. */
  readonly path: string;
  readonly lines: readonly string[];
}

function walk(folder: string): string[] {
  return readdirSync(path.join(REPOSITORY_ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const inside = path.posix.join(folder, entry.name);
    if (entry.name === 'node_modules' || entry.name === 'results') return [];
    return entry.isDirectory() ? walk(inside) : [inside];
  });
}

function read(file: string): SourceFile {
  return { path: file, lines: readFileSync(path.join(REPOSITORY_ROOT, file), 'utf8').split('\n') };
}

/** Every source file that people write, in all rooms. */
export function sourceFiles(): SourceFile[] {
  return ROOMS.filter((room) => existsSync(path.join(REPOSITORY_ROOT, room)))
    .flatMap(walk)
    .filter((file) => /\.(ts|tsx|mjs|js|lua)$/.test(file) && !GENERATED.test(file))
    .map(read);
}

/** Every text file of the repository, the ones in its root included. */
export function allFiles(): SourceFile[] {
  const inRoot = readdirSync(REPOSITORY_ROOT, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name);
  const rooms = [...ROOMS, '.ci'].filter((room) => existsSync(path.join(REPOSITORY_ROOT, room)));
  return [...inRoot, ...rooms.flatMap(walk)].map(read);
}
