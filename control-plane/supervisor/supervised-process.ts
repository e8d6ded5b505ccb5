import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, renameSync, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 800;
/** A child that served at least this long before it died is started again at once, however often that happens. */
const SETTLED_AFTER_MS = 250;
const ROTATE_LOG_ABOVE_BYTES = 20 * 1024 * 1024;

export interface ChildSpecification {
  readonly name: string;
  readonly program: string;
  readonly arguments: readonly string[];
  /** The name the program sees as its own, where that differs from its file. */
  readonly invokedAs?: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly workingDirectory: string;
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** Where its output goes; undefined: to our own standard output. */
  readonly logFile?: string | undefined;
  /** A child that does not serve after this long is ended and started again. */
  readonly readyTimeoutMs: number;
  /** How it is told to end, and how long it may take before it is ended by force. */
  readonly stopSignal: NodeJS.Signals;
  readonly stopGraceMs: number;
  /** Clears what an earlier life of this child left behind; runs before every start. */
  beforeStart?(): Promise<void>;
  /** Resolves when the child serves. Without it the child itself says `ready` on its lifeline. */
  untilReady?(pid: number, signal: AbortSignal): Promise<void>;
}

export interface ChildEvents {
  started(pid: number): void;
  ended(how: string, restart: boolean): void;
  /** Called each time the child serves. */
  ready(): void;
}

export interface SupervisedProcess {
  /** Resolves when the child serves for the first time; rejects when it failed `attempts` times before ever serving. */
  untilFirstReady(attempts: number): Promise<void>;
  /** Ends the child, by `signal` instead of its own where given, and starts it no more. Idempotent; resolves when it is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

interface Life {
  readonly child: ChildProcess;
  readonly pid: number;
  /** In words. */
  readonly ended: Promise<string>;
}

/** Opens the log for appending; a large one is set aside first, so that two files bound what is kept. */
function openLog(file: string): number {
  try {
    if (statSync(file).size > ROTATE_LOG_ABOVE_BYTES) renameSync(file, `${file}.1`);
  } catch {
    // There is no log yet.
  }
  return openSync(file, 'a', 0o600);
}

function spawnChild(specification: ChildSpecification): Life {
  const log = specification.logFile === undefined ? undefined : openLog(specification.logFile);
  const usesLifeline = specification.untilReady === undefined;
  const output = log ?? 'inherit';
  const child = spawn(specification.program, specification.arguments, {
    cwd: specification.workingDirectory,
    argv0: specification.invokedAs ?? specification.program,
    env: usesLifeline
      ? { ...specification.environment, CROSSMODEL_LIFELINE_FD: '3' }
      : specification.environment,
    // A process group of its own: Ctrl-C in the terminal reaches the supervisor only, which ends the children in order.
    detached: true,
    stdio: usesLifeline ? ['ignore', output, output, 'pipe'] : ['ignore', output, output],
    ...specification.user,
  });
  if (log !== undefined) closeSync(log);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  return { child, pid: child.pid ?? 0, ended };
}

/** Resolves when the child writes `ready` on its lifeline. */
function readyOnLifeline(child: ChildProcess): Promise<void> {
  const lifeline = child.stdio[3];
  return new Promise((resolve) => {
    if (!(lifeline instanceof Socket)) return;
    let heard = '';
    lifeline.on('error', () => undefined);
    lifeline.on('data', (chunk: Buffer) => {
      heard = (heard + chunk.toString('latin1')).slice(-64);
      if (heard.includes('ready\n')) resolve();
    });
  });
}

/** What one life of a child amounted to. */
interface LifeStory {
  /** How it ended, in words: `exit code 1`, `SIGKILL`. */
  readonly how: string;
  /** How long it served; undefined when it never did. */
  readonly servedMs: number | undefined;
}

/** Sees one life through, from the start to the end. A child that does not serve in time is ended. */
async function seeThrough(
  life: Life,
  specification: ChildSpecification,
  onReady: () => void,
): Promise<LifeStory> {
  const over = new AbortController();
  let readyAtMs: number | undefined;
  const tooSlow = setTimeout(() => life.child.kill('SIGKILL'), specification.readyTimeoutMs);
  const ready = specification.untilReady?.(life.pid, over.signal) ?? readyOnLifeline(life.child);
  ready.then(
    () => {
      clearTimeout(tooSlow);
      if (over.signal.aborted) return;
      readyAtMs = performance.now();
      onReady();
    },
    () => life.child.kill('SIGKILL'),
  );
  const how = await life.ended;
  over.abort();
  clearTimeout(tooSlow);
  life.child.stdio[3]?.destroy();
  return { how, servedMs: readyAtMs === undefined ? undefined : performance.now() - readyAtMs };
}

/** Starts the child and, whenever it dies, starts it again within one second, until `stop`. */
export function supervise(specification: ChildSpecification, events: ChildEvents): SupervisedProcess {
  const stopRequested = new AbortController();
  const firstReady = Promise.withResolvers<void>();
  firstReady.promise.catch(() => undefined);
  let life: Life | undefined;
  let failuresBeforeReady = 0;
  let attemptsAllowed = Number.POSITIVE_INFINITY;

  const liveOnce = async (): Promise<LifeStory> => {
    try {
      await specification.beforeStart?.();
      if (stopRequested.signal.aborted) return { how: 'stopped', servedMs: undefined };
      const current = spawnChild(specification);
      life = current;
      if (current.pid > 0) events.started(current.pid);
      return await seeThrough(current, specification, () => {
        failuresBeforeReady = 0;
        events.ready();
        firstReady.resolve();
      });
    } catch (error) {
      // A full disk or process table passes; the next attempt may find it gone.
      return { how: error instanceof Error ? error.message : String(error), servedMs: undefined };
    } finally {
      life = undefined;
    }
  };

  const liveOnAndOn = async (): Promise<void> => {
    let backoffMs = FIRST_BACKOFF_MS;
    while (!stopRequested.signal.aborted) {
      const { how, servedMs } = await liveOnce();
      events.ended(how, !stopRequested.signal.aborted);
      if (servedMs === undefined) failuresBeforeReady += 1;
      if (failuresBeforeReady >= attemptsAllowed) firstReady.reject(new Error(how));
      if (servedMs !== undefined && servedMs >= SETTLED_AFTER_MS) backoffMs = FIRST_BACKOFF_MS;
      await delay(backoffMs, undefined, { signal: stopRequested.signal }).catch(() => undefined);
      backoffMs = Math.min(backoffMs * 2, LONGEST_BACKOFF_MS);
    }
  };
  const wholeLife = liveOnAndOn();

  return {
    untilFirstReady: (attempts) => {
      attemptsAllowed = attempts;
      return firstReady.promise;
    },
    stop: async (signal = specification.stopSignal) => {
      stopRequested.abort();
      const current = life;
      current?.child.kill(signal);
      const force = setTimeout(() => current?.child.kill('SIGKILL'), specification.stopGraceMs);
      await wholeLife;
      clearTimeout(force);
    },
  };
}
