import type { Sql } from '#db/client.ts';
import { currentBudgetLabels } from '#shared/budget-period.ts';
import type { SettledBudget } from '../usage/settle-budgets.ts';

export interface SettledWallet {
  readonly accountId: string;
  readonly spool: string;
  /** All that was ever settled from this spool for this account, nano-USD. */
  readonly settledNano: string;
}

/** What Postgres knows of the wallets: everything that a wiped Redis has to be told. */
export interface BalanceRow {
  readonly account_id: string;
  readonly balance_nano: string;
  readonly sequence: string;
}

export async function readBalances(
  sql: Sql,
  accountIds: readonly string[],
): Promise<Map<string, BalanceRow>> {
  const rows = await sql<BalanceRow[]>`
    select account_id, sum(balance_nano)::text as balance_nano, sum(sequence)::text as sequence
    from ledger_balances join ledger_accounts on ledger_accounts.id = ledger_account_id
    where account_id = any(${[...accountIds]}::uuid[]) group by account_id`;
  return new Map(rows.map((row) => [row.account_id, row]));
}

/** The next `limit` balances in the order of account ids. */
export function readBalancesAfter(sql: Sql, after: string, limit: number): Promise<BalanceRow[]> {
  return sql<BalanceRow[]>`
    select account_id, sum(balance_nano)::text as balance_nano, sum(sequence)::text as sequence
    from ledger_balances join ledger_accounts on ledger_accounts.id = ledger_account_id
    where account_id > ${after} group by account_id order by account_id limit ${limit}`;
}

/** What open spools have had settled from accounts. */
export function readSettledWallets(sql: Sql): Promise<SettledWallet[]> {
  return sql<SettledWallet[]>`
    select spool_id as spool, account_id as "accountId", settled_nano::text as "settledNano"
    from usage_spool_wallets join usage_spools on usage_spools.id = spool_id where closed_at is null`;
}

/** Budgets of periods that have not ended. */
export function readCurrentBudgets(sql: Sql, nowMs: number): Promise<SettledBudget[]> {
  return sql<SettledBudget[]>`
    select wallet, '' as spool, '0' as "settledNano", spent_nano::text as "spentNano", sequence::text as sequence
    from usage_budgets where period = any(${currentBudgetLabels(nowMs)})`;
}

/** What open spools have had settled from budgets. */
export function readOpenSpoolBudgets(sql: Sql): Promise<SettledBudget[]> {
  return sql<SettledBudget[]>`
    select wallet, spool_id as spool, settled_nano::text as "settledNano", spent_nano::text as "spentNano",
      sequence::text as sequence
    from usage_spool_budgets join usage_spools on usage_spools.id = spool_id join usage_budgets using (wallet)
    where closed_at is null`;
}

export async function readOpenSpools(sql: Sql): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`select id from usage_spools where closed_at is null`;
  return rows.map((row) => row.id);
}

export interface SpoolReach {
  readonly spool: string;
  readonly wallet: string;
  /** What the spool was last known to hold and have spent beyond what is settled, nano-USD; `null`: unknown. */
  readonly reachNano: string | null;
}

/** Per wallet that one of `spools` is known to have used, what it may still be spending. */
export function reachOfSilentSpools(sql: Sql, spools: readonly string[]): Promise<SpoolReach[]> {
  return sql<SpoolReach[]>`
    with settled as (
      select spool_id, account_id::text as wallet, settled_nano from usage_spool_wallets
      where spool_id = any(${[...spools]})
      union all
      select spool_id, wallet, settled_nano from usage_spool_budgets where spool_id = any(${[...spools]})
    ), lent as (
      select spool_id, wallet, granted_nano - returned_nano as lent_nano from usage_spool_grants
      where spool_id = any(${[...spools]})
    )
    select coalesce(lent.spool_id, settled.spool_id) as spool, coalesce(lent.wallet, settled.wallet) as wallet,
      case when lent_nano is not null then greatest(0, lent_nano - coalesce(settled_nano, 0)) end::text
        as "reachNano"
    from lent full join settled on settled.spool_id = lent.spool_id and settled.wallet = lent.wallet`;
}
