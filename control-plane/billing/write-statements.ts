import { sql } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { firstUuidAt } from '#db/usage-partitions.ts';
import { mintId } from '../mint-id.ts';

/** Usage may reach the ledger this late; a month is closed after it. */
const CLOSING_DELAY_HOURS = 6;
const ACCOUNTS_AT_ONCE = 100;

/**
 * Writes the statement of the last closed month for every account that has a ledger and none yet. A statement is written
 * once, from the ledger alone: opening balance, what came in, what was used, and what is left.
 */
export async function writeDueStatements(database: Database): Promise<void> {
  for (;;) {
    const due = await database.execute<{ account_id: string; month: string }>(sql`
      with closed as (
        select to_char(date_trunc('month', now() - make_interval(hours => ${CLOSING_DELAY_HOURS}), 'UTC')
          - interval '1 month', 'YYYY-MM') as month,
          date_trunc('month', now() - make_interval(hours => ${CLOSING_DELAY_HOURS}), 'UTC') as ended)
      select distinct ledger_accounts.account_id, closed.month
      from closed, ledger_accounts
      where ledger_accounts.account_id is not null
        and exists (
          select 1 from ledger_entries
          where ledger_entries.ledger_account_id = ledger_accounts.id and ledger_entries.created_at < closed.ended)
        and not exists (
          select 1 from statements
          where statements.account_id = ledger_accounts.account_id and statements.month = closed.month)
      limit ${ACCOUNTS_AT_ONCE}`);
    for (const { account_id: accountId, month } of due) await writeStatement(database, accountId, month);
    if (due.length < ACCOUNTS_AT_ONCE) return;
  }
}

/** One statement of a past month, `2026-11`. Writing it again changes nothing. */
export async function writeStatement(database: Database, accountId: string, month: string): Promise<void> {
  const id = mintId();
  const number = `CM-${month}-${id.replaceAll('-', '').slice(-8).toUpperCase()}`;
  await database.execute(sql`
    with bounds as (
      select (${`${month}-01`}::date)::timestamp at time zone 'UTC' as begins,
        (${`${month}-01`}::date + interval '1 month')::timestamp at time zone 'UTC' as ends),
    entries as (
      select ledger_entries.amount_nano, ledger_entries.created_at, ledger_transactions.kind
      from ledger_entries
      join ledger_accounts on ledger_accounts.id = ledger_entries.ledger_account_id
      join ledger_transactions on ledger_transactions.id = ledger_entries.transaction_id
      where ledger_accounts.account_id = ${accountId}),
    figures as (
      select
        coalesce(sum(amount_nano) filter (where created_at < begins), 0) as opening,
        coalesce(sum(amount_nano) filter (where created_at >= begins and kind = 'top_up'), 0) as topped_up,
        coalesce(sum(amount_nano) filter (where created_at >= begins and kind = 'usage'), 0) as usage,
        coalesce(sum(amount_nano) filter (where created_at >= begins and kind not in ('top_up', 'usage')), 0) as other,
        coalesce(sum(amount_nano), 0) as closing
      from entries, bounds
      where created_at < ends),
    models as (
      select coalesce(jsonb_agg(jsonb_build_object(
        'model', model, 'requests', requests, 'costNano', cost::text) order by cost desc), '[]'::jsonb) as list
      from (
        select coalesce(model_id, requested_model, '') as model, sum(request_count)::int as requests,
          sum(cost_nano) as cost
        from usage_records
        where account_id = ${accountId} and cost_nano > 0
          and request_id >= ${monthBound(month, 0)} and request_id < ${monthBound(month, 1)}
        group by 1) by_model)
    insert into statements (id, account_id, month, number, opening_nano, topped_up_nano, usage_nano, other_nano,
      closing_nano, usage_by_model)
    select ${id}, ${accountId}, ${month}, ${number}, opening, topped_up, usage, other, closing, list
    from figures, models
    on conflict (account_id, month) do nothing`);
}

/** Where a month begins among request ids, `offset` months after `month`. */
function monthBound(month: string, offset: number): string {
  const [year, number] = month.split('-').map(Number);
  return firstUuidAt(Date.UTC(year ?? 0, (number ?? 1) - 1 + offset, 1));
}
