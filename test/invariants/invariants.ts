import type { Sql } from '#db/client.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import type { SimulatedWorld } from './simulated-world.ts';

/** What must hold of the books at every moment, whoever died. Returns what does not. */
export async function brokenBookRules({ clients, customers }: SimulatedWorld): Promise<string[]> {
  const { sql } = clients;
  const broken: string[] = [];
  const [sums] = await sql<{ ledger: string; wrong: number; unsettled: number; twice: number }[]>`
    select
      (select coalesce(sum(amount_nano), 0)::text from ledger_entries) as ledger,
      (select count(*)::int from ledger_balances where balance_nano <> (
        select coalesce(sum(amount_nano), 0) from ledger_entries
        where ledger_entries.ledger_account_id = ledger_balances.ledger_account_id)) as wrong,
      (select count(*)::int from usage_records where cost_nano > 0 and settlement_id is null) as unsettled,
      (select count(*)::int from (
        select settlement_id from usage_records where settlement_id is not null
        group by settlement_id, account_id
        having sum(cost_nano) <> (
          select sum(amount_nano) from ledger_entries
          join ledger_accounts on ledger_accounts.id = ledger_account_id
          where transaction_id = settlement_id and ledger_accounts.kind = 'usage_revenue')) differing) as twice`;
  if (sums?.ledger !== '0') broken.push(`the ledger sums to ${sums?.ledger}`);
  if (sums?.wrong !== 0) broken.push(`${sums?.wrong} stored balances are not the sum of their entries`);
  if (sums?.unsettled !== 0) broken.push(`${sums?.unsettled} usage rows were never settled`);
  if (sums?.twice !== 0) broken.push(`${sums?.twice} settlements differ from their usage rows`);
  for (const { account, mayOverdraw } of customers) {
    const balance = await balanceOf(sql, account.accountId);
    if (balance < 0n && !mayOverdraw) broken.push(`account ${account.accountId} is at ${balance} nano-USD`);
  }
  return broken;
}

/** Each request that its client saw complete is in the books once, with its cost; nothing is there that nobody sent. */
export async function brokenUsageRules({ clients, requests }: SimulatedWorld): Promise<string[]> {
  const rows = await clients.sql<{ request_id: string; cost_nano: string }[]>`
    select request_id, cost_nano::text from usage_records`;
  const booked = new Map(rows.map((row) => [row.request_id, BigInt(row.cost_nano)]));
  const broken: string[] = [];
  for (const { requestId, costNano, state, number } of requests) {
    const cost = booked.get(requestId);
    booked.delete(requestId);
    if (cost === undefined && state === 'completed') broken.push(`completed request ${number} is not billed`);
    if (cost !== undefined && cost !== costNano)
      broken.push(`request ${number} is billed ${cost}, not ${costNano}`);
    if (cost !== undefined && state === 'refused') broken.push(`refused request ${number} is billed`);
  }
  if (booked.size > 0) broken.push(`${booked.size} usage rows of requests that nobody sent`);
  const [quarantine] = await clients.sql<
    { count: number }[]
  >`select count(*)::int as count from usage_quarantine`;
  if (quarantine?.count !== 0) broken.push(`${quarantine?.count} records are quarantined`);
  return broken;
}

/** Nothing is lent any more: every spool is closed, and Redis shows the balances of the ledger and nothing else. */
export async function brokenRestRules(
  world: SimulatedWorld,
  exceptSpool: string | undefined,
): Promise<string[]> {
  const { clients, redis, customers } = world;
  const broken: string[] = [];
  const open = await clients.sql<
    { id: string }[]
  >`select id from usage_spools where closed_at is null and id <> ${exceptSpool ?? ''}`;
  if (open.length > 0) broken.push(`spools ${open.map(({ id }) => id).join(', ')} are not closed`);
  for (const { account } of customers) {
    const { balance, sequence, ...lent } = await redis.client.hgetall(redisKeys.wallet(account.accountId));
    const ledger = await balanceOf(clients.sql, account.accountId);
    if (balance !== ledger.toString())
      broken.push(`Redis has ${balance} of ${account.accountId}, the ledger ${ledger}`);
    const counters = Object.keys(lent).filter((field) => /^[grsibx]:/.test(field));
    if (counters.length > 0) broken.push(`wallet ${account.accountId} still has ${counters.join(', ')}`);
  }
  return broken;
}

/** Redis came back empty: each live process must have told it again what it was lent. */
export async function undeclaredSpools({ redis, processes }: SimulatedWorld): Promise<string[]> {
  const runId = /^run_id:([0-9a-f]+)/m.exec(await redis.client.info('server'))?.[1] ?? '';
  const declared = new Set(await redis.client.smembers(redisKeys.quotaDeclared(runId)));
  return processes.flatMap(({ spoolId }) =>
    spoolId === undefined || declared.has(spoolId)
      ? []
      : [`spool ${spoolId} has not declared its counters again`],
  );
}

async function balanceOf(sql: Sql, accountId: string): Promise<bigint> {
  const [row] = await sql<{ balance: string }[]>`
    select coalesce(sum(amount_nano), 0)::text as balance from ledger_entries
    join ledger_accounts on ledger_accounts.id = ledger_account_id
    where account_id = ${accountId}`;
  return BigInt(row?.balance ?? 0);
}
