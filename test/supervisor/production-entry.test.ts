import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { choosePort } from '#control-plane/supervisor/network-ports.ts';
import { REPOSITORY_ROOT } from '#test/rules/source-files.ts';
import { readTestSettings } from '#test/setup/settings.ts';
import { testDatabaseUrl, testRedisUrl } from '#test/setup/test-backends.ts';
import { readProcesses } from './read-processes.ts';

const OPERATOR_TOKEN = 'Zx4Kq9Wm2Vb7Ld3Rn8Tg6Hy1Pc5Js0Fu';
const CANARY = 'sk-canary-that-only-the-control-plane-may-see';
const home = mkdtempSync(path.join(tmpdir(), 'crossmodel-production-'));
const { environment } = readTestSettings();
let base = '';
let graphqlUrl = '';
let product: ChildProcess;
let output = '';

function production(variables: Record<string, string>): ChildProcess {
  return spawn(
    process.execPath,
    [path.join(REPOSITORY_ROOT, 'control-plane/supervisor/bootstrap.mjs'), 'production'],
    {
      env: { PATH: environment.PATH, HOME: environment.HOME, CROSSMODEL_HOME: home, ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
}

beforeAll(async () => {
  const [dataPlanePort, controlPlanePort] = [await choosePort(undefined), await choosePort(undefined)];
  base = `http://127.0.0.1:${dataPlanePort}`;
  graphqlUrl = `http://127.0.0.1:${controlPlanePort}/graphql`;
  product = production({
    DATABASE_URL: await testDatabaseUrl(),
    REDIS_URL: await testRedisUrl(),
    CROSSMODEL_SECRET_KEY: '8f1c2a9e07d4b6533ec9f0a1d7285b4690ce13fd7a6248b5e1903cfa5d8276e4',
    CROSSMODEL_OPERATOR_TOKEN: OPERATOR_TOKEN,
    BIND_ADDRESS: '127.0.0.1',
    DATA_PLANE_PORT: String(dataPlanePort),
    CONTROL_PLANE_PORT: String(controlPlanePort),
    DATA_PLANE_PROCESSES: '1',
    XIAOMI_API_KEY: CANARY,
  });
  product.stdout?.on('data', (chunk) => {
    output += chunk;
  });
  product.stderr?.on('data', (chunk) => {
    output += chunk;
  });
  while (!output.includes('Serving: data-plane, control-plane, workers')) {
    if (product.exitCode !== null) throw new Error(`ended with ${product.exitCode}:\n${output}`);
    await delay(50);
  }
}, 60_000);

afterAll(() => {
  product.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

async function mutate<Payload>(mutation: string): Promise<Payload> {
  const answer = await fetch(graphqlUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${OPERATOR_TOKEN}` },
    body: JSON.stringify({ query: `mutation { payload: ${mutation} }` }),
  });
  const body = (await answer.json()) as { data?: { payload: Payload }; errors?: unknown };
  if (body.data === undefined) throw new Error(JSON.stringify(body.errors));
  return body.data.payload;
}

async function newKey(): Promise<string> {
  const { account } = await mutate<{ account: { id: string } }>(
    'accountCreate(input: { name: "A", idempotencyKey: "a" }) { account { id } }',
  );
  await mutate(
    `creditGrant(input: { accountId: "${account.id}", amountUsd: "5", reason: "test", idempotencyKey: "g" }) { userErrors { code } }`,
  );
  const { secret } = await mutate<{ secret: string }>(
    `apiKeyCreate(input: { accountId: "${account.id}", name: "k", idempotencyKey: "k" }) { secret }`,
  );
  return secret;
}

async function ask(key: string): Promise<{ status: number; code: string }> {
  const answer = await fetch(`${base}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: 'openai/gpt-5-mini', messages: [{ role: 'user', content: 'Hello' }] }),
  });
  const body = (await answer.json()) as { error: { code: string } };
  return { status: answer.status, code: body.error.code };
}

describe('the production entry', () => {
  it('runs neither a sandbox nor a demo nor stores of its own', () => {
    expect(Object.keys(readProcesses(home)).toSorted()).toEqual(['control-plane', 'data-plane-0', 'workers']);
    expect(existsSync(path.join(home, 'dev.json'))).toBe(false);
  });

  it('answers model_unavailable for a model whose vendor has no credential', async () => {
    const key = await newKey();
    // The new key reaches the data plane within a second.
    const deadlineMs = performance.now() + 5_000;
    let answer = await ask(key);
    while (answer.status === 401 && performance.now() < deadlineMs) {
      await delay(50);
      answer = await ask(key);
    }
    expect(answer).toEqual({ status: 503, code: 'model_unavailable' });
  });

  it.runIf(process.platform === 'linux')(
    'gives the data plane neither the database nor a provider key (read from /proc, so on Linux)',
    () => {
      const variables = readFileSync(`/proc/${readProcesses(home)['data-plane-0']}/environ`, 'utf8');
      expect(variables).toContain('CROSSMODEL_MODE=production');
      expect(variables).not.toContain('DATABASE_URL');
      expect(variables).not.toContain(CANARY);
      expect(variables).not.toContain(OPERATOR_TOKEN);
    },
  );

  it('logs JSON lines only, without a secret', () => {
    const lines = output.trim().split('\n');
    for (const line of lines) expect(() => JSON.parse(line), line).not.toThrow();
    expect(output).not.toContain(CANARY);
    expect(output).not.toContain(OPERATOR_TOKEN);
  });

  it('ends everything in order on SIGTERM, with exit code 0', async () => {
    const children = Object.values(readProcesses(home));
    product.kill('SIGTERM');
    const code = await new Promise((resolve) => product.once('exit', resolve));
    expect(code).toBe(0);
    for (const pid of children) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('refuses to start without its secrets, and says each one that is missing', async () => {
    const refused = production({ REDIS_URL: 'redis://127.0.0.1:1/0' });
    let text = '';
    refused.stderr?.on('data', (chunk) => {
      text += chunk;
    });
    expect(await new Promise((resolve) => refused.once('close', resolve))).toBe(1);
    for (const name of ['DATABASE_URL', 'CROSSMODEL_SECRET_KEY', 'CROSSMODEL_OPERATOR_TOKEN'])
      expect(text).toContain(`${name} is not set; production needs`);
  });
});
