import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { identify, isAlive } from '#control-plane/supervisor/process-identity.ts';
import { REPOSITORY_ROOT } from '#test/rules/source-files.ts';
import { readTestSettings } from '#test/setup/settings.ts';

/** A clone with one dependency, an npm that writes down how it was called, and a product that says how it was started. */
const FAKE_NPM = `#!/bin/sh
echo "npm $*" >> "$CLONE/npm-calls"
[ -f "$CLONE/npm-is-slow" ] && sleep 1
if [ -f npm-fails ]; then echo "the registry is on holiday" >&2; exit 1; fi
mkdir -p node_modules && cp package-lock.json node_modules/.package-lock.json
`;
const FAKE_MAIN = `
import { Socket } from 'node:net';
const { NODE_OPTIONS, CROSSMODEL_LIFELINE_FD, CROSSMODEL_STARTED_AT_MS, CROSSMODEL_INSTALL_MS } = process.env;
const said: Record<string, unknown> = { pid: process.pid, arguments: process.argv.slice(2), NODE_OPTIONS, CROSSMODEL_STARTED_AT_MS, CROSSMODEL_INSTALL_MS };
process.stdout.write(JSON.stringify(said) + '\\n');
const lifeline = new Socket({ fd: Number(CROSSMODEL_LIFELINE_FD) });
lifeline.on('close', () => process.exit(9)).resume();
process.on('SIGTERM', () => process.exit(5));
if (process.argv.includes('quick')) process.exit(7);
setInterval(() => undefined, 1000);
`;

let clone = '';
const started: ChildProcess[] = [];

function writeLockFile(version: string, tree = '.'): void {
  const packages = {
    '': { name: 'clone' },
    'node_modules/one': { version, integrity: `sha512-${version}` },
    'node_modules/elsewhere': { version: '1.0.0', integrity: 'sha512-x', optional: true, os: ['plan9'] },
  };
  mkdirSync(path.join(clone, tree), { recursive: true });
  writeFileSync(
    path.join(clone, tree, 'package-lock.json'),
    JSON.stringify({ lockfileVersion: 3, packages }),
  );
}

beforeEach(() => {
  clone = mkdtempSync(path.join(tmpdir(), 'crossmodel-clone-'));
  const supervisor = path.join(clone, 'control-plane', 'supervisor');
  mkdirSync(supervisor, { recursive: true });
  mkdirSync(path.join(clone, 'bin'));
  cpSync(
    path.join(REPOSITORY_ROOT, 'control-plane/supervisor/bootstrap.mjs'),
    path.join(supervisor, 'bootstrap.mjs'),
  );
  writeFileSync(path.join(supervisor, 'main.ts'), FAKE_MAIN);
  writeFileSync(path.join(clone, 'package.json'), '{"type":"module"}');
  const vitest = path.join(clone, 'node_modules', 'vitest');
  mkdirSync(vitest, { recursive: true });
  writeFileSync(path.join(vitest, 'vitest.mjs'), 'process.exit(3);');
  writeFileSync(path.join(clone, 'bin', 'npm'), FAKE_NPM);
  chmodSync(path.join(clone, 'bin', 'npm'), 0o755);
  writeLockFile('1.0.0');
});

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  rmSync(clone, { recursive: true, force: true });
});

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}

function bootstrap(arguments_: readonly string[], extra: NodeJS.ProcessEnv = {}): Run {
  const { environment } = readTestSettings();
  const child = spawn(
    process.execPath,
    [path.join(clone, 'control-plane/supervisor/bootstrap.mjs'), ...arguments_],
    {
      env: { PATH: `${clone}/bin:${environment.PATH}`, CLONE: clone, ...extra },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  started.push(child);
  let text = '';
  child.stdout?.on('data', (chunk) => {
    text += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    text += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { child, output: () => text, ended };
}

async function untilSaid(run: Run, words: string): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!run.output().includes(words)) {
    if (performance.now() > deadlineMs) throw new Error(`not said: ${words}\n${run.output()}`);
    await delay(20);
  }
}

function npmCalls(): string[] {
  const file = path.join(clone, 'npm-calls');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
}

describe('the bootstrap', () => {
  it('installs once, then only when the lock file has changed', async () => {
    expect(await bootstrap(['start', 'quick']).ended).toBe(7);
    expect(await bootstrap(['start', 'quick']).ended).toBe(7);
    expect(npmCalls()).toHaveLength(1);
    expect(npmCalls()[0]).toMatch(/^npm ci /);
    writeLockFile('1.0.1');
    expect(await bootstrap(['start', 'quick']).ended).toBe(7);
    expect(npmCalls()).toHaveLength(2);
  });

  it('takes a tree that npm ci installed by hand as it is', async () => {
    cpSync(path.join(clone, 'package-lock.json'), path.join(clone, 'node_modules/.package-lock.json'));
    expect(await bootstrap(['start', 'quick']).ended).toBe(7);
    expect(npmCalls()).toEqual([]);
  });

  it('installs again when the tree is another one than the lock file says', async () => {
    writeLockFile('0.9.0');
    cpSync(path.join(clone, 'package-lock.json'), path.join(clone, 'node_modules/.package-lock.json'));
    writeLockFile('1.0.0');
    expect(await bootstrap(['start', 'quick']).ended).toBe(7);
    expect(npmCalls()).toHaveLength(1);
  });

  it('does not install while another start of the clone is alive, and says which', async () => {
    const running = bootstrap(['start']);
    await untilSaid(running, '"pid"');
    writeLockFile('2.0.0');
    const second = bootstrap(['test']);
    expect(await second.ended).toBe(1);
    expect(second.output()).toContain(
      `\`npm start\` of this clone is running (process ${running.child.pid})`,
    );
    expect(npmCalls()).toHaveLength(1);
    running.child.kill('SIGKILL');
    await running.ended;
    expect(await bootstrap(['start', 'quick']).ended).toBe(7);
    expect(npmCalls()).toHaveLength(2);
  });

  it('installs once when two are started together on a fresh clone', async () => {
    writeFileSync(path.join(clone, 'npm-is-slow'), '');
    const runs = [bootstrap(['start', 'quick']), bootstrap(['start', 'quick'])];
    expect(await Promise.all(runs.map((run) => run.ended))).toEqual([7, 7]);
    expect(npmCalls()).toHaveLength(1);
  });

  it('shows the end of what npm said when the installation fails, and tries again next time', async () => {
    writeFileSync(path.join(clone, 'npm-fails'), '');
    const failed = bootstrap(['start', 'quick']);
    expect(await failed.ended).toBe(1);
    expect(failed.output()).toContain('the registry is on holiday');
    rmSync(path.join(clone, 'npm-fails'));
    expect(await bootstrap(['start', 'quick']).ended).toBe(7);
  });

  it('installs the clients for tests and never for a start, once per lock file', async () => {
    writeLockFile('1.0.0', 'test/clients');
    writeLockFile('1.0.0', 'test/clients/command-line');
    expect(await bootstrap(['start', 'quick']).ended).toBe(7);
    expect(npmCalls()).toHaveLength(1);
    expect(await bootstrap(['test']).ended).toBe(3);
    expect(await bootstrap(['test']).ended).toBe(3);
    expect(npmCalls()).toHaveLength(2);
    expect(existsSync(path.join(clone, 'test/clients/node_modules/.package-lock.json'))).toBe(true);
    expect(await bootstrap(['test:long']).ended).toBe(3);
    expect(npmCalls()).toHaveLength(3);
    writeLockFile('1.0.1', 'test/clients');
    expect(await bootstrap(['test']).ended).toBe(3);
    expect(npmCalls()).toHaveLength(4);
  });

  it('tests without the clients when they cannot be installed, and says so', async () => {
    writeLockFile('1.0.0', 'test/clients');
    writeFileSync(path.join(clone, 'test/clients/npm-fails'), '');
    const run = bootstrap(['test']);
    expect(await run.ended).toBe(3);
    expect(run.output()).toContain('tests of the clients in test/clients are skipped');
  });

  it('passes on neither NODE_OPTIONS nor anything else that would disturb the product', async () => {
    const run = bootstrap(['start', 'quick', '--x'], {
      NODE_OPTIONS: '--no-warnings',
      NODE_ENV: 'production',
    });
    expect(await run.ended).toBe(7);
    const said = JSON.parse(
      run
        .output()
        .split('\n')
        .find((line) => line.startsWith('{')) ?? '{}',
    );
    expect(said.arguments).toEqual(['start', 'quick', '--x']);
    expect(said.NODE_OPTIONS).toBeUndefined();
    expect(Number(said.CROSSMODEL_STARTED_AT_MS)).toBeGreaterThan(1_700_000_000_000);
    expect(npmCalls()[0]).toContain('--include=dev');
  });

  it('hands a signal on and ends with the exit code of the product', async () => {
    const run = bootstrap(['start']);
    await untilSaid(run, '"pid"');
    run.child.kill('SIGTERM');
    expect(await run.ended).toBe(5);
  });

  it('leaves no product behind when it is killed', async () => {
    const run = bootstrap(['start']);
    await untilSaid(run, '"pid"');
    const product = identify(Number(/"pid":(\d+)/.exec(run.output())?.[1]));
    expect(isAlive(product)).toBe(true);
    run.child.kill('SIGKILL');
    const deadlineMs = performance.now() + 5_000;
    while (isAlive(product) && performance.now() < deadlineMs) await delay(20);
    expect(isAlive(product)).toBe(false);
  });

  it('says what it can do when asked for something else', async () => {
    const run = bootstrap(['launch']);
    expect(await run.ended).toBe(2);
    expect(run.output()).toContain('Usage:');
  });
});
