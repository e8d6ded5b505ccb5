import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Sql } from '#db/client.ts';
import type { ReconciliationDifference } from '#db/schema/ledger.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import type { CheckResult } from './reconcile-database.ts';

/** The copies in Redis follow within moments; only what stays different this long is a difference. */
const PATIENCE_MS = 4_000;
const POLL_MS = 500;
const ACCOUNTS_PER_ROUND = 1_000;

interface WalletRow {
  readonly account_id: string;
  readonly balance_nano: string;
  readonly settled: Readonly<Record<string, string>> | null;
}

/**
 * Compares the wallets in Redis with the ledger: the balance, and what each open spool has had settled. While Redis is not
 * seeded or away nothing is compared: data planes do not lend from it then.
 */
export async function reconcileRedis(sql: Sql, redis: Redis): Promise<CheckResult> {
  const check = 'redis';
  const deadline = Math.ceil(PATIENCE_MS / POLL_MS);
  try {
    if ((await redis.get(redisKeys.quotaOpen)) === null) return { check, compared: 0, differences: [] };
    let { compared, differing } = await compareAll(sql, redis);
    for (let round = 0; differing.size > 0 && round < deadline; round += 1) {
      await delay(POLL_MS);
      differing = await compareThese(sql, redis, [...differing.keys()]);
    }
    compared = Math.max(compared, differing.size);
    return { check, compared, differences: [...differing.values()].flat() };
  } catch (error) {
    if (isRedisAway(error)) return { check, compared: 0, differences: [] };
    throw error;
  }
}

type Differing = Map<string, ReconciliationDifference[]>;

async function compareAll(sql: Sql, redis: Redis): Promise<{ compared: number; differing: Differing }> {
  const differing: Differing = new Map();
  let compared = 0;
  let after = '00000000-0000-0000-0000-000000000000';
  for (;;) {
    const ids = await sql<{ account_id: string }[]>`
      select distinct account_id from ledger_accounts where account_id > ${after}
      order by account_id limit ${ACCOUNTS_PER_ROUND}`;
    const last = ids.at(-1);
    if (last === undefined) return { compared, differing };
    compared += ids.length;
    const found = await compareThese(
      sql,
      redis,
      ids.map((row) => row.account_id),
    );
    for (const [accountId, differences] of found) differing.set(accountId, differences);
    after = last.account_id;
  }
}

async function compareThese(sql: Sql, redis: Redis, accountIds: readonly string[]): Promise<Differing> {
  const rows = await sql<WalletRow[]>`
    select parents.id as account_id,
      (select coalesce(sum(balance_nano), 0)::text from ledger_balances
       join ledger_accounts on ledger_accounts.id = ledger_account_id
       where ledger_accounts.account_id = parents.id) as balance_nano,
      (select jsonb_object_agg(spool_id, settled_nano::text) from usage_spool_wallets
       join usage_spools on usage_spools.id = spool_id
       where closed_at is null and usage_spool_wallets.account_id = parents.id) as settled
    from unnest(${[...accountIds]}::uuid[]) as parents (id)`;
  const differing: Differing = new Map();
  for (const row of rows) {
    const wallet = await redis.hgetall(redisKeys.wallet(row.account_id));
    const differences = differencesIn(row, wallet);
    if (differences.length > 0) differing.set(row.account_id, differences);
  }
  return differing;
}

function differencesIn(row: WalletRow, wallet: Readonly<Record<string, string>>): ReconciliationDifference[] {
  const key = redisKeys.wallet(row.account_id);
  const wanted = [
    ['balance', row.balance_nano],
    ...Object.entries(row.settled ?? {}).map(([spool, settled]) => [`s:${spool}`, settled]),
  ] as const;
  return wanted.flatMap(([field = '', expected = '']) => {
    const found = wallet[field] ?? (field === 'balance' ? 'nothing' : '0');
    return found === expected ? [] : [{ check: 'redis', subject: `${key} ${field}`, expected, found }];
  });
}

function isRedisAway(error: unknown): boolean {
  return error instanceof Error && !('severity' in error) && !error.message.startsWith('ERR');
}
