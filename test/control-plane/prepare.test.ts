import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { prepare } from '#control-plane/prepare.ts';
import { type ControlPlaneSettings, readSettings } from '#control-plane/settings.ts';
import type { Sql } from '#db/client.ts';
import { digestApiKey } from '#shared/api-key.ts';
import { testDatabaseUrl } from '#test/setup/test-backends.ts';

let sql: Sql;
let home: string;
let environment: Record<string, string>;
beforeAll(async () => {
  sql = postgres(await testDatabaseUrl(), { max: 1, onnotice: () => undefined });
});
afterAll(() => sql.end());
beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'prepare-'));
  environment = {
    CROSSMODEL_MODE: 'development',
    CROSSMODEL_HOME: home,
    DATABASE_URL: await testDatabaseUrl(),
    REDIS_URL: 'redis://127.0.0.1:1/0',
    CROSSMODEL_SECRET_KEY: randomBytes(32).toString('hex'),
    DATA_PLANE_PORT: '28080',
    CONTROL_PLANE_PORT: '24000',
  };
  return () => rm(home, { recursive: true });
});

async function run(changes: Record<string, string> = {}): Promise<string[]> {
  const settings: ControlPlaneSettings = readSettings({ ...environment, ...changes });
  const lines: string[] = [];
  await prepare(settings, (line) => void lines.push(line));
  return lines;
}
const readFileOfDemo = async () => JSON.parse(await readFile(path.join(home, 'dev.json'), 'utf8'));
const demoBalance = async () => {
  const [row] = await sql<{ balance: string }[]>`
    select balance_nano::text as balance from ledger_balances
    join ledger_accounts on ledger_accounts.id = ledger_account_id
    join accounts on accounts.id = ledger_accounts.account_id where accounts.name = 'Demo'`;
  return row?.balance;
};

describe('prepare in development', () => {
  it('makes a demo account with 25 USD, a key and tokens, and a file that only its owner may read', async () => {
    await run();
    const access = await readFileOfDemo();
    expect(access).toEqual({
      dataPlaneUrl: 'http://127.0.0.1:28080',
      graphqlUrl: 'http://127.0.0.1:24000/graphql',
      apiKey: expect.stringMatching(/^cm-[0-9A-Za-z]{38}$/),
      managementToken: expect.stringMatching(/^cmt_[0-9A-Za-z]{40}$/),
      operatorToken: expect.stringMatching(/^cmo_[0-9A-Za-z]{40}$/),
      accountId: expect.stringMatching(/^acct_[0-9a-f]{32}$/),
    });
    expect((await stat(path.join(home, 'dev.json'))).mode & 0o777).toBe(0o600);
    expect(await demoBalance()).toBe('25000000000');
    const [key] = await sql`
      select status, rpm_limit, tpm_limit from api_keys where digest = ${digestApiKey(access.apiKey)}`;
    expect(key).toEqual({ status: 'active', rpm_limit: 600, tpm_limit: 1_000_000 });
  });

  it('changes nothing the second time, and is quick then', async () => {
    await run();
    const access = await readFileOfDemo();
    const changes = async () => (await sql`select 1 from config_changes`).length;
    const before = await changes();
    const startedMs = performance.now();
    await run();
    expect(performance.now() - startedMs).toBeLessThan(3_000);
    expect(await readFileOfDemo()).toEqual(access);
    expect(await changes()).toBe(before);
    expect(await demoBalance()).toBe('25000000000');
  });

  it('makes anew what works no longer and keeps the rest', async () => {
    await run();
    const before = await readFileOfDemo();
    await sql`update api_keys set status = 'deleted' where digest = ${digestApiKey(before.apiKey)}`;
    await run();
    const after = await readFileOfDemo();
    expect(after.apiKey).not.toBe(before.apiKey);
    expect(after).toEqual({ ...before, apiKey: after.apiKey });
  });

  it('writes the file again when it is gone or damaged', async () => {
    await run();
    const { accountId } = await readFileOfDemo();
    await writeFile(path.join(home, 'dev.json'), '{"apiKey": 1');
    await run();
    expect((await readFileOfDemo()).accountId).toBe(accountId);
    expect(await demoBalance()).toBe('25000000000');
  });

  it('uses the operator token of the environment where one is set', async () => {
    const operatorToken = 'operator-token-of-the-environment-0123';
    await run({ CROSSMODEL_OPERATOR_TOKEN: operatorToken });
    expect((await readFileOfDemo()).operatorToken).toBe(operatorToken);
    const rows =
      await sql`select kind, digest from access_tokens where kind = 'operator' and revoked_at is null`;
    expect(rows.length).toBeGreaterThan(0);
    expect(JSON.stringify(rows)).not.toContain(operatorToken);
  });
});

describe('prepare in production', () => {
  const production = { CROSSMODEL_MODE: 'production' };

  it('makes no demo and writes no file', async () => {
    await sql`truncate accounts cascade`;
    await run(production);
    expect(await sql`select 1 from accounts`).toHaveLength(0);
    expect(await sql`select 1 from api_keys`).toHaveLength(0);
    await expect(readFileOfDemo()).rejects.toThrow('ENOENT');
  });

  it('lets the operator token of the environment replace the one before', async () => {
    const activeTokens = async () =>
      (await sql`select 1 from access_tokens where name = 'environment' and revoked_at is null`).length;
    await run({ ...production, CROSSMODEL_OPERATOR_TOKEN: 'a'.repeat(40) });
    await run({ ...production, CROSSMODEL_OPERATOR_TOKEN: 'b'.repeat(40) });
    expect(await activeTokens()).toBe(1);
    await run({ ...production, CROSSMODEL_OPERATOR_TOKEN: 'a'.repeat(40) });
    expect(await activeTokens()).toBe(1);
  });

  it('says so when nobody may operate it', async () => {
    expect((await run(production)).join('\n')).toContain('CROSSMODEL_OPERATOR_TOKEN is not set');
  });
});
