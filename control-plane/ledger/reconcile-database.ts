import type { TransactionSql } from 'postgres';
import type { ReconciliationDifference } from '#db/schema/ledger.ts';
import { nameRowsAtFault } from './name-rows-at-fault.ts';

export interface CheckResult {
  readonly check: string;
  /** How many figures were compared. */
  readonly compared: number;
  readonly differences: readonly ReconciliationDifference[];
}

type Rows = readonly { readonly subject: string; readonly expected: string; readonly found: string }[];
interface Compared {
  readonly compared: string;
  readonly subject: string | null;
  readonly expected: string;
  readonly found: string;
}

/** Of each check; more of the same kind tell nothing new. */
const MAX_DIFFERENCES = 50;

/**
 * Compares every figure of money in Postgres with what it is made from. Runs in the caller's transaction, which must see
 * one moment (repeatable read), so that usage that is taken in meanwhile is no difference.
 */
export async function reconcileDatabase(tx: TransactionSql): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const [check, find] of Object.entries(CHECKS)) {
    const rows = await find(tx);
    const differences = rows.filter((row): row is Compared & { subject: string } => row.subject !== null);
    results.push({
      check,
      compared: Number(rows[0]?.compared ?? 0),
      differences: toDifferences(check, differences),
    });
  }
  return await Promise.all(results.map((result) => withRowsAtFault(tx, result)));
}

function toDifferences(check: string, rows: Rows): ReconciliationDifference[] {
  return rows.map(({ subject, expected, found }) => ({ check, subject, expected, found }));
}

async function withRowsAtFault(tx: TransactionSql, result: CheckResult): Promise<CheckResult> {
  if (result.check !== 'settlements' || result.differences.length === 0) return result;
  return { ...result, differences: await nameRowsAtFault(tx, result.differences) };
}

/**
 * Each check is one statement whose rows are the differences, and one row at least, which says how many figures were
 * compared.
 */
const CHECKS: Readonly<Record<string, (tx: TransactionSql) => Promise<Compared[]>>> = {
  transactions: (tx) => tx<Compared[]>`
    with sums as (
      select transaction_id, sum(amount_nano) as amount from ledger_entries group by transaction_id)
    select (select count(*) from sums)::text as compared, 'ledger_transactions ' || bad.transaction_id as subject,
      '0' as expected, bad.amount::text as found
    from (select 1) as always left join (select * from sums where amount <> 0) as bad on true
    limit ${MAX_DIFFERENCES}`,

  balances: (tx) => tx<Compared[]>`
    with sums as (
      select ledger_account_id, sum(amount_nano) as amount from ledger_entries group by ledger_account_id),
    both_sides as (
      select ledger_account_id, coalesce(amount, 0) as amount, coalesce(balance_nano, 0) as stored
      from sums full join ledger_balances using (ledger_account_id))
    select (select count(*) from both_sides)::text as compared, 'ledger_balances ' || bad.ledger_account_id as subject,
      bad.amount::text as expected, bad.stored::text as found
    from (select 1) as always left join (select * from both_sides where amount <> stored) as bad on true
    limit ${MAX_DIFFERENCES}`,

  settlements: (tx) => tx<Compared[]>`
    with rows as (
      select settlement_id, sum(cost_nano) as cost from (
        select settlement_id, cost_nano from usage_records where settlement_id is not null
        union all select settlement_id, cost_nano from usage_dropped_settlements) as used
      group by settlement_id),
    posted as (
      select ledger_transactions.id as settlement_id, sum(amount_nano) as cost
      from ledger_transactions
      join ledger_entries on transaction_id = ledger_transactions.id
      join ledger_accounts on ledger_accounts.id = ledger_account_id
      where ledger_transactions.kind = 'usage' and ledger_accounts.kind = 'usage_revenue'
      group by ledger_transactions.id),
    both_sides as (
      select settlement_id, coalesce(posted.cost, 0) as posted, coalesce(rows.cost, 0) as used
      from posted full join rows using (settlement_id))
    select (select count(*) from both_sides)::text as compared, 'ledger_transactions ' || bad.settlement_id as subject,
      bad.posted::text as expected, bad.used::text as found
    from (select 1) as always left join (select * from both_sides where posted <> used) as bad on true
    limit ${MAX_DIFFERENCES}`,

  unsettled: (tx) => tx<Compared[]>`
    select (select count(*) from usage_records)::text as compared, 'usage_records ' || bad.request_id as subject,
      'settled by a ledger transaction' as expected, bad.cost_nano::text || ' by none' as found
    from (select 1) as always
    left join (select * from usage_records where cost_nano <> 0 and settlement_id is null) as bad on true
    limit ${MAX_DIFFERENCES}`,

  days: (tx) => tx<Compared[]>`
    with rows as (
      select account_id, (occurred_at at time zone 'UTC')::date as day, sum(cost_nano) as cost,
        sum(request_count) as requests
      from usage_records group by 1, 2),
    both_sides as (
      select account_id, day, coalesce(rows.cost, 0) as cost, coalesce(rows.requests, 0) as requests,
        coalesce(kept.cost_nano, 0) as kept_cost, coalesce(kept.request_count, 0) as kept_requests
      from rows full join (
        select * from usage_days where day >= (select min(day) from rows)) as kept using (account_id, day))
    select (select count(*) from both_sides)::text as compared,
      'usage_days ' || bad.account_id || ' ' || bad.day as subject,
      bad.cost || ' for ' || bad.requests as expected, bad.kept_cost || ' for ' || bad.kept_requests as found
    from (select 1) as always
    left join (select * from both_sides where cost <> kept_cost or requests <> kept_requests) as bad on true
    limit ${MAX_DIFFERENCES}`,

  spools: (tx) => tx<Compared[]>`
    with open_spools as (
      select id from usage_spools where closed_at is null
        and opened_at >= (select coalesce(min(occurred_at), now()) from usage_records)),
    rows as (
      select spool_id, account_id, sum(cost_nano) as cost from usage_records
      where cost_nano <> 0 and spool_id in (select id from open_spools) group by 1, 2),
    both_sides as (
      select spool_id, account_id, coalesce(rows.cost, 0) as cost, coalesce(kept.settled_nano, 0) as kept
      from rows full join (
        select * from usage_spool_wallets where spool_id in (select id from open_spools)) as kept
        using (spool_id, account_id))
    select (select count(*) from both_sides)::text as compared,
      'usage_spool_wallets ' || bad.spool_id || ' ' || bad.account_id as subject,
      bad.cost::text as expected, bad.kept::text as found
    from (select 1) as always left join (select * from both_sides where cost <> kept) as bad on true
    limit ${MAX_DIFFERENCES}`,

  promotions: (tx) => tx<Compared[]>`
    with granted as (
      select account_id, sum(remaining_nano) as remaining from promotional_grants group by account_id),
    posted as (
      select account_id, balance_nano from ledger_balances
      join ledger_accounts on ledger_accounts.id = ledger_account_id where kind = 'customer_promotional'),
    both_sides as (
      select account_id, coalesce(balance_nano, 0) as balance, coalesce(remaining, 0) as remaining
      from granted full join posted using (account_id))
    select (select count(*) from both_sides)::text as compared, 'promotional_grants of ' || bad.account_id as subject,
      bad.balance::text as expected, bad.remaining::text as found
    from (select 1) as always left join (select * from both_sides where balance <> remaining) as bad on true
    limit ${MAX_DIFFERENCES}`,
};
