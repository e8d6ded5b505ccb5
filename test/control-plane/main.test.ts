import { type ChildProcess, spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { testDatabaseUrl, testRedisUrl } from '#test/setup/test-backends.ts';

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

async function start(changes: Record<string, string> = {}): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['control-plane/main.ts'], {
    env: {
      PATH: process.env.PATH,
      CROSSMODEL_MODE: 'production',
      CROSSMODEL_HOME: '/tmp',
      DATABASE_URL: await testDatabaseUrl(),
      REDIS_URL: await testRedisUrl(),
      CROSSMODEL_SECRET_KEY: '00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210',
      CONTROL_PLANE_PORT: '0',
      BIND_ADDRESS: '127.0.0.1',
      CROSSMODEL_LIFELINE_FD: '3',
      ...changes,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  children.push(child);
  return child;
}

/** What a supervisor holds: the child announces readiness on it, and its end ends the child. */
function lifelineOf(child: ChildProcess): Socket {
  const lifeline = child.stdio[3];
  if (lifeline instanceof Socket) return lifeline;
  throw new Error('The lifeline is a socket');
}

async function ready(child: ChildProcess): Promise<void> {
  for await (const chunk of on(lifelineOf(child), 'data')) if (String(chunk).includes('ready\n')) return;
}

/** The lines that the process has logged so far. */
function linesOf(child: ChildProcess): { port?: number; msg?: string }[] {
  const lines: { port?: number }[] = [];
  if (child.stdout)
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  return lines;
}

describe('the control plane process', () => {
  it('serves once it is ready, and ends with 0 on SIGTERM', async () => {
    const child = await start({ CONTROL_PLANE_ROLE: 'all' });
    const lines = linesOf(child);
    await ready(child);
    const { port } = lines.find((line) => line.port !== undefined) ?? {};
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  });

  it('serves no API in the role of the workers, and ends when its supervisor is gone', async () => {
    const child = await start({ CONTROL_PLANE_ROLE: 'workers' });
    const lines = linesOf(child);
    await ready(child);
    expect(lines.filter((line) => line.msg?.includes('listening'))).toEqual([]);
    const exited = once(child, 'exit');
    lifelineOf(child).destroy();
    expect(await exited).toEqual([0, null]);
  });

  it('says what is wrong with its settings and ends with 1', async () => {
    const child = await start({ CROSSMODEL_SECRET_KEY: '0'.repeat(64), REDIS_URL: 'nowhere' });
    let complaint = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      complaint += chunk.toString();
    });
    expect(await once(child, 'exit')).toEqual([1, null]);
    expect(complaint).toContain('CROSSMODEL_SECRET_KEY');
    expect(complaint).toContain('REDIS_URL');
  });
});
