import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { endProcesses, identify, isAlive, type ProcessIdentity } from './process-identity.ts';
import { writePrivately } from './state-folder.ts';

const LEFTOVER_GRACE_MS = 5_000;

/**
 * The book of running children. `processes.json` is for people and scripts ({name: pid}); `children.json` also knows when
 * each began, so that a later supervisor can tell its predecessor's children from strangers who got the same pid.
 */
export interface ProcessTable {
  add(name: string, pid: number): void;
  remove(name: string): void;
  /** Does nothing for a name that is not there. */
  rename(from: string, to: string): void;
  pids(): number[];
}

export function openProcessTable(folder: string): ProcessTable {
  const children = new Map<string, ProcessIdentity>();
  const save = (): void => {
    const pids = Object.fromEntries([...children].map(([name, { pid }]) => [name, pid]));
    writePrivately(path.join(folder, 'children.json'), JSON.stringify(Object.fromEntries(children)));
    writePrivately(path.join(folder, 'processes.json'), `${JSON.stringify(pids, undefined, 2)}\n`);
  };
  return {
    add: (name, pid) => {
      children.set(name, identify(pid));
      save();
    },
    remove: (name) => {
      children.delete(name);
      save();
    },
    rename: (from, to) => {
      const identity = children.get(from);
      if (identity === undefined) return;
      children.delete(from);
      children.set(to, identity);
      save();
    },
    pids: () => [...children.values()].map(({ pid }) => pid),
  };
}

function readLeftovers(folder: string): Map<string, ProcessIdentity> {
  const file = path.join(folder, 'children.json');
  const leftovers = new Map<string, ProcessIdentity>();
  if (!existsSync(file)) return leftovers;
  let table: unknown;
  try {
    table = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return leftovers;
  }
  if (typeof table !== 'object' || table === null) return leftovers;
  for (const [name, entry] of Object.entries(table)) {
    if (typeof entry?.pid === 'number' && typeof entry?.startTime === 'string') leftovers.set(name, entry);
  }
  return leftovers;
}

/**
 * Ends what an earlier supervisor of this folder left running, and returns the names. A stale data plane would otherwise
 * keep taking its share of the traffic on the common port.
 */
export async function endLeftovers(folder: string): Promise<string[]> {
  const alive = [...readLeftovers(folder)].filter(([, identity]) => isAlive(identity));
  await endProcesses(
    alive.map(([, identity]) => identity),
    'SIGTERM',
    LEFTOVER_GRACE_MS,
  );
  writePrivately(path.join(folder, 'children.json'), '{}');
  writePrivately(path.join(folder, 'processes.json'), '{}\n');
  return alive.map(([name]) => name);
}
