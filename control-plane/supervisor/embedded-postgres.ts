import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { choosePort } from './network-ports.ts';
import { type PostgresPlacement, placePostgres } from './postgres-placement.ts';
import { commandLineOf, endProcesses, processesWorkingIn } from './process-identity.ts';
import { runProgram } from './run-program.ts';
import { StartRefusal } from './start-refusal.ts';
import { keptSecret, rememberedNumber, writePrivately } from './state-folder.ts';
import type { ChildSpecification } from './supervised-process.ts';

const SUPERUSER = 'crossmodel';
const DATABASE = 'crossmodel';
const READY_POLL_MS = 15;
/** Reading back a large log after a crash takes its time. */
const READY_TIMEOUT_MS = 600_000;
const STOP_GRACE_MS = 15_000;
const PID_FILE_STATUS_LINE = 7;
const INITDB_TIMEOUT_MS = 120_000;

export interface EmbeddedPostgres {
  readonly url: string;
  readonly child: ChildSpecification;
  /** Whether this start created the database files. */
  readonly isNew: boolean;
}

export interface PostgresOptions {
  readonly repositoryRoot: string;
  /** Holds the data (or, where the database user cannot enter it, only a pointer to it), the port and the password. */
  readonly folder: string;
  readonly logFile: string;
  /** False only for databases that are thrown away: the data does not survive a power failure. */
  readonly durable: boolean;
}

/**
 * Statement texts, parameters and row values may hold what nobody may read in a log, so the server is told to write none
 * of them, not even with an error.
 */
const QUIET_LOG = {
  log_statement: 'none',
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_min_duration_statement: '-1',
  log_error_verbosity: 'terse',
  log_parameter_max_length: '0',
  log_parameter_max_length_on_error: '0',
};

const SERVER = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  password_encryption: 'scram-sha-256',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // Little log to replay means little time between a crash and serving again.
  max_wal_size: '256MB',
};

const THROW_AWAY = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', autovacuum: 'off' };

/** The system's own variables for Postgres (PGDATA, PGOPTIONS ...) and its language must not reach ours. */
const PLAIN_ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** Prepares data files, password and port; `child` then starts it. */
export async function prepareEmbeddedPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const placement = placePostgres(options.repositoryRoot, options.folder);
  const password = keptSecret(path.join(options.folder, 'postgres.password'));
  const versionFile = path.join(placement.dataFolder, 'PG_VERSION');
  const isNew = !existsSync(versionFile);
  const dataVersion = isNew ? placement.majorVersion : readFileSync(versionFile, 'utf8').trim();
  if (dataVersion !== placement.majorVersion) {
    throw new StartRefusal(
      `The data in ${placement.dataFolder} was written by Postgres ${dataVersion}; this version of CrossModel comes with ` +
        `${placement.majorVersion}. Run the earlier version of CrossModel, or set CROSSMODEL_HOME to a new folder.`,
    );
  }
  if (isNew) await createCluster(placement, password, options.durable);
  const portFile = path.join(options.folder, 'postgres.port');
  await clearDataFolder(placement.dataFolder);
  const port = await choosePort(rememberedNumber(portFile));
  writePrivately(portFile, `${port}\n`);
  const url = `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${DATABASE}`;
  const settings = { ...SERVER, ...QUIET_LOG, ...(options.durable ? {} : THROW_AWAY), port: String(port) };
  return {
    url,
    isNew,
    child: {
      name: 'postgres',
      program: path.join(placement.binaryFolder, 'postgres'),
      arguments: [
        '-D',
        placement.dataFolder,
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      environment: PLAIN_ENVIRONMENT,
      workingDirectory: placement.dataFolder,
      user: placement.user,
      logFile: options.logFile,
      stopSignal: 'SIGINT',
      readyTimeoutMs: READY_TIMEOUT_MS,
      stopGraceMs: STOP_GRACE_MS,
      beforeStart: () => clearDataFolder(placement.dataFolder),
      untilReady: async (pid, signal) => {
        await untilServerAccepts(placement.dataFolder, pid, signal);
        await ensureDatabase(url);
      },
    },
  };
}

/** Runs initdb beside the final place and moves the result there, so that a start cut short leaves nothing half-made. */
async function createCluster(
  placement: PostgresPlacement,
  password: string,
  durable: boolean,
): Promise<void> {
  const draft = `${placement.dataFolder}.new`;
  rmSync(draft, { recursive: true, force: true });
  const passwordFile = `${placement.dataFolder}.password`;
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (placement.user !== undefined) chownSync(passwordFile, placement.user.uid, placement.user.gid);
  const initdb = await runProgram(
    path.join(placement.binaryFolder, 'initdb'),
    [
      `--pgdata=${draft}`,
      `--username=${SUPERUSER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--locale=C',
      '--encoding=UTF8',
      ...(durable ? [] : ['--no-sync']),
    ],
    {
      workingDirectory: path.dirname(placement.dataFolder),
      environment: PLAIN_ENVIRONMENT,
      user: placement.user,
      timeoutMs: INITDB_TIMEOUT_MS,
    },
  );
  rmSync(passwordFile, { force: true });
  if (initdb.code !== 0) {
    throw new StartRefusal(
      `The embedded Postgres could not create its database in ${placement.dataFolder}:\n${initdb.outputTail}\n` +
        'Set DATABASE_URL to use a Postgres server of your own.',
    );
  }
  renameSync(draft, placement.dataFolder);
}

/**
 * A postmaster that was killed leaves its backends for a moment, which still hold the shared memory, and its pid file,
 * whose number may meanwhile belong to anybody. Both keep a new one from starting, so both are cleared first.
 */
async function clearDataFolder(dataFolder: string): Promise<void> {
  await endProcesses(processesWorkingIn(dataFolder, ['postgres']), 'SIGQUIT', 200);
  const pidFile = path.join(dataFolder, 'postmaster.pid');
  if (!existsSync(pidFile)) return;
  const pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10);
  const isOurs =
    process.platform !== 'linux' && Number.isInteger(pid) && commandLineOf(pid).includes(dataFolder);
  // Only Linux lets us look for orphaned backends; elsewhere Postgres itself must judge the shared memory by this file.
  if (process.platform === 'linux' || (!isOurs && commandLineOf(pid) !== ''))
    rmSync(pidFile, { force: true });
}

/** The last line of the pid file is the server's own word on its state (`starting`, `ready`). */
async function untilServerAccepts(dataFolder: string, pid: number, signal: AbortSignal): Promise<void> {
  const pidFile = path.join(dataFolder, 'postmaster.pid');
  for (;;) {
    signal.throwIfAborted();
    const lines = existsSync(pidFile) ? readFileSync(pidFile, 'utf8').split('\n') : [];
    if (Number(lines[0]) === pid && lines[PID_FILE_STATUS_LINE]?.trim() === 'ready') return;
    await delay(READY_POLL_MS);
  }
}

/** Creates our database in a new cluster; harmless when it is there. */
async function ensureDatabase(url: string): Promise<void> {
  const sql = postgres(url.replace(/[^/]*$/, 'postgres'), {
    max: 1,
    connect_timeout: 5,
    // Otherwise the driver ends this process when Postgres is killed right after the connection was made.
    fetch_types: false,
  });
  try {
    const found = await sql`select 1 from pg_database where datname = ${DATABASE}`;
    if (found.length === 0) await sql.unsafe(`create database ${DATABASE}`);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
