import { existsSync, readFileSync } from 'node:fs';
import { startLifelineWatcher } from './lifeline-watcher.ts';
import { openProcessTable } from './process-table.ts';
import type { Progress } from './progress.ts';
import { StartRefusal } from './start-refusal.ts';
import { type ChildSpecification, type SupervisedProcess, supervise } from './supervised-process.ts';

/** The order of ending: each rank is gone before the next is asked to end. */
const STOP_ORDER = ['data-plane', 'control-plane', 'sandbox', 'redis', 'postgres'] as const;
export type Rank = (typeof STOP_ORDER)[number];
const STORE_RANKS: readonly Rank[] = ['redis', 'postgres'];
const FIRST_START_ATTEMPTS = 5;
const LOG_TAIL_CHARACTERS = 2_000;

export interface ChildGroup {
  /** Starts a child and keeps it alive; resolves when it serves. Throws StartRefusal when it never does. */
  start(child: ChildSpecification, rank: Rank): Promise<void>;
  /** Ends all children in the order of their ranks. Idempotent. */
  stopAll(): Promise<void>;
}

interface Member {
  readonly rank: Rank;
  readonly process: SupervisedProcess;
}

/** All children of one supervisor: they are in `processes.json` and under the watcher while they live. */
export function createChildGroup(stateFolder: string, progress: Progress): ChildGroup {
  const table = openProcessTable(stateFolder);
  const watcher = startLifelineWatcher();
  const members: Member[] = [];
  const pids = new Map<string, { pid: number; isStore: boolean }>();
  let stopping: Promise<void> | undefined;

  const tellWatcher = (): void => {
    const all = [...pids.values()];
    watcher.watch({
      nodes: all.filter(({ isStore }) => !isStore).map(({ pid }) => pid),
      stores: all.filter(({ isStore }) => isStore).map(({ pid }) => pid),
    });
  };

  const superviseMember = (child: ChildSpecification, rank: Rank): SupervisedProcess => {
    let endedAtMs: number | undefined;
    return supervise(child, {
      started: (pid) => {
        pids.set(child.name, { pid, isStore: STORE_RANKS.includes(rank) });
        tellWatcher();
        table.add(child.name, pid);
      },
      ended: (how, restart) => {
        pids.delete(child.name);
        tellWatcher();
        table.remove(child.name);
        if (!restart) return;
        endedAtMs ??= performance.now();
        progress.note(`${child.name} ended (${how}); starting it again`);
      },
      ready: () => {
        if (endedAtMs === undefined) return;
        const awayMs = Math.round(performance.now() - endedAtMs);
        endedAtMs = undefined;
        progress.note(`${child.name} serves again after ${awayMs} ms`);
      },
    });
  };

  return {
    start: async (child, rank) => {
      if (stopping !== undefined) throw new StartRefusal('Stopped before everything had started.');
      const process_ = superviseMember(child, rank);
      members.push({ rank, process: process_ });
      try {
        await process_.untilFirstReady(FIRST_START_ATTEMPTS);
      } catch (error) {
        throw new StartRefusal(
          `${child.name} does not start (${error instanceof Error ? error.message : 'unknown reason'}).${tailOf(child.logFile)}`,
        );
      }
    },
    stopAll: () => {
      stopping ??= (async () => {
        for (const rank of STOP_ORDER) {
          const leaving = members.filter((member) => member.rank === rank);
          await Promise.all(leaving.map((member) => member.process.stop()));
        }
        watcher.dismiss();
      })();
      return stopping;
    },
  };
}

function tailOf(logFile: string | undefined): string {
  if (logFile === undefined || !existsSync(logFile)) return '';
  return ` The end of ${logFile}:\n${readFileSync(logFile, 'utf8').slice(-LOG_TAIL_CHARACTERS).trim()}`;
}
