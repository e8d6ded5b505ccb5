import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { isatty } from 'node:tty';
import { announceReady, onShutdown } from '#shared/process-lifecycle.ts';
import { type ChildGroup, createChildGroup } from './child-group.ts';
import { measureFirstToken } from './first-token.ts';
import { newcomerScreen, readDevelopmentAccess } from './newcomer-screen.ts';
import { endLeftovers } from './process-table.ts';
import { type Progress, productionProgress, terminalProgress } from './progress.ts';
import { createRollingRestart } from './rolling-restart.ts';
import { settingsAsText } from './setting-table.ts';
import { type Mode, readSettings, SettingsError, type SupervisorSettings } from './settings.ts';
import { StartRefusal } from './start-refusal.ts';
import { type StartReport, startStack } from './start-stack.ts';
import { createStateFolder, lockStateFolder } from './state-folder.ts';

/** Beyond what the children are given: in the worst case they are ended by force one rank after the other. */
const SHUTDOWN_MARGIN_MS = 60_000;

function rolesOption(arguments_: readonly string[]): string | undefined {
  const index = arguments_.findIndex((argument) => argument === '--roles' || argument.startsWith('--roles='));
  if (index === -1) return undefined;
  return arguments_[index]?.split('=')[1] ?? arguments_[index + 1] ?? '';
}

/** A misspelt option must not be taken for a start without it. */
function refuseUnknownOptions(arguments_: readonly string[]): void {
  const unknown = arguments_.find(
    (argument, index) =>
      argument !== '--roles' && !argument.startsWith('--roles=') && arguments_[index - 1] !== '--roles',
  );
  if (unknown !== undefined)
    throw new StartRefusal(`Unknown option ${unknown}. There are --help and, in production, --roles.`);
}

function openProgress(settings: SupervisorSettings): Progress {
  mkdirSync(path.join(settings.home, 'logs'), { recursive: true });
  return settings.mode === 'development'
    ? terminalProgress(path.join(settings.home, 'logs', 'supervisor.log'))
    : productionProgress();
}

async function run(mode: Mode, arguments_: readonly string[]): Promise<void> {
  refuseUnknownOptions(arguments_);
  const settings = readSettings(mode, undefined, rolesOption(arguments_));
  createStateFolder(settings.home);
  const unlock = lockStateFolder(settings.home);
  process.once('exit', unlock);
  const progress = openProgress(settings);
  const children = createChildGroup(settings.home, progress);
  let stopping = false;
  const shutDown = async (): Promise<void> => {
    stopping = true;
    progress.note('Stopping ...');
    await children.stopAll();
    progress.note('Stopped; the data stays.');
  };
  onShutdown(shutDown, settings.drainTimeoutMs + SHUTDOWN_MARGIN_MS);
  const restartDataPlanes = createRollingRestart(settings.home, children, progress);
  process.on('SIGUSR2', restartDataPlanes);
  // A closed terminal ends everything in order, like Ctrl-C; without one it is how system managers say reload.
  const reloadsOnHangUp = mode === 'production' && !isatty(process.stdin.fd);
  process.on('SIGHUP', reloadsOnHangUp ? restartDataPlanes : () => process.emit('SIGTERM'));
  try {
    await serve(settings, progress, children);
  } catch (error) {
    // Whatever fails because everything is being stopped is not worth a word; the shutdown ends this process.
    if (stopping) return;
    await children.stopAll();
    throw error;
  }
}

async function serve(settings: SupervisorSettings, progress: Progress, children: ChildGroup): Promise<void> {
  const leftovers = await endLeftovers(settings.home);
  if (leftovers.length > 0)
    progress.note(`Ended what an earlier start had left running: ${leftovers.join(', ')}.`);
  const report = await startStack(settings, progress, children);
  if (settings.mode === 'development') await welcome(settings, report);
  else progress.note(`Serving: ${settings.roles.join(', ')}.`);
  announceReady();
}

async function welcome(settings: SupervisorSettings, report: StartReport): Promise<void> {
  const access = readDevelopmentAccess(settings.home);
  const firstToken = await measureFirstToken(settings, access, report.redisInstallMs);
  process.stdout.write(newcomerScreen(access, settings.home, firstToken));
}

function explain(error: unknown): string {
  if (error instanceof SettingsError)
    return `Settings to correct (all of them: README.md, or npm start -- --help):\n${error.message}`;
  if (error instanceof StartRefusal) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

// Whoever read our output may leave before us (a closed terminal, `| head`); that is no reason to end in disorder.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);
const [command = '', ...rest] = process.argv.slice(2);
if (rest.includes('--help')) {
  process.stdout.write(settingsAsText());
} else {
  try {
    await run(command === 'production' ? 'production' : 'development', rest);
  } catch (error) {
    process.stderr.write(`\n${explain(error)}\n\n`);
    process.exit(1);
  }
}
