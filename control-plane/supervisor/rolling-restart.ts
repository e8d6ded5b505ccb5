import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { ChildGroup } from './child-group.ts';
import type { Progress } from './progress.ts';
import { writePrivately } from './state-folder.ts';

const REPORT_NAME = 'restart.json';

/** What the last rolling restart has come to, for the command that asked for it. */
export interface RestartReport {
  /** Counts the rolling restarts of a state folder. */
  readonly run: number;
  readonly state: 'running' | 'done' | 'failed';
  readonly replaced: readonly string[];
  /** Why it failed, in words. */
  readonly problem?: string;
}

export function readRestartReport(home: string): RestartReport | undefined {
  try {
    return JSON.parse(readFileSync(path.join(home, REPORT_NAME), 'utf8')) as RestartReport;
  } catch {
    return undefined;
  }
}

/**
 * Answers requests to renew the data-plane processes under traffic: one after the other, each successor serves on the common
 * port before its predecessor is asked to finish. One that does not start leaves its predecessor in place and ends the
 * run. A request during a run is followed by another run, because what it is about may be newer.
 */
export function createRollingRestart(home: string, children: ChildGroup, progress: Progress): () => void {
  let isRunning = false;
  let isAskedAgain = false;

  const renewAll = async (): Promise<void> => {
    const run = (readRestartReport(home)?.run ?? 0) + 1;
    const replaced: string[] = [];
    const report = (state: RestartReport['state'], problem?: string): void => {
      const text = { run, state, replaced, ...(problem === undefined ? {} : { problem }) };
      writePrivately(path.join(home, REPORT_NAME), `${JSON.stringify(text)}\n`);
    };
    report('running');
    try {
      for (const name of children.names('data-plane')) {
        const finish = progress.step(`New process for ${name}`);
        await children.replace(name);
        finish('serves, the old one is gone');
        replaced.push(name);
        report('running');
      }
      report('done');
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      progress.note(`Rolling restart given up: ${problem}`);
      report('failed', problem);
    }
  };

  const renewWhileAsked = async (): Promise<void> => {
    do {
      isAskedAgain = false;
      await renewAll();
    } while (isAskedAgain);
    isRunning = false;
  };

  return () => {
    if (isRunning) {
      isAskedAgain = true;
      return;
    }
    isRunning = true;
    renewWhileAsked().catch((error: unknown) => {
      isRunning = false;
      progress.note(`Rolling restart failed: ${String(error)}`);
    });
  };
}
