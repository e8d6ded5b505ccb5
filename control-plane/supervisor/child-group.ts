import { existsSync, readFileSync } from 'node:fs';
import { startLifelineWatcher } from './lifeline-watcher.ts';
import { openProcessTable, type ProcessTable } from './process-table.ts';
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
  /** Names of the children of a rank, in the order in which they were started. */
  names(rank: Rank): string[];
  /**
   * Starts a successor beside a child, and ends the child when the successor serves; for children that can share their
   * ports. Throws StartRefusal, with the child going on, when the successor never serves.
   */
  replace(name: string): Promise<void>;
  /** Ends all children in the order of their ranks. Idempotent. */
  stopAll(): Promise<void>;
}

interface Member {
  /** Its name in `processes.json`; while two share a task, only the one that serves has the name of the task. */
  label: string;
  readonly child: ChildSpecification;
  readonly rank: Rank;
  readonly process: SupervisedProcess;
}

/** All children of one supervisor: they are in `processes.json` and under the watcher while they live. */
export function createChildGroup(stateFolder: string, progress: Progress): ChildGroup {
  return new SupervisedChildren(stateFolder, progress);
}

class SupervisedChildren implements ChildGroup {
  readonly #progress: Progress;
  readonly #table: ProcessTable;
  readonly #watcher = startLifelineWatcher();
  readonly #members: Member[] = [];
  readonly #pids = new Map<string, { pid: number; isStore: boolean }>();
  #stopping: Promise<void> | undefined;

  constructor(stateFolder: string, progress: Progress) {
    this.#progress = progress;
    this.#table = openProcessTable(stateFolder);
  }

  async start(child: ChildSpecification, rank: Rank): Promise<void> {
    if (this.#stopping !== undefined) throw new StartRefusal('Stopped before everything had started.');
    await untilServing(this.#supervise(child, rank, child.name));
  }

  names(rank: Rank): string[] {
    return this.#members.filter((member) => member.rank === rank).map((member) => member.child.name);
  }

  async replace(name: string): Promise<void> {
    const incumbent = this.#members.find((member) => member.label === name);
    if (incumbent === undefined || this.#stopping !== undefined)
      throw new StartRefusal(`${name} does not run any more.`);
    const successor = this.#supervise(incumbent.child, incumbent.rank, `${name}-next`);
    try {
      await untilServing(successor);
    } catch (error) {
      await this.#dismiss(successor);
      throw error;
    }
    this.#relabel(incumbent, `${name}-retiring`);
    this.#relabel(successor, name);
    // Whatever ends a child when everything ends: here others go on, and it is to hand over without haste.
    await this.#dismiss(incumbent, 'SIGTERM');
  }

  stopAll(): Promise<void> {
    this.#stopping ??= this.#stopInOrder();
    return this.#stopping;
  }

  async #stopInOrder(): Promise<void> {
    for (const rank of STOP_ORDER) {
      const leaving = this.#members.filter((member) => member.rank === rank);
      await Promise.all(leaving.map((member) => member.process.stop()));
    }
    this.#watcher.dismiss();
  }

  #supervise(child: ChildSpecification, rank: Rank, label: string): Member {
    let endedAtMs: number | undefined;
    const process_ = supervise(child, {
      started: (pid) => {
        this.#pids.set(member.label, { pid, isStore: STORE_RANKS.includes(rank) });
        this.#tellWatcher();
        this.#table.add(member.label, pid);
      },
      ended: (how, restart) => {
        this.#pids.delete(member.label);
        this.#tellWatcher();
        this.#table.remove(member.label);
        if (!restart) return;
        endedAtMs ??= performance.now();
        this.#progress.note(`${member.label} ended (${how}); starting it again`);
      },
      ready: () => {
        if (endedAtMs === undefined) return;
        const awayMs = Math.round(performance.now() - endedAtMs);
        endedAtMs = undefined;
        this.#progress.note(`${member.label} serves again after ${awayMs} ms`);
      },
    });
    const member: Member = { label, child, rank, process: process_ };
    this.#members.push(member);
    return member;
  }

  #tellWatcher(): void {
    const all = [...this.#pids.values()];
    this.#watcher.watch({
      nodes: all.filter(({ isStore }) => !isStore).map(({ pid }) => pid),
      stores: all.filter(({ isStore }) => isStore).map(({ pid }) => pid),
    });
  }

  #relabel(member: Member, label: string): void {
    const entry = this.#pids.get(member.label);
    this.#pids.delete(member.label);
    if (entry !== undefined) this.#pids.set(label, entry);
    this.#table.rename(member.label, label);
    member.label = label;
  }

  async #dismiss(member: Member, signal?: NodeJS.Signals): Promise<void> {
    await member.process.stop(signal);
    this.#members.splice(this.#members.indexOf(member), 1);
  }
}

async function untilServing({ process: process_, child }: Member): Promise<void> {
  try {
    await process_.untilFirstReady(FIRST_START_ATTEMPTS);
  } catch (error) {
    throw new StartRefusal(
      `${child.name} does not start (${error instanceof Error ? error.message : 'unknown reason'}).${tailOf(child.logFile)}`,
    );
  }
}

function tailOf(logFile: string | undefined): string {
  if (logFile === undefined || !existsSync(logFile)) return '';
  return ` The end of ${logFile}:\n${readFileSync(logFile, 'utf8').slice(-LOG_TAIL_CHARACTERS).trim()}`;
}
