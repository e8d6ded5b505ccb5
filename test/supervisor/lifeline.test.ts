import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { identify, isAlive, type ProcessIdentity } from '#control-plane/supervisor/process-identity.ts';
import { endLeftovers } from '#control-plane/supervisor/process-table.ts';
import { readProcesses } from './read-processes.ts';

const PROGRAM = fileURLToPath(new URL('./short-lived-supervisor.ts', import.meta.url));
let home = '';

beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'crossmodel-lifeline-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

async function startSupervisor(): Promise<{ supervisor: ChildProcess; children: ProcessIdentity[] }> {
  const supervisor = spawn(process.execPath, [PROGRAM, home], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => supervisor.stdout?.once('data', resolve));
  const children = Object.values(readProcesses(home)).map(identify);
  expect(children.filter(isAlive)).toHaveLength(2);
  return { supervisor, children };
}

async function untilGone(children: readonly ProcessIdentity[], limitMs: number): Promise<void> {
  const deadlineMs = performance.now() + limitMs;
  while (children.some(isAlive) && performance.now() < deadlineMs) await delay(20);
}

describe('when the supervisor is killed', () => {
  it('its children end too, also those that know nothing of it', async () => {
    const { supervisor, children } = await startSupervisor();
    supervisor.kill('SIGKILL');
    await untilGone(children, 8_000);
    expect(children.filter(isAlive)).toEqual([]);
  });

  it('the next start ends whatever is still there and says what it was', async () => {
    const { supervisor, children } = await startSupervisor();
    // Stopped, the children cannot follow the watcher's request: they are left to the next start.
    for (const { pid } of children) process.kill(pid, 'SIGSTOP');
    supervisor.kill('SIGKILL');
    await new Promise((resolve) => supervisor.once('exit', resolve));
    expect((await endLeftovers(home)).toSorted()).toEqual(['control-plane', 'postgres']);
    expect(children.filter(isAlive)).toEqual([]);
    expect(await endLeftovers(home)).toEqual([]);
  });
});

describe('a process table from an earlier start', () => {
  it('does not lead to a stranger who was given the same pid since', async () => {
    const { supervisor, children } = await startSupervisor();
    const stranger = spawn('sleep', ['30'], { stdio: 'ignore' });
    const { writeFileSync } = await import('node:fs');
    writeFileSync(
      path.join(home, 'children.json'),
      JSON.stringify({ redis: { pid: stranger.pid, startTime: 'some other time' } }),
    );
    expect(await endLeftovers(home)).toEqual([]);
    expect(isAlive(identify(stranger.pid ?? 0))).toBe(true);
    stranger.kill('SIGKILL');
    supervisor.kill('SIGKILL');
    await untilGone(children, 8_000);
  });
});
