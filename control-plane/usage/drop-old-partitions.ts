import type { Sql } from '#db/client.ts';
import { MIGRATION_LOCK, usagePartitionBefore } from '#db/usage-partitions.ts';

/**
 * Drops the monthly partitions of usage records that are older than `keptMonths` whole months before the current one;
 * returns their names. What they had cost is kept first, by the ledger transaction that settled it, and the daily totals
 * stay, so bills and reconciliation outlive the rows. A partition whose rows and daily totals differ is not dropped: that
 * difference would be gone for good. `keptMonths` 0 keeps everything.
 */
export async function dropOldPartitions(sql: Sql, nowMs: number, keptMonths: number): Promise<string[]> {
  if (keptMonths === 0) return [];
  const cutoff = usagePartitionBefore(nowMs, keptMonths);
  const old = await sql<{ name: string }[]>`
    select relname as name from pg_class
    where oid in (select inhrelid from pg_inherits where inhparent = 'usage_records'::regclass)
      and relname < ${cutoff}
    order by relname`;
  const dropped: string[] = [];
  for (const { name } of old) if (await dropPartition(sql, name)) dropped.push(name);
  return dropped;
}

function dropPartition(sql: Sql, name: string): Promise<boolean> {
  return sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${MIGRATION_LOCK})`;
    // A long month is read in whole here.
    await tx`set local statement_timeout = 0`;
    const rows = tx(name);
    const [difference] = await tx`
      select 1 from (
        select account_id, (occurred_at at time zone 'UTC')::date as day, sum(cost_nano) as cost_nano
        from ${rows} group by 1, 2) as kept
      left join usage_days using (account_id, day)
      where usage_days.cost_nano is distinct from kept.cost_nano
      limit 1`;
    if (difference !== undefined) return false;
    await tx`
      insert into usage_dropped_settlements (settlement_id, cost_nano)
      select settlement_id, sum(cost_nano) from ${rows} where settlement_id is not null group by settlement_id
      on conflict (settlement_id) do update
        set cost_nano = usage_dropped_settlements.cost_nano + excluded.cost_nano`;
    await tx`alter table usage_records detach partition ${rows}`;
    await tx`drop table ${rows}`;
    return true;
  });
}
