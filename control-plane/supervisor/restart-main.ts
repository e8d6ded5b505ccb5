import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive, signal } from './process-identity.ts';
import { type RestartReport, readRestartReport } from './rolling-restart.ts';
import { stateFolderOf } from './settings.ts';
import { StartRefusal } from './start-refusal.ts';
import { runningSupervisor } from './state-folder.ts';

/**
 * `npm run restart:data-plane`: asks the running start of this state folder for a rolling restart, shows its progress and
 * ends with it; exit code 1 when a new process did not start, or the start ended meanwhile.
 */
const POLL_MS = 100;

async function run(): Promise<void> {
  const home = stateFolderOf(path.resolve(import.meta.dirname, '..', '..'));
  const supervisor = runningSupervisor(home);
  if (supervisor === undefined) throw new StartRefusal(`CrossModel does not run in ${home}.`);
  const before = readRestartReport(home)?.run ?? 0;
  signal(supervisor, 'SIGUSR2');
  let shown = 0;
  for (;;) {
    const report = readRestartReport(home);
    const ours = report !== undefined && report.run > before ? report : undefined;
    shown = showProgress(ours, shown);
    if (ours?.state === 'done') return;
    if (ours?.state === 'failed') throw new StartRefusal(ours.problem ?? 'The restart failed.');
    if (!isAlive(supervisor)) throw new StartRefusal('CrossModel was stopped during the restart.');
    await delay(POLL_MS);
  }
}

function showProgress(report: RestartReport | undefined, shown: number): number {
  const replaced = report?.replaced ?? [];
  for (const name of replaced.slice(shown)) process.stdout.write(`${name} is a new process\n`);
  return Math.max(shown, replaced.length);
}

try {
  await run();
} catch (error) {
  process.stderr.write(`\n${error instanceof StartRefusal ? error.message : String(error)}\n\n`);
  process.exitCode = 1;
}
