import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { childrenOf, residentMib } from './process-figures.ts';
import { benchEnvironment } from './settings.ts';

/** Something that passes chat requests on to the provider, and the processes that it costs. */
export interface BenchTarget {
  readonly name: string;
  readonly port: number;
  readonly key: string;
  readonly model: string;
  /** Whether it is CrossModel, which speaks more than one dialect. */
  readonly isProduct: boolean;
  readonly pids: readonly number[];
  /** Resident memory right after the start, MiB. */
  readonly idleMib: number;
  stop(): Promise<void>;
}

const MODEL = 'openai/gpt-4o-mini';
const READY_WITHIN_MS = 90_000;
const POLL_MS = 200;

async function waitForPort(port: number): Promise<void> {
  const untilMs = performance.now() + READY_WITHIN_MS;
  while (performance.now() < untilMs) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (isOpen) return;
    await sleep(POLL_MS);
  }
  throw new Error(`Nothing listens on port ${port}`);
}

function run(
  command: string,
  args: readonly string[],
  extra: NodeJS.ProcessEnv = {},
  cwd?: string,
): ChildProcess {
  const env = { ...benchEnvironment(), ...extra };
  return spawn(command, args, { stdio: 'ignore', env, ...(cwd === undefined ? {} : { cwd }) });
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('A process did not start');
  return child.pid;
}

/** Asks a process to end and waits until it has. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

export function isInstalled(program: string): boolean {
  try {
    execFileSync(program, ['-v'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export async function startProvider(port: number): Promise<{ pid: number; stop(): Promise<void> }> {
  const file = path.join(import.meta.dirname, 'provider-main.ts');
  const child = run(process.execPath, [file, String(port)]);
  await waitForPort(port);
  return { pid: pidOf(child), stop: () => ended(child) };
}

export async function startNginx(port: number, providerPort: number, folder: string): Promise<BenchTarget> {
  const file = path.join(folder, 'nginx.conf');
  const upstream = `upstream provider { server 127.0.0.1:${providerPort}; keepalive 2048; keepalive_requests 1000000; }`;
  const proxy =
    'proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;';
  const server = `server { listen 127.0.0.1:${port} backlog=8192; keepalive_requests 1000000; location / { ${proxy} } }`;
  const http = `http { access_log off; client_max_body_size 64m; client_body_buffer_size 32m; client_body_temp_path ${folder}; proxy_temp_path ${folder}; ${upstream} ${server} }`;
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log; worker_rlimit_nofile 65536; events { worker_connections 32768; } ${http}`,
  );
  const child = run('nginx', ['-c', file, '-p', folder]);
  await waitForPort(port);
  return {
    name: 'nginx',
    isProduct: false,
    port,
    key: 'none',
    model: MODEL,
    pids: childrenOf(pidOf(child)),
    idleMib: residentMib(childrenOf(pidOf(child))),
    stop: () => ended(child),
  };
}

export async function startHaproxy(port: number, providerPort: number, folder: string): Promise<BenchTarget> {
  const file = path.join(folder, 'haproxy.cfg');
  // Without `no strict-limits` it refuses to start where fewer open files are allowed than its connections would need.
  const timeouts = 'timeout connect 5s\n timeout client 60s\n timeout server 60s';
  writeFileSync(
    file,
    `global\n nbthread 1\n no strict-limits\n maxconn 24000\ndefaults\n mode http\n ${timeouts}\nfrontend f\n bind 127.0.0.1:${port}\n default_backend b\nbackend b\n http-reuse always\n server s 127.0.0.1:${providerPort}\n`,
  );
  const child = run('haproxy', ['-db', '-f', file]);
  await waitForPort(port);
  return {
    name: 'haproxy',
    isProduct: false,
    port,
    key: 'none',
    model: MODEL,
    pids: [pidOf(child)],
    idleMib: residentMib([pidOf(child)]),
    stop: () => ended(child),
  };
}

/** The whole product of a checkout, with one data-plane process and the provider as its OpenAI. */
export async function startProduct(options: {
  readonly name: string;
  readonly tree: string;
  readonly port: number;
  readonly providerPort: number;
  readonly folder: string;
  readonly environment: NodeJS.ProcessEnv;
}): Promise<BenchTarget> {
  const { name, tree, port, providerPort, folder } = options;
  const home = path.join(folder, `home-${name.replaceAll(/\W/g, '-')}`);
  mkdirSync(home, { recursive: true });
  const child = run(
    process.execPath,
    ['control-plane/supervisor/bootstrap.mjs', 'start'],
    {
      CROSSMODEL_HOME: home,
      DATA_PLANE_PORT: String(port),
      CONTROL_PLANE_PORT: String(port + 1),
      DATA_PLANE_PROCESSES: '1',
      OPENAI_API_KEY: 'bench',
      OPENAI_BASE_URL: `http://127.0.0.1:${providerPort}/v1`,
      ...options.environment,
    },
    tree,
  );
  await Promise.all([waitForPort(port), waitForPort(port + 1)]);
  const processes: Record<string, number> = JSON.parse(
    readFileSync(path.join(home, 'processes.json'), 'utf8'),
  );
  const pid = processes['data-plane-0'];
  if (pid === undefined) throw new Error('The data plane has no process');
  const key = await makeKey(home);
  return {
    name,
    isProduct: true,
    port,
    key,
    model: MODEL,
    pids: [pid],
    idleMib: residentMib([pid]),
    stop: () => ended(child),
  };
}

/** A key without practical limits, on an account with plenty of credit. */
async function makeKey(home: string): Promise<string> {
  const file: Record<string, string> = JSON.parse(readFileSync(path.join(home, 'dev.json'), 'utf8'));
  const mutate = async (query: string, input: object): Promise<unknown> => {
    const answer = await fetch(file.graphqlUrl ?? '', {
      method: 'POST',
      headers: { authorization: `Bearer ${file.operatorToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables: { input } }),
    });
    return answer.json();
  };
  const { accountId } = file;
  await mutate(
    'mutation($input: CreditGrantInput!) { creditGrant(input: $input) { userErrors { message } } }',
    {
      accountId,
      amountUsd: '9000',
      reason: 'benchmark',
      idempotencyKey: 'benchmark-credit',
    },
  );
  const made = (await mutate(
    'mutation($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) { secret userErrors { message } } }',
    {
      accountId,
      name: 'benchmark',
      rpmLimit: 1_000_000,
      tpmLimit: 1_000_000_000,
      idempotencyKey: 'benchmark-key',
    },
  )) as { data: { apiKeyCreate: { secret: string | null; userErrors: readonly object[] } } };
  const { secret, userErrors } = made.data.apiKeyCreate;
  if (secret === null) throw new Error(`No key: ${JSON.stringify(userErrors)}`);
  return secret;
}

/** A checkout of another commit beside this one, sharing its installed packages. */
export function checkOut(
  repository: string,
  reference: string,
  folder: string,
): { tree: string; remove(): void } {
  const tree = path.join(folder, 'tree');
  execFileSync('git', ['worktree', 'add', '--detach', tree, reference], { cwd: repository, stdio: 'ignore' });
  const packages = path.join(tree, 'node_modules');
  if (!existsSync(packages)) symlinkSync(path.join(repository, 'node_modules'), packages);
  return {
    tree,
    remove: () => {
      rmSync(packages, { force: true });
      execFileSync('git', ['worktree', 'remove', '--force', tree], { cwd: repository, stdio: 'ignore' });
    },
  };
}
