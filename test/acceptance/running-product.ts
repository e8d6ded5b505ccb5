import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { choosePort } from '#control-plane/supervisor/network-ports.ts';
import { systemClock } from '#shared/clock.ts';
import { bareEnvironment } from './settings.ts';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 30_000;
const POLL_MS = 100;

/** What `npm start` writes for scripts. */
export interface ProductAccess {
  readonly dataPlaneUrl: string;
  readonly graphqlUrl: string;
  readonly apiKey: string;
  readonly managementToken: string;
  readonly operatorToken: string;
  readonly accountId: string;
}

/** The product as a newcomer has it: one command, its own stores, everything known from `dev.json`. */
export interface RunningProduct {
  readonly home: string;
  readonly access: ProductAccess;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** The children that run now, by name. */
  processes(): Readonly<Record<string, number>>;
  /** Ends it as Ctrl-C would, and removes its state folder unless that is to be kept or it failed to end. */
  stop(keepsState?: boolean): Promise<void>;
}

/** Starts the product in a new state folder on ports of its own. `settings` are environment variables of the README. */
export async function startProduct(settings: Readonly<Record<string, string>> = {}): Promise<RunningProduct> {
  const home = mkdtempSync(path.join(tmpdir(), 'crossmodel-outside-'));
  const output = openSync(path.join(home, 'start.out'), 'a', 0o600);
  const child = spawn(process.execPath, ['control-plane/supervisor/bootstrap.mjs', 'start'], {
    cwd: ROOT,
    env: {
      ...bareEnvironment(),
      // As under npm: then the product notices when this process is killed, and ends as well.
      npm_lifecycle_event: 'start',
      CROSSMODEL_HOME: home,
      DATA_PLANE_PORT: String(await choosePort(undefined)),
      CONTROL_PLANE_PORT: String(await choosePort(undefined)),
      DATA_PLANE_PROCESSES: '2',
      SANDBOX_PACE: 'instant',
      ...settings,
    },
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  let exited: string | undefined;
  child.once('exit', (code, signal) => {
    exited = signal ?? `exit code ${code}`;
  });
  child.once('error', (error) => {
    exited = error.message;
  });
  const said = (): string => readFileSync(path.join(home, 'start.out'), 'utf8').slice(-4_000);
  try {
    const access = await untilServing(home, () => exited);
    return {
      home,
      access,
      databaseUrl:
        settings.DATABASE_URL ?? embeddedUrl(home, 'postgres', 'postgres://crossmodel', '/crossmodel'),
      redisUrl: settings.REDIS_URL ?? embeddedUrl(home, 'redis', 'redis://', '/0'),
      processes: () => readJson(path.join(home, 'processes.json')) as Record<string, number>,
      stop: async (keepsState = false) => {
        child.kill('SIGINT');
        if (!(await within(STOP_TIMEOUT_MS, () => exited !== undefined)))
          throw new Error(`The product did not end within ${STOP_TIMEOUT_MS} ms of SIGINT:\n${said()}`);
        if (!keepsState) rmSync(home, { recursive: true, force: true });
      },
    };
  } catch (error) {
    child.kill('SIGTERM');
    throw new Error(`The product did not start:\n${said()}`, { cause: error });
  }
}

async function untilServing(home: string, exited: () => string | undefined): Promise<ProductAccess> {
  let access: ProductAccess | undefined;
  const serves = async (): Promise<boolean> => {
    if (exited() !== undefined) throw new Error(`The start command ended: ${exited()}`);
    access ??= readJson(path.join(home, 'dev.json')) as ProductAccess | undefined;
    if (access === undefined) return false;
    const { dataPlaneUrl, graphqlUrl } = access;
    return (await statusOf(`${dataPlaneUrl}/readyz`)) === 200 && (await statusOf(graphqlUrl)) !== undefined;
  };
  if (!(await within(START_TIMEOUT_MS, serves)) || access === undefined)
    throw new Error(`Not serving within ${START_TIMEOUT_MS} ms`);
  return access;
}

/** Polls until `condition` holds; false when it did not in time. */
export async function within(
  timeoutMs: number,
  condition: () => boolean | Promise<boolean>,
): Promise<boolean> {
  const deadlineMs = systemClock.monotonicMs() + timeoutMs;
  for (;;) {
    if (await condition()) return true;
    if (systemClock.monotonicMs() > deadlineMs) return false;
    await delay(POLL_MS);
  }
}

async function statusOf(url: string): Promise<number | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return undefined;
  }
}

/** `undefined` while the file does not exist or is being written. */
function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** The address of a store that the product brought up itself, from what it keeps in its state folder. */
function embeddedUrl(home: string, store: string, scheme: string, suffix: string): string {
  const read = (name: string): string => readFileSync(path.join(home, name), 'utf8').trim();
  return `${scheme}:${read(`${store}.password`)}@127.0.0.1:${read(`${store}.port`)}${suffix}`;
}
