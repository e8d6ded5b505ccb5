import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { type ProgramResult, runProgram } from './run-program.ts';
import { StartRefusal } from './start-refusal.ts';

/** A Redis or Valkey server that this machine can run. */
export interface RedisProgram {
  readonly file: string;
  /** The name under which it must be called: one binary may be several programs and looks at its own name. */
  readonly invokedAs: string;
}

interface PackageManager {
  readonly name: string;
  /** Commands in order; the first that succeeds is enough. */
  readonly attempts: readonly (readonly string[])[];
  readonly needsRoot: boolean;
}

const INSTALL_TIMEOUT_MS = 300_000;
const VERSION_PATTERN = /(?:Redis|Valkey) server/;
/**
 * Debian and its relatives build one binary for server and file checker; their package `redis-tools` holds it without the
 * system service that `redis-server` would start and enable.
 */
const CANDIDATES: readonly { file: string; invokedAs: string }[] = [
  { file: 'redis-server', invokedAs: 'redis-server' },
  { file: 'valkey-server', invokedAs: 'valkey-server' },
  { file: 'redis-check-rdb', invokedAs: 'redis-server' },
  { file: 'valkey-check-rdb', invokedAs: 'valkey-server' },
];
const USUAL_FOLDERS = ['/usr/local/bin', '/opt/homebrew/bin', '/usr/bin', '/usr/sbin'];

const APT = ['apt-get', '-y', '-qq', '-o', 'DPkg::Lock::Timeout=60'];
const PACKAGE_MANAGERS: readonly PackageManager[] = [
  {
    name: 'apt-get',
    attempts: [
      [...APT, 'install', '--no-install-recommends', 'redis-tools'],
      ['sh', '-c', `${APT.join(' ')} update && ${APT.join(' ')} install --no-install-recommends redis-tools`],
    ],
    needsRoot: true,
  },
  {
    name: 'dnf',
    attempts: [
      ['dnf', 'install', '-y', 'valkey'],
      ['dnf', 'install', '-y', 'redis'],
    ],
    needsRoot: true,
  },
  {
    name: 'apk',
    attempts: [
      ['apk', 'add', '--no-cache', 'redis'],
      ['apk', 'add', '--no-cache', 'valkey'],
    ],
    needsRoot: true,
  },
  { name: 'brew', attempts: [['brew', 'install', 'redis']], needsRoot: false },
];

type Environment = Readonly<NodeJS.ProcessEnv>;

function findOnPath(name: string, environment: Environment): string | undefined {
  for (const folder of [...(environment.PATH ?? '').split(path.delimiter), ...USUAL_FOLDERS]) {
    if (!path.isAbsolute(folder)) continue;
    const file = path.join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** The server on PATH that answers to `--version` as a Redis or Valkey server; undefined when there is none. */
export function findRedisProgram(environment: Environment): RedisProgram | undefined {
  for (const { file: name, invokedAs } of CANDIDATES) {
    const file = findOnPath(name, environment);
    if (file === undefined) continue;
    const answer = spawnSync(file, ['--version'], { argv0: invokedAs, encoding: 'utf8' });
    if (answer.status === 0 && VERSION_PATTERN.test(answer.stdout)) return { file, invokedAs };
  }
  return undefined;
}

/**
 * Installs Redis with the system's package manager where this user may do that without being asked anything. No service is
 * started or enabled. Throws StartRefusal with what to do otherwise.
 */
export async function installRedis(environment: Environment): Promise<RedisProgram> {
  const manager = PACKAGE_MANAGERS.find(({ name }) => findOnPath(name, environment) !== undefined);
  if (manager === undefined) throw new StartRefusal(missingRedisMessage(undefined));
  const asRoot = manager.needsRoot && process.getuid?.() !== 0 ? sudoPrefix(environment) : [];
  if (asRoot === undefined) throw new StartRefusal(missingRedisMessage(manager.name));
  let last: ProgramResult = { code: null, outputTail: '' };
  for (const attempt of manager.attempts) {
    const [program = '', ...rest] = [...asRoot, ...attempt];
    last = await runProgram(program, rest, {
      environment: { ...environment, DEBIAN_FRONTEND: 'noninteractive', HOMEBREW_NO_AUTO_UPDATE: '1' },
      workingDirectory: '/',
      timeoutMs: INSTALL_TIMEOUT_MS,
    });
    const program_ = last.code === 0 ? findRedisProgram(environment) : undefined;
    if (program_ !== undefined) return program_;
  }
  throw new StartRefusal(
    `${missingRedisMessage(manager.name)}\n\n${manager.name} could not install it; the end of its output:\n${last.outputTail.trim()}`,
  );
}

/** `sudo -n` where it works without a password; undefined where it does not. */
function sudoPrefix(environment: Environment): readonly string[] | undefined {
  const sudo = findOnPath('sudo', environment);
  if (sudo === undefined || spawnSync(sudo, ['-n', 'true'], { stdio: 'ignore' }).status !== 0)
    return undefined;
  return [sudo, '-n'];
}

function missingRedisMessage(managerName: string | undefined): string {
  const commands: Record<string, string> = {
    'apt-get': 'sudo apt-get install redis-tools',
    dnf: 'sudo dnf install valkey',
    apk: 'sudo apk add redis',
    brew: 'brew install redis',
  };
  const command = managerName === undefined ? undefined : commands[managerName];
  return (
    'CrossModel needs Redis 7 (or Valkey), and neither redis-server nor valkey-server is on PATH.\n' +
    `Either install it${command === undefined ? '' : ` (${command})`}, or set REDIS_URL to a server of your own, ` +
    'for example REDIS_URL=redis://127.0.0.1:6379/0 (its maxmemory-policy must be noeviction).'
  );
}
