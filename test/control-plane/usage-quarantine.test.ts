import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ingestUsage } from '#control-plane/usage/ingest-usage.ts';
import { type DatabaseClients, openDatabase } from '#db/client.ts';
import {
  billedRecord,
  createBillableAccount,
  ledgerBalanceOf,
  mintTestId,
} from '#test/setup/billing-fixtures.ts';
import { testDatabaseUrl } from '#test/setup/test-backends.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
let clients: DatabaseClients;
beforeAll(async () => {
  api = await startTestApi();
  clients = openDatabase(await testDatabaseUrl(), { max: 2, applicationName: 'quarantine' });
});
afterAll(async () => {
  await clients.close();
  await api.close();
});

const FIELDS = 'id spool sequence reason record state resolvedAt';

async function waiting() {
  const { data } = await api.call(`{ quarantinedUsageRecords(waiting: true) { nodes { ${FIELDS} } } }`);
  return data.quarantinedUsageRecords.nodes;
}

describe('quarantined usage', () => {
  it('is shown to operators with its reason, and booked once its cause is gone', async () => {
    const account = await createBillableAccount(clients.sql);
    const stranger = { ...account, accountId: mintTestId() };
    const record = billedRecord(stranger);
    const spool = mintTestId();
    await ingestUsage(clients.sql, { spool, from: 1, to: 1, lines: JSON.stringify(record) });
    const [found] = await waiting();
    expect(found).toMatchObject({
      spool,
      sequence: 1,
      reason: 'unknown account',
      state: 'WAITING',
      resolvedAt: null,
    });
    expect(JSON.parse(found.record)).toEqual(record);
    const replay = { id: found.id };
    expect(await api.refusal('quarantinedUsageRecordReplay', replay)).toEqual([
      { code: 'STILL_POISON', path: ['input', 'id'] },
    ]);

    await clients.sql`insert into accounts (id, name) values (${stranger.accountId}, 'Late')`;
    const booked = await api.mutate(
      'quarantinedUsageRecordReplay',
      replay,
      `quarantinedUsageRecord { ${FIELDS} }`,
    );
    expect(booked.quarantinedUsageRecord.state).toBe('BOOKED');
    expect(await ledgerBalanceOf(clients.sql, stranger.accountId)).toBe(-BigInt(record.costNano));
    const [settled] = await clients.sql`
      select settled_nano::text as nano from usage_spool_wallets where spool_id = ${spool}`;
    expect(settled).toEqual({ nano: record.costNano });
    expect(await waiting()).toEqual([]);
    expect(await api.refusal('quarantinedUsageRecordReplay', replay)).toEqual([
      { code: 'QUARANTINE_RESOLVED', path: ['input', 'id'] },
    ]);
  });

  it('is not billed again when the request was booked by another way meanwhile', async () => {
    const account = await createBillableAccount(clients.sql);
    const record = billedRecord(account);
    const malformed = JSON.stringify({ ...record, latencyMs: -1 });
    await ingestUsage(clients.sql, { spool: mintTestId(), from: 1, to: 1, lines: malformed });
    await ingestUsage(clients.sql, { spool: mintTestId(), from: 1, to: 1, lines: JSON.stringify(record) });
    await clients.sql`update usage_quarantine set line = ${JSON.stringify(record)} where resolved_at is null`;
    const [found] = await waiting();
    await api.mutate('quarantinedUsageRecordReplay', { id: found.id }, 'quarantinedUsageRecord { id }');
    expect(await ledgerBalanceOf(clients.sql, account.accountId)).toBe(-BigInt(record.costNano));
  });

  it('can be given up, and stays listed', async () => {
    await ingestUsage(clients.sql, { spool: mintTestId(), from: 1, to: 1, lines: 'not json' });
    const [found] = await waiting();
    await api.mutate('quarantinedUsageRecordDiscard', { id: found.id }, 'quarantinedUsageRecord { state }');
    expect(await waiting()).toEqual([]);
    const { data } = await api.call(
      `{ node(id: "${found.id}") { ... on QuarantinedUsageRecord { state } } }`,
    );
    expect(data.node.state).toBe('DISCARDED');
  });

  it('is for operators only', async () => {
    const { managementToken: token } = await api.openAccount();
    expect(await api.codes('{ quarantinedUsageRecords { nodes { id } } }', { token })).toEqual(['FORBIDDEN']);
  });
});
