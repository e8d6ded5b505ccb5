import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** One process, even after its pid has been given to another one. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; '' when the process does not exist. */
  readonly startTime: string;
}

const START_TIME_FIELD = 19;
const POLL_MS = 20;

/** When the process began, in whatever words the system has for it; '' when there is none or it is only a zombie. */
export function startTimeOf(pid: number): string {
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The second field is the name in brackets and may itself contain spaces and brackets.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' ? '' : (fields[START_TIME_FIELD] ?? '');
    } catch {
      return '';
    }
  }
  const answer = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
  return answer.stdout.trim();
}

export function identify(pid: number): ProcessIdentity {
  return { pid, startTime: startTimeOf(pid) };
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identity.startTime !== '' && startTimeOf(identity.pid) === identity.startTime;
}

/** Sends a signal if it is still the same process; a process that is gone, or not ours, is left alone. */
export function signal(identity: ProcessIdentity, name: NodeJS.Signals): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, name);
  } catch {
    // It ended in between, or belongs to another user; both are the same to the caller: there is nothing to end.
  }
}

/** Asks the processes to end, ends them by force after `graceMs`, and returns when none is left. */
export async function endProcesses(
  identities: readonly ProcessIdentity[],
  askWith: NodeJS.Signals,
  graceMs: number,
): Promise<void> {
  for (const identity of identities) signal(identity, askWith);
  const deadlineMs = performance.now() + graceMs;
  let left = identities.filter(isAlive);
  let forced = false;
  while (left.length > 0) {
    if (!forced && performance.now() >= deadlineMs) {
      forced = true;
      for (const identity of left) signal(identity, 'SIGKILL');
    }
    await delay(POLL_MS);
    left = left.filter(isAlive);
  }
}

/**
 * The running processes whose working directory is `folder` and whose program has one of `programNames`. Postgres and Redis
 * both work inside their data folder, so this finds them and their orphans without trusting any file. Linux only; elsewhere
 * the answer is empty.
 */
export function processesWorkingIn(folder: string, programNames: readonly string[]): ProcessIdentity[] {
  if (process.platform !== 'linux' || !existsSync(folder)) return [];
  const realFolder = realpathSync(folder);
  const found: ProcessIdentity[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (readlinkSync(`/proc/${name}/cwd`) !== realFolder) continue;
      const program = readFileSync(`/proc/${name}/comm`, 'utf8').trim();
      if (programNames.includes(program)) found.push(identify(Number(name)));
    } catch {
      // Ended meanwhile, or of a user whose processes we may not look at.
    }
  }
  return found.filter((identity) => identity.startTime !== '');
}

/** The command line, for messages and to recognise a program; '' when it cannot be read. */
export function commandLineOf(pid: number): string {
  try {
    if (process.platform === 'linux')
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
  return spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim();
}

/** `/usr/bin/node main.ts start` -> `node main.ts start`, at most 80 characters. */
export function shortCommandLine(pid: number): string {
  const [program = '', ...rest] = commandLineOf(pid).split(' ');
  return [path.basename(program), ...rest].join(' ').slice(0, 80);
}
