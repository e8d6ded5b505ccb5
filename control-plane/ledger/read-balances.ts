import { sql } from 'drizzle-orm';
import type { Redis } from 'ioredis';
import type { Database } from '#db/client.ts';
import type { NanoUsd } from '#shared/money.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { heldInWallet } from '#shared/wallet-hash.ts';

export interface Balance {
  /** Sum of the account's ledger entries. */
  readonly ledgerNano: NanoUsd;
  /** The part of it that was given and not paid; spent first. */
  readonly promotionalNano: NanoUsd;
  /** Granted to data planes and not yet settled: requests in flight, and those whose usage is on its way. */
  readonly heldNano: NanoUsd;
  /** What can be spent: ledger − held. */
  readonly availableNano: NanoUsd;
}

interface LedgerFigures {
  readonly ledgerNano: NanoUsd;
  readonly promotionalNano: NanoUsd;
  /** Spool id → what has been settled from this account's wallet, as of the same moment as the balance. */
  readonly settledNano: ReadonlyMap<string, NanoUsd>;
}

/**
 * The balances of accounts, in the order of the ids: one SQL statement and one Redis round trip for all of them. What a
 * spool has settled is read together with the ledger, so a charge is never counted twice or not at all on its way from
 * held to settled. Without Redis nothing counts as held.
 */
export async function readBalances(
  database: Pick<Database, 'execute'>,
  redis: Redis,
  accountIds: readonly string[],
): Promise<Balance[]> {
  // Redis first: a grant that follows is missing from `held`, while a settlement that follows is in both SQL figures.
  const wallets = await readWallets(redis, accountIds);
  const figures = await readLedger(database, accountIds);
  return accountIds.map((accountId) => {
    const { ledgerNano, promotionalNano, settledNano } = figures.get(accountId) ?? {
      ledgerNano: 0n,
      promotionalNano: 0n,
      settledNano: new Map<string, NanoUsd>(),
    };
    const heldNano = heldInWallet(wallets.get(accountId) ?? {}, (spool) => settledNano.get(spool) ?? 0n);
    return { ledgerNano, promotionalNano, heldNano, availableNano: ledgerNano - heldNano };
  });
}

async function readWallets(
  redis: Redis,
  accountIds: readonly string[],
): Promise<ReadonlyMap<string, Record<string, string>>> {
  try {
    const wallets = await Promise.all(
      accountIds.map(async (id) => [id, await redis.hgetall(redisKeys.wallet(id))] as const),
    );
    return new Map(wallets);
  } catch {
    return new Map();
  }
}

async function readLedger(
  database: Pick<Database, 'execute'>,
  accountIds: readonly string[],
): Promise<ReadonlyMap<string, LedgerFigures>> {
  const ids = sql.join(
    accountIds.map((id) => sql`${id}::uuid`),
    sql`, `,
  );
  const rows = await database.execute<{
    account_id: string;
    ledger_nano: string;
    promotional_nano: string;
    settled: Record<string, string> | null;
  }>(sql`
    select parents.id as account_id,
      (select coalesce(sum(ledger_balances.balance_nano), 0)::text
       from ledger_accounts
       join ledger_balances on ledger_balances.ledger_account_id = ledger_accounts.id
       where ledger_accounts.account_id = parents.id) as ledger_nano,
      (select coalesce(sum(ledger_balances.balance_nano), 0)::text
       from ledger_accounts
       join ledger_balances on ledger_balances.ledger_account_id = ledger_accounts.id
       where ledger_accounts.account_id = parents.id
         and ledger_accounts.kind = 'customer_promotional') as promotional_nano,
      (select jsonb_object_agg(spool_id, settled_nano::text)
       from usage_spool_wallets
       where usage_spool_wallets.account_id = parents.id) as settled
    from unnest(array[${ids}]) as parents (id)`);
  return new Map(
    rows.map((row) => [
      row.account_id,
      {
        ledgerNano: BigInt(row.ledger_nano),
        promotionalNano: BigInt(row.promotional_nano),
        settledNano: new Map(
          Object.entries(row.settled ?? {}).map(([spool, settled]) => [spool, BigInt(settled)]),
        ),
      },
    ]),
  );
}
