import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WalletPublisher } from '#control-plane/ledger/publish-wallets.ts';
import { forgetOldBudgets } from '#control-plane/usage/forget-old-budgets.ts';
import { ingestUsage } from '#control-plane/usage/ingest-usage.ts';
import { type DatabaseClients, openDatabase } from '#db/client.ts';
import { systemClock } from '#shared/clock.ts';
import { formatId } from '#shared/identifiers.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { openRedisLink } from '#shared/redis-link.ts';
import { encodeGrantLine } from '#shared/usage-record.ts';
import { billedRecord, createBillableAccount, mintTestId } from '#test/setup/billing-fixtures.ts';
import { testDatabaseUrl, testRedisUrl } from '#test/setup/test-backends.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

const logger = pino({ level: 'silent' });
let api: TestApi;
let clients: DatabaseClients;
beforeAll(async () => {
  api = await startTestApi();
  clients = openDatabase(await testDatabaseUrl(), { max: 2, applicationName: 'reserved-money' });
});
afterAll(async () => {
  await clients.close();
  await api.close();
});

const ingest = (spool: string, lines: readonly string[]) =>
  ingestUsage(clients.sql, { spool, from: 1, to: lines.length, lines: lines.join('\n') });

describe('requests that cost more than was held', () => {
  it('are listed for operators newest first, of all accounts or of one', async () => {
    const [account, other] = [
      await createBillableAccount(clients.sql),
      await createBillableAccount(clients.sql),
    ];
    const records = [
      billedRecord(account, undefined, { excessNano: '1500000' }),
      billedRecord(other, undefined, { excessNano: '2' }),
      billedRecord(account, undefined, { excessNano: '77' }),
      billedRecord(account),
    ];
    await ingest(
      mintTestId(),
      records.map((record) => JSON.stringify(record)),
    );
    const list = async (filter: string) => {
      const document = `{ usageExcesses${filter} { nodes { requestId account { id } excessUsd excessNano }
        pageInfo { hasNextPage endCursor } } }`;
      return (await api.call(document)).data.usageExcesses;
    };
    const accountId = formatId('Account', account.accountId);
    const [big, , small] = records.map(({ requestId }) => formatId('UsageRecord', requestId));
    expect((await list(`(accountId: "${accountId}")`)).nodes).toEqual([
      { requestId: small, account: { id: accountId }, excessUsd: '0.000000077', excessNano: '77' },
      { requestId: big, account: { id: accountId }, excessUsd: '0.0015', excessNano: '1500000' },
    ]);
    const first = await list('(first: 2)');
    expect(first.nodes).toMatchObject([{ excessNano: '77' }, { excessNano: '2' }]);
    const second = await list(`(first: 2, after: "${first.pageInfo.endCursor}")`);
    expect(second.nodes).toMatchObject([{ excessNano: '1500000' }]);
  });
});

describe('the spool of a host that never comes back', () => {
  it('is listed with what it was lent, written off once, and lets go of its money', async () => {
    const account = await createBillableAccount(clients.sql);
    const spool = `slot-3-${mintTestId()}`;
    const record = billedRecord(account);
    const total = { wallet: account.accountId, grantedNano: '9000000000', returnedNano: '1000000000' };
    await ingest(spool, [encodeGrantLine([total]), JSON.stringify(record)]);
    const open = async () =>
      (await api.call('{ openUsageSpools { nodes { name recordsTaken lentUsd } } }')).data.openUsageSpools
        .nodes;
    const lent = 8_000_000_000n - BigInt(record.costNano);
    const lentUsd = `7.${(lent % 1_000_000_000n).toString().padStart(9, '0')}`.replace(/0+$/, '');
    expect(await open()).toContainEqual({ name: spool, recordsTaken: 2, lentUsd });

    const link = openRedisLink(await testRedisUrl(), 'reserved-money', logger);
    const wallets = new WalletPublisher(clients.sql, link, systemClock, logger, () => undefined);
    wallets.start();
    const wallet = () => link.client.hgetall(redisKeys.wallet(account.accountId));
    // Nobody speaks for it: the publisher reserves what it was last known to hold.
    await expect.poll(wallet, { timeout: 10_000 }).toHaveProperty([`b:${spool}`], lent.toString());

    const written = await api.mutate('usageSpoolWriteOff', { spool }, 'spool');
    expect(written.spool).toBe(spool);
    expect(await open()).not.toContainEqual(expect.objectContaining({ name: spool }));
    await expect.poll(wallet, { timeout: 5_000 }).not.toHaveProperty([`b:${spool}`]);
    expect(await api.refusal('usageSpoolWriteOff', { spool })).toEqual([
      { code: 'NOT_FOUND', path: ['input', 'spool'] },
    ]);
    // It did come back: what it had to report is booked all the same.
    const late = billedRecord(account);
    const outcome = await ingestUsage(clients.sql, { spool, from: 3, to: 3, lines: JSON.stringify(late) });
    expect(outcome.settled).toHaveLength(1);
    await wallets.close();
    link.close();
  });
});

describe('budgets of periods that are long over', () => {
  it('are forgotten, and neither current ones nor those that an open spool has drawn on', async () => {
    const { sql } = clients;
    const budget = async (period: string): Promise<string> => {
      const apiKeyId = mintTestId();
      const wallet = `key:${apiKeyId}:${period}`;
      await sql`
        insert into usage_budgets (wallet, api_key_id, period, spent_nano, sequence)
        values (${wallet}, ${apiKeyId}, ${period}, 5, 1)`;
      return wallet;
    };
    const nowMs = Date.UTC(2026, 10, 21);
    const kept = [
      await budget('none'),
      await budget('day-2026-11-20'),
      await budget('week-2026-09-07'),
      await budget('month-2026-08'),
    ];
    const drawnOn = await budget('day-2026-01-01');
    await sql`insert into usage_spool_budgets (spool_id, wallet, settled_nano) values ('open', ${drawnOn}, 5)`;
    const old = [
      await budget('day-2026-08-01'),
      await budget('week-2026-07-27'),
      await budget('month-2026-07'),
    ];
    expect(await forgetOldBudgets(sql, nowMs)).toBe(old.length);
    const left = await sql<{ wallet: string }[]>`select wallet from usage_budgets`;
    expect(left.map(({ wallet }) => wallet).sort()).toEqual([...kept, drawnOn].sort());
    expect(await forgetOldBudgets(sql, nowMs)).toBe(0);
  });
});
