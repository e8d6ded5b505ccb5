/**
 * The one file that any Node from 20 on can run, without dependencies: it installs what the lock file asks for, finds the
 * Node version that the project needs, and re-executes the real command on it.
 *
 *   start | production          ->  control-plane/supervisor/main.ts
 *   restart                     ->  control-plane/supervisor/restart-main.ts
 *   test | test:long            ->  vitest
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { constants as osConstants } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
/** Trees of their own that only tests need, each beside a lock file: a first `npm start` does not wait for them. */
const CLIENT_LIBRARIES = path.join(ROOT, 'test', 'clients');
const COMMAND_LINE_CLIENTS = path.join(CLIENT_LIBRARIES, 'command-line');
const CLIENT_TREES = { test: [CLIENT_LIBRARIES], 'test:long': [CLIENT_LIBRARIES, COMMAND_LINE_CLIENTS] };
const lockFileOf = (tree) => path.join(tree, 'package-lock.json');
/** npm writes this file last, so it exists only after a complete installation, whoever ran it. */
const installedLockFileOf = (tree) => path.join(tree, 'node_modules', '.package-lock.json');
const stampFileOf = (tree) => path.join(tree, 'node_modules', '.crossmodel-install-stamp');
const RUN_FOLDER = path.join(ROOT, '.crossmodel', 'run');
const INSTALL_LOCK = path.join(RUN_FOLDER, 'install.lock');
const SUPPORTED_NODE = '>=22.18 <23';
const CALLER_CHECK_MS = 300;
const LOCK_POLL_MS = 300;
const OUTPUT_TAIL_LINES = 25;
const COMMANDS = ['start', 'production', 'restart', 'test', 'test:long'];
const INTERRUPTED_EXIT_CODE = 130;

const USAGE = `Usage: node control-plane/supervisor/bootstrap.mjs <command> [options]

  start         CrossModel on this machine, with its own Postgres, Redis and sandbox provider   (npm start)
  production    CrossModel on real servers; --roles data-plane,control-plane,workers to run a part
                (npm run start:production)
  restart       new processes for the data plane of a running start, one after the other, no request lost
                (npm run restart:data-plane)
  test          all tests but the long ones                                                     (npm test)
  test:long     the long ones: sustained load, repeated kills, coding agents                   (npm run test:long)

Options after \`test\` go to vitest, for example: npm test -- test/supervisor
`;

class Refusal extends Error {}

const say = (line) => process.stderr.write(`${line}\n`);
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// ---- who is alive -------------------------------------------------------------------------------------------------

/** What the system says about a process; undefined when there is none, or only its unburied remains. */
function processFacts(pid) {
  if (process.platform === 'linux') {
    try {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
      return fields[0] === 'Z' ? undefined : { parent: Number(fields[1]), startTime: fields[19], name };
    } catch {
      return undefined;
    }
  }
  const answer = spawnSync('ps', ['-o', 'ppid=,lstart=,comm=', '-p', String(pid)], { encoding: 'utf8' });
  const [parent, ...rest] = (answer.stdout ?? '').trim().split(/\s+/);
  if (!parent) return undefined;
  return {
    parent: Number(parent),
    startTime: rest.slice(0, 5).join(' '),
    name: path.basename(rest[5] ?? ''),
  };
}

/** A pid alone may have been given to another process since; with its start time it is one process only. */
const processStartTime = (pid) => processFacts(pid)?.startTime ?? '';
const ownIdentity = { pid: process.pid, startTime: processStartTime(process.pid) };

function readIdentity(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function isAlive(identity) {
  if (identity === undefined || !Number.isInteger(identity.pid)) return false;
  return identity.startTime !== '' && processStartTime(identity.pid) === identity.startTime;
}

function registerAsLive(command) {
  const file = path.join(RUN_FOLDER, `${process.pid}.json`);
  try {
    fs.mkdirSync(RUN_FOLDER, { recursive: true });
    fs.writeFileSync(file, JSON.stringify({ ...ownIdentity, command }));
    process.on('exit', () => fs.rmSync(file, { force: true }));
  } catch (error) {
    // A clone that this user may only read can still be run when it is installed already.
    if (!['EACCES', 'EPERM', 'EROFS'].includes(error.code)) throw error;
  }
}

/** The other starts and tests of this clone that are running now; forgets those that ended without saying so. */
function otherLiveCommands() {
  const live = [];
  for (const name of fs.existsSync(RUN_FOLDER) ? fs.readdirSync(RUN_FOLDER) : []) {
    if (!/^\d+\.json$/.test(name) || name === `${process.pid}.json`) continue;
    const file = path.join(RUN_FOLDER, name);
    const identity = readIdentity(file);
    if (isAlive(identity)) live.push(identity);
    else fs.rmSync(file, { force: true });
  }
  return live;
}

// ---- one installer at a time --------------------------------------------------------------------------------------

/** Creates the lock with its content in one step, so that nobody ever reads a half-written owner. */
function tryToLock() {
  const draft = `${INSTALL_LOCK}.${process.pid}`;
  fs.writeFileSync(draft, JSON.stringify(ownIdentity));
  try {
    fs.linkSync(draft, INSTALL_LOCK);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  } finally {
    fs.rmSync(draft, { force: true });
  }
  if (!isAlive(readIdentity(INSTALL_LOCK))) takeAwayStaleLock();
  return false;
}

/** Two waiters may see the same dead owner: what was moved away is looked at again, and a living owner's lock put back. */
function takeAwayStaleLock() {
  const moved = `${INSTALL_LOCK}.stale.${process.pid}`;
  try {
    fs.renameSync(INSTALL_LOCK, moved);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  if (isAlive(readIdentity(moved)) && !fs.existsSync(INSTALL_LOCK)) fs.linkSync(moved, INSTALL_LOCK);
  fs.rmSync(moved, { force: true });
}

async function withInstallLock(work) {
  try {
    fs.mkdirSync(RUN_FOLDER, { recursive: true });
    fs.accessSync(RUN_FOLDER, fs.constants.W_OK);
  } catch {
    throw new Refusal(
      `Dependencies must be installed, but this user may not write to ${ROOT}.\n` +
        'Run the command as the owner of the clone, or make a clone of your own.',
    );
  }
  let announced = false;
  while (!tryToLock()) {
    if (!announced) say('Another start or test of this clone is installing dependencies; waiting for it.');
    announced = true;
    await pause(LOCK_POLL_MS);
  }
  const unlock = () => fs.rmSync(INSTALL_LOCK, { force: true });
  process.on('exit', unlock);
  try {
    return await work();
  } finally {
    process.off('exit', unlock);
    unlock();
  }
}

// ---- is the right tree installed? ---------------------------------------------------------------------------------

const digest = (file) => createHash('sha256').update(fs.readFileSync(file)).digest('hex');

let libc;
/** Looking costs some ms, so it is done once and only when trees are compared. */
function ownLibc() {
  libc ??= process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
  return libc;
}

function isForThisMachine(entry) {
  const allows = (list, value) =>
    list === undefined ||
    (list.includes(`!${value}`) ? false : list.includes(value) || list[0]?.startsWith('!'));
  return (
    allows(entry.os, process.platform) &&
    allows(entry.cpu, process.arch) &&
    (process.platform !== 'linux' || allows(entry.libc, ownLibc()))
  );
}

/** Compares the lock file with npm's own book of what it installed, package by package. */
function treeMatchesLockFile(tree, withDevelopment) {
  const wanted = JSON.parse(fs.readFileSync(lockFileOf(tree), 'utf8')).packages;
  const installed = JSON.parse(fs.readFileSync(installedLockFileOf(tree), 'utf8')).packages;
  for (const [folder, entry] of Object.entries(wanted)) {
    if (folder === '' || (entry.dev === true && !withDevelopment)) continue;
    const found = installed[folder];
    if (found === undefined) {
      if ((entry.optional || entry.devOptional || entry.peer) && !isForThisMachine(entry)) continue;
      if ((entry.optional || entry.devOptional) && entry.os === undefined) continue;
      return false;
    }
    if (found.version !== entry.version || found.integrity !== entry.integrity) return false;
  }
  return true;
}

const stampOf = (tree) =>
  `${digest(lockFileOf(tree))} ${digest(installedLockFileOf(tree))} ${process.platform}-${process.arch}`;

function installationIsCurrent(tree, withDevelopment) {
  if (!fs.existsSync(installedLockFileOf(tree))) return false;
  const stamp = stampOf(tree);
  const known = fs.existsSync(stampFileOf(tree)) ? fs.readFileSync(stampFileOf(tree), 'utf8').trim() : '';
  if (known === `${stamp} all` || (known === `${stamp} runtime` && !withDevelopment)) return true;
  if (!treeMatchesLockFile(tree, withDevelopment)) return false;
  writeStamp(tree, withDevelopment);
  return true;
}

function writeStamp(tree, withDevelopment) {
  const scope = withDevelopment ? 'all' : 'runtime';
  try {
    fs.writeFileSync(stampFileOf(tree), `${stampOf(tree)} ${scope}\n`);
  } catch {
    // A tree that may only be read is compared again next time; that costs milliseconds.
  }
}

/** What npm sees must not depend on how this command was called (`npm start --omit=dev`, NODE_ENV=production ...). */
function environmentForNpm() {
  const env = { ...process.env };
  for (const name of Object.keys(env)) {
    if (
      /^npm_(package|lifecycle)_/i.test(name) ||
      /^npm_config_(omit|include|only|production|dry_run|global)$/i.test(name)
    )
      delete env[name];
  }
  delete env.NODE_ENV;
  delete env.NODE_OPTIONS;
  const ownBinaries = path.join(ROOT, 'node_modules', '.bin');
  env.PATH = (env.PATH ?? '')
    .split(path.delimiter)
    .filter((folder) => folder !== ownBinaries)
    .join(path.delimiter);
  return env;
}

function showElapsed(label) {
  const startedMs = performance.now();
  const live = process.stderr.isTTY;
  if (!live) say(label);
  const timer = setInterval(
    () => {
      const elapsed = `${Math.round((performance.now() - startedMs) / 1000)} s`;
      if (live) process.stderr.write(`\r${label} ${elapsed} `);
      else say(`  ... ${elapsed}`);
    },
    live ? 1000 : 15_000,
  );
  return (outcome) => {
    clearInterval(timer);
    const elapsedMs = performance.now() - startedMs;
    say(`${live ? '\r' : ''}${label} ${outcome} after ${seconds(elapsedMs)}`);
    return elapsedMs;
  };
}

/** Runs `npm ci` in a tree; returns how long it took in ms. */
async function install(tree) {
  const what = tree === ROOT ? 'dependencies' : path.relative(ROOT, tree);
  const finish = showElapsed(`Installing ${what} from the lock file (once per version) ...`);
  const arguments_ = [
    'ci',
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
    '--no-progress',
    '--engine-strict=false',
    '--loglevel=error',
  ];
  const npm = spawn('npm', arguments_, {
    cwd: tree,
    env: environmentForNpm(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const collect = (chunk) => {
    output = (output + chunk).slice(-20_000);
  };
  npm.stdout.on('data', collect);
  npm.stderr.on('data', collect);
  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
    npm.kill('SIGTERM');
  };
  const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of endings) process.on(signal, interrupt);
  const code = await new Promise((resolve) => {
    npm.on('error', (error) => {
      collect(error.code === 'ENOENT' ? 'npm was not found on PATH.' : String(error));
      resolve(1);
    });
    npm.on('close', resolve);
  });
  for (const signal of endings) process.off(signal, interrupt);
  if (interrupted) {
    say('\nInstallation interrupted; the next start begins it again.');
    process.exit(INTERRUPTED_EXIT_CODE);
  }
  const elapsedMs = finish(code === 0 ? 'done' : 'failed');
  if (code === 0) return elapsedMs;
  const tail = output.trimEnd().split('\n').slice(-OUTPUT_TAIL_LINES).join('\n');
  throw new Refusal(
    `npm could not install the dependencies. The end of its output:\n\n${tail}\n\n` +
      'Check the network, the registry (`npm config get registry`) and the free disk space (about 1 GB), then run the command again.',
  );
}

/** Installs if needed; returns how many ms that took. */
async function installIfNeeded(command) {
  const withDevelopment = command.startsWith('test');
  if (installationIsCurrent(ROOT, withDevelopment)) {
    registerAsLive(command);
    return 0;
  }
  return withInstallLock(async () => {
    let elapsedMs = 0;
    if (!installationIsCurrent(ROOT, withDevelopment)) {
      const [other] = otherLiveCommands();
      if (other !== undefined) {
        throw new Refusal(
          `package-lock.json has changed, but \`npm ${other.command}\` of this clone is running (process ${other.pid}),\n` +
            'and installing would take its files away. Stop it (Ctrl-C in its terminal), then run this command again.',
        );
      }
      elapsedMs = await install(ROOT);
      writeStamp(ROOT, true);
    }
    registerAsLive(command);
    return elapsedMs;
  });
}

/** Real clients for the tests. Without them the product can still be tested, so their absence is said and no failure. */
async function installClientsIfNeeded(command) {
  for (const tree of CLIENT_TREES[command] ?? []) {
    if (!fs.existsSync(lockFileOf(tree)) || installationIsCurrent(tree, true)) continue;
    try {
      await withInstallLock(async () => {
        if (installationIsCurrent(tree, true)) return;
        await install(tree);
        writeStamp(tree, true);
      });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      say(
        `${error.message}\n\nGoing on without: tests of the clients in ${path.relative(ROOT, tree)} are skipped.\n`,
      );
    }
  }
}

// ---- the required Node --------------------------------------------------------------------------------------------

function isSupportedNode(version) {
  const [major, minor] = version.replace(/^v/, '').split('.').map(Number);
  return major === 22 && minor >= 18;
}

function findNode() {
  if (isSupportedNode(process.versions.node)) return process.execPath;
  const packaged = path.join(ROOT, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (fs.existsSync(packaged)) {
    const answer = spawnSync(packaged, ['--version'], { encoding: 'utf8', env: { PATH: process.env.PATH } });
    if (answer.status === 0 && isSupportedNode(answer.stdout.trim())) return packaged;
  }
  throw new Refusal(
    `CrossModel runs on Node 22 (${SUPPORTED_NODE}); this is Node ${process.versions.node}, and for ${process.platform}-${process.arch} ` +
      'no Node 22 comes with the dependencies.\nInstall Node 22, put it first on PATH, and run the command again.',
  );
}

// ---- run ----------------------------------------------------------------------------------------------------------

function commandLine(command, rest) {
  if (command === 'start' || command === 'production')
    return [path.join(ROOT, 'control-plane', 'supervisor', 'main.ts'), command, ...rest];
  if (command === 'restart') return [path.join(ROOT, 'control-plane', 'supervisor', 'restart-main.ts')];
  const project = command === 'test' ? 'default' : 'long';
  return [path.join(ROOT, 'node_modules', 'vitest', 'vitest.mjs'), 'run', '--project', project, ...rest];
}

function childEnvironment(command, installMs) {
  const env = { ...process.env };
  // Flags meant for another Node (or a debugger port) would reach every process that we start.
  delete env.NODE_OPTIONS;
  delete env.CROSSMODEL_LIFELINE_FD;
  // Test workers use descriptor 3 for their own channel, so their lifeline has a name that only the main process reads.
  env[command.startsWith('test') ? 'CROSSMODEL_TEST_LIFELINE_FD' : 'CROSSMODEL_LIFELINE_FD'] = '3';
  env.CROSSMODEL_STARTED_AT_MS = String(Math.round(performance.timeOrigin));
  env.CROSSMODEL_INSTALL_MS = String(Math.round(installMs));
  return env;
}

/**
 * `npm start` runs us by way of a shell. Killed, npm leaves both behind, so we look whether it is still there ourselves.
 * Called directly, nobody is watched: such a process may be meant to outlive its terminal.
 */
function callingProcesses() {
  if (process.env.npm_lifecycle_event === undefined && process.env.NODE_RUN_SCRIPT_NAME === undefined)
    return [];
  const pids = [process.ppid];
  const parent = processFacts(process.ppid);
  if (parent !== undefined && /^-?(sh|bash|dash|ash|zsh|ksh)$/.test(parent.name)) pids.push(parent.parent);
  return pids.filter((pid) => pid > 1);
}

function isRunning(pid) {
  if (process.platform === 'linux') return processFacts(pid) !== undefined;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Starts the real command and lives exactly as long: the child sees the end of descriptor 3 if this process is killed. */
function runOn(node, command, rest, installMs) {
  const child = spawn(node, commandLine(command, rest), {
    cwd: ROOT,
    env: childEnvironment(command, installMs),
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
  });
  child.stdio[3].on('error', () => undefined);
  child.stdio[3].resume();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2']) {
    process.on(signal, () => {
      // Ctrl-C reaches the whole terminal group at once; for vitest a second one would mean "at once, without clean-up".
      const terminalSentItToo = signal === 'SIGINT' && process.stdin.isTTY && command.startsWith('test');
      if (!terminalSentItToo) child.kill(signal);
    });
  }
  const callers = callingProcesses();
  if (callers.length > 0) {
    setInterval(() => {
      if (!callers.every(isRunning)) child.kill('SIGTERM');
    }, CALLER_CHECK_MS).unref();
  }
  child.on('error', (error) => {
    say(`Could not run ${node}: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    process.exit(signal === null ? (code ?? 1) : 128 + (osConstants.signals[signal] ?? 0));
  });
}

async function main() {
  const [command, ...rest] = process.argv.slice(2);
  if (Number(process.versions.node.split('.')[0]) < 20)
    throw new Refusal(`CrossModel needs Node 20 or newer; this is ${process.versions.node}.`);
  if (process.platform === 'win32')
    throw new Refusal('CrossModel runs on Linux and macOS. On Windows, use WSL.');
  const wantsHelp = command === '--help' || command === '-h' || command === 'help';
  if (wantsHelp || !COMMANDS.includes(command)) {
    process.stdout.write(USAGE);
    process.exitCode = wantsHelp ? 0 : 2;
    return;
  }
  const installMs = await installIfNeeded(command);
  await installClientsIfNeeded(command);
  runOn(findNode(), command, rest, installMs);
}

main().catch((error) => {
  say(error instanceof Refusal ? `\n${error.message}\n` : error.stack);
  process.exitCode = 1;
});
