import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;
const PAGE_KIB = 4;

/** CPU that the processes have used so far, all threads, user and system, in microseconds (to 10 ms). Linux only. */
export function cpuMicros(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return sum + ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / TICKS_PER_SECOND;
  }, 0);
}

/** Resident memory of the processes, MiB. */
export function residentMib(pids: readonly number[]): number {
  const pages = pids.map((pid) => Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]));
  return pages.reduce((sum, count) => sum + (count * PAGE_KIB) / 1024, 0);
}

/** Processes that a process has started. */
export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(/\s+/)
    .filter(Boolean)
    .map(Number);
}

/** Lets processes run on one core only, all their threads. Does nothing where `taskset` is missing or there is one core. */
export function pinTo(core: number, pids: readonly number[]): void {
  for (const pid of pids) spawnSync('taskset', ['-acp', String(core), String(pid)], { stdio: 'ignore' });
}
