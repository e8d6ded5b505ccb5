import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { forgetExpiredExports, writeExport } from '#control-plane/exports/write-export.ts';
import { startJobs } from '#control-plane/jobs/start-jobs.ts';
import { systemClock } from '#shared/clock.ts';
import { parseIdOf } from '#shared/identifiers.ts';
import { testRedisUrl } from '#test/setup/test-backends.ts';
import { PUBLIC_URL, startTestApi, type TestApi } from './api-fixture.ts';

const ROWS = 4_500;
const DAY_MS = 86_400_000;

let api: TestApi;
let accountId: string;
let managementToken: string;
let apiKeyId: string;
beforeAll(async () => {
  api = await startTestApi();
});
beforeEach(async () => {
  ({ accountId, managementToken } = await api.openAccount());
  ({
    apiKey: { id: apiKeyId },
  } = await api.mutate('apiKeyCreate', { accountId, name: 'Key' }, 'apiKey { id }'));
});
afterAll(() => api.close());

const uuid = (kind: Parameters<typeof parseIdOf>[0], id: string) => parseIdOf(kind, id) ?? '';
const lastDay = () => ({
  from: new Date(systemClock.nowMs() - DAY_MS).toISOString(),
  to: new Date(systemClock.nowMs() + DAY_MS).toISOString(),
});
const EXPORT = 'id status progress rowCount byteCount downloadUrl finishedAt';

async function addUsage(rows: number, requestedModel = 'gpt'): Promise<void> {
  await api.sql`
    insert into usage_records (request_id, account_id, api_key_id, occurred_at, spool_id, requested_model, model_id, dialect,
      sandbox, stream, status, http_status, input_tokens, output_tokens, reasoning_tokens, cache_read_tokens,
      cache_write_5m_tokens, cache_write_1h_tokens, estimated, cost_nano, latency_ms, request_count)
    select uuidv7(-interval '1 minute'), ${uuid('Account', accountId)}::uuid, ${uuid('ApiKey', apiKeyId)}::uuid, now(), 's',
      ${requestedModel}, 'openai/gpt-5-mini', case when n % 3 = 0 then 'chat' else 'messages' end, false, true, 'success',
      200, n, 1, 0, 0, 0, 0, false, 1500, 5, 1
    from generate_series(1, ${rows}::int) as n`;
}

async function ask(input: object = {}, token = managementToken): Promise<string> {
  const asked = { accountId, ...lastDay(), ...input };
  const payload = await api.mutate('usageExportCreate', asked, `usageExport { ${EXPORT} }`, token);
  return payload.usageExport.id;
}

async function look(id: string) {
  const { data } = await api.call(
    `{ node(id: "${id}") { ... on UsageExport { ${EXPORT} } ... on LedgerExport { ${EXPORT} } } }`,
  );
  return data.node;
}

async function download(url: string): Promise<Response> {
  return await fetch(url.replace(PUBLIC_URL, new URL(api.url).origin));
}

async function linesOf(id: string): Promise<string[]> {
  const { downloadUrl } = await look(id);
  const answer = await download(downloadUrl);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8');
  const text = await answer.text();
  expect(Number(answer.headers.get('content-length'))).toBe(Buffer.byteLength(text));
  return text.trimEnd().split('\n');
}

const write = (id: string) =>
  writeExport(api.database, systemClock, uuid('UsageExport', id) || uuid('LedgerExport', id));

describe('an export of requests', () => {
  it('has each row once, oldest first, however many workers write it and wherever one was killed', async () => {
    await addUsage(ROWS);
    const id = await ask();
    expect(await look(id)).toMatchObject({
      status: 'RUNNING',
      progress: 0,
      downloadUrl: null,
      finishedAt: null,
    });
    await Promise.all([write(id), write(id), write(id)]);
    expect(await look(id)).toMatchObject({ status: 'DONE', progress: 1, rowCount: ROWS });
    const [header, ...rows] = await linesOf(id);
    expect(header).toMatch(/^request_id,created_at,api_key_id,model,/);
    const ids = rows.map((row) => row.split(',')[0] ?? '');
    expect(ids).toHaveLength(ROWS);
    expect(ids).toEqual([...new Set(ids)].sort());
    expect(rows[0]).toContain(',0.0000015,1500,');
    await write(id);
    expect((await look(id)).rowCount).toBe(ROWS);
  });

  it('keeps to its filters, its account and its time', async () => {
    await addUsage(30);
    const id = await ask({ dialect: 'chat', apiKeyId });
    const early = await ask({ to: new Date(systemClock.nowMs() - 3_600_000).toISOString() });
    await addUsage(3);
    for (const each of [id, early]) await write(each);
    expect(await linesOf(early)).toHaveLength(1);
    expect((await linesOf(id)).length - 1).toBeGreaterThanOrEqual(10);
    expect((await linesOf(id)).slice(1).every((line) => line.includes(',chat,'))).toBe(true);
  });

  it('lets no spreadsheet take a cell for a formula', async () => {
    await addUsage(1, '=HYPERLINK("http://evil.example","x")');
    const id = await ask();
    await write(id);
    expect((await linesOf(id))[1]).toContain(`"'=HYPERLINK(""http://evil.example"",""x"")"`);
  });

  it('is written by the workers', async () => {
    const id = await ask({ idempotencyKey: randomUUID() });
    const jobs = startJobs({
      database: api.database,
      sql: api.sql,
      sealingKey: api.sealingKey,
      fetcher: api.webhookFetcher,
      redisUrl: await testRedisUrl(),
      logger: pino({ level: 'silent' }),
      mailbox: { post: () => undefined, send: async () => undefined, close: async () => undefined },
      billing: null,
    });
    await expect.poll(async () => (await look(id)).status, { timeout: 15_000 }).toBe('DONE');
    await jobs.close();
  }, 20_000);

  it('is refused without sense, beyond the limit, and for strangers', async () => {
    const { from, to } = lastDay();
    const refusal = (input: object, token = managementToken) =>
      api.refusal('usageExportCreate', { accountId, from, to, ...input }, token);
    expect(await refusal({ from: to, to: from })).toEqual([
      { code: 'INVALID_INPUT', path: ['input', 'from'] },
    ]);
    expect(await refusal({ from: '2020-01-01T00:00:00Z' })).toEqual([
      { code: 'INVALID_INPUT', path: ['input', 'to'] },
    ]);
    const stranger = await api.openAccount();
    expect(await refusal({}, stranger.managementToken)).toEqual([
      { code: 'NOT_FOUND', path: ['input', 'accountId'] },
    ]);
    const mine = [await ask(), await ask(), await ask()];
    expect(await refusal({})).toEqual([{ code: 'EXPORT_LIMIT_REACHED', path: ['input', 'accountId'] }]);
    const seen = await api.call('{ usageExports { nodes { id } } }', { token: stranger.managementToken });
    expect(seen.data.usageExports.nodes).toEqual([]);
    const own = await api.call('{ usageExports { nodes { id } } }', { token: managementToken });
    expect(own.data.usageExports.nodes.map(({ id }: { id: string }) => id)).toEqual(mine.reverse());
  });
});

describe('the link to a file', () => {
  it('opens that file only, as long as it is signed and kept', async () => {
    await addUsage(2);
    const [one, other] = [await ask(), await ask()];
    for (const id of [one, other]) await write(id);
    const { downloadUrl } = await look(one);
    const forged = downloadUrl.replace(/[0-9a-f-]{36}/, uuid('UsageExport', other));
    expect((await download(forged)).status).toBe(403);
    expect((await download(downloadUrl.replace(/expires=\d/, 'expires=9'))).status).toBe(403);
    expect((await download(downloadUrl)).status).toBe(200);
    await api.sql`update exports set expires_at = now() where id = ${uuid('UsageExport', one)}`;
    expect(await forgetExpiredExports(api.database)).toBe(1);
    expect((await download(downloadUrl)).status).toBe(404);
    expect(await api.sql`select 1 from export_chunks where export_id = ${uuid('UsageExport', one)}`).toEqual(
      [],
    );
  });
});

describe('an export of ledger entries', () => {
  it('has the entries of the kind that was asked for, amounts as numbers', async () => {
    for (const amountUsd of ['5', '7.25'])
      await api.mutate(
        'creditGrant',
        { accountId, amountUsd, reason: '@risk', idempotencyKey: randomUUID() },
        '',
      );
    const make = async (input: object) =>
      (
        await api.mutate(
          'ledgerExportCreate',
          { accountId, ...lastDay(), ...input },
          'ledgerExport { id }',
          managementToken,
        )
      ).ledgerExport.id;
    const [all, usage] = [await make({}), await make({ kind: 'USAGE' })];
    for (const id of [all, usage]) await write(id);
    const [header, ...rows] = await linesOf(all);
    expect(header).toBe('entry_id,created_at,transaction_id,kind,credit,amount_usd,amount_nano,description');
    expect(rows.map((row) => row.split(',').slice(3))).toEqual([
      ['credit_grant', 'customer_available', '5.00', '5000000000', "'@risk"],
      ['credit_grant', 'customer_available', '7.25', '7250000000', "'@risk"],
    ]);
    expect(await linesOf(usage)).toEqual([header]);
  });
});

describe('ledgerEntries', () => {
  it('are listed by kind and time', async () => {
    await api.mutate(
      'creditGrant',
      { accountId, amountUsd: '5', reason: 'One', idempotencyKey: randomUUID() },
      '',
    );
    const count = async (filter: string) => {
      const { data } = await api.call(`{ ledgerEntries(accountId: "${accountId}", ${filter}) { nodes { id } }
        account(id: "${accountId}") { ledgerEntries(${filter}) { nodes { id } } } }`);
      expect(data.account.ledgerEntries).toEqual(data.ledgerEntries);
      return data.ledgerEntries.nodes.length;
    };
    const { from, to } = lastDay();
    expect(await count('kind: CREDIT_GRANT')).toBe(1);
    expect(await count('kind: USAGE')).toBe(0);
    expect(await count(`from: "${from}", to: "${to}"`)).toBe(1);
    expect(await count(`to: "${from}"`)).toBe(0);
    expect(await count(`from: "${to}"`)).toBe(0);
  });
});
