import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '#shared/clock.ts';
import { choosePort } from './network-ports.ts';
import { commandLineOf, endProcesses, identify, processesWorkingIn } from './process-identity.ts';
import type { RedisProgram } from './redis-program.ts';
import { keptSecret, rememberedNumber, writePrivately } from './state-folder.ts';
import type { ChildSpecification } from './supervised-process.ts';

const PROGRAM_NAMES = ['redis-server', 'valkey-server', 'redis-check-rdb', 'valkey-check-rdb'];
const READY_POLL_MS = 15;
const PING_TIMEOUT_MS = 1_000;
/** Reading back a large log after a crash takes its time. */
const READY_TIMEOUT_MS = 600_000;
const STOP_GRACE_MS = 10_000;
const LEFTOVER_GRACE_MS = 3_000;
/** So many starts in a row that ended before Redis served mean that it cannot read its own files. */
const UNREADABLE_AFTER_STARTS = 4;

export interface OwnRedis {
  /** Without a database number; append `/n`. */
  readonly url: string;
  readonly child: ChildSpecification;
}

export interface RedisOptions {
  readonly program: RedisProgram;
  /** Holds the data, the configuration, the port and the password. */
  readonly folder: string;
  readonly logFile: string;
  /** False only for data that is thrown away. */
  readonly durable: boolean;
  /** Logical databases: tests use one per worker. */
  readonly databases: number;
}

/** Prepares configuration, password and port; `child` then starts it. */
export async function prepareRedis(options: RedisOptions): Promise<OwnRedis> {
  const dataFolder = path.join(options.folder, 'redis');
  createDataFolder(dataFolder);
  await endLeftoverRedis(options.folder, dataFolder);
  const password = keptSecret(path.join(options.folder, 'redis.password'));
  const portFile = path.join(options.folder, 'redis.port');
  const port = await choosePort(rememberedNumber(portFile));
  writePrivately(portFile, `${port}\n`);
  const configuration = path.join(options.folder, 'redis.conf');
  writePrivately(configuration, configurationText(options, { dataFolder, password, port }));
  let startsSinceReady = 0;
  return {
    url: `redis://:${password}@127.0.0.1:${port}`,
    child: {
      name: 'redis',
      program: options.program.file,
      // The password stays in the file: arguments are visible to every user of the machine.
      arguments: [configuration],
      environment: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      invokedAs: options.program.invokedAs,
      workingDirectory: dataFolder,
      logFile: options.logFile,
      stopSignal: 'SIGTERM',
      readyTimeoutMs: READY_TIMEOUT_MS,
      stopGraceMs: STOP_GRACE_MS,
      beforeStart: async () => {
        await endLeftoverRedis(options.folder, dataFolder);
        if (startsSinceReady >= UNREADABLE_AFTER_STARTS) setAside(dataFolder);
        startsSinceReady = startsSinceReady >= UNREADABLE_AFTER_STARTS ? 1 : startsSinceReady + 1;
      },
      untilReady: async (_pid, signal) => {
        while (!(await answersPing(port, password))) {
          signal.throwIfAborted();
          await delay(READY_POLL_MS);
        }
        startsSinceReady = 0;
      },
    },
  };
}

function createDataFolder(dataFolder: string): void {
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  chmodSync(dataFolder, 0o700);
}

/** Nothing in Redis is the only copy of anything that costs money, so an unreadable file is no reason to stay down. */
function setAside(dataFolder: string): void {
  renameSync(dataFolder, `${dataFolder}.unreadable-${systemClock.nowMs()}`);
  createDataFolder(dataFolder);
}

async function endLeftoverRedis(folder: string, dataFolder: string): Promise<void> {
  const leftovers = processesWorkingIn(dataFolder, PROGRAM_NAMES);
  const pidFile = path.join(folder, 'redis.pid');
  if (process.platform !== 'linux' && existsSync(pidFile)) {
    const pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10);
    if (Number.isInteger(pid) && commandLineOf(pid).includes('127.0.0.1')) leftovers.push(identify(pid));
  }
  await endProcesses(leftovers, 'SIGTERM', LEFTOVER_GRACE_MS);
}

function configurationText(
  options: RedisOptions,
  server: { dataFolder: string; password: string; port: number },
): string {
  const quoted = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  return [
    `port ${server.port}`,
    'bind 127.0.0.1',
    'protected-mode yes',
    `requirepass ${server.password}`,
    `dir ${quoted(server.dataFolder)}`,
    `pidfile ${quoted(path.join(options.folder, 'redis.pid'))}`,
    'daemonize no',
    `databases ${options.databases}`,
    `appendonly ${options.durable ? 'yes' : 'no'}`,
    'appendfsync everysec',
    // A kill may cut the last command in half; what precedes it is whole.
    'aof-load-truncated yes',
    'save ""',
    'maxmemory-policy noeviction',
    // The slow log would keep arguments of commands.
    'slowlog-log-slower-than -1',
    '',
  ].join('\n');
}

/** One inline command on a fresh connection; false while Redis is absent or still loading. */
function answersPing(port: number, password: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const finish = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    let heard = '';
    socket.setTimeout(PING_TIMEOUT_MS, () => finish(false));
    socket.on('error', () => finish(false));
    socket.on('close', () => finish(false));
    socket.on('connect', () => socket.write(`AUTH ${password}\r\nPING\r\n`));
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
      if (heard.includes('+PONG')) finish(true);
      else if (heard.includes('-LOADING')) finish(false);
    });
  });
}
