import { sql } from 'drizzle-orm';
import { budgetWallet } from '#shared/budget-period.ts';
import type { UsageRecord } from '#shared/usage-record.ts';
import type { SqlExecutor } from '../ledger/sql-executor.ts';

/** What a budget has paid for, after a batch was taken in. */
export interface SettledBudget {
  readonly wallet: string;
  readonly spool: string;
  /** All that was ever settled from this spool, nano-USD. */
  readonly settledNano: string;
  /** All that was spent of the budget in its period, nano-USD. */
  readonly spentNano: string;
  readonly sequence: string;
}

/**
 * Counts the costs of `records` against the budgets that they were admitted under, inside the ingest transaction. Call it
 * with exactly the records that the transaction inserted.
 */
export async function settleBudgets(
  tx: SqlExecutor,
  spool: string,
  records: readonly UsageRecord[],
): Promise<SettledBudget[]> {
  const spent = new Map<string, { api_key_id: string; period: string; cost: bigint }>();
  for (const { apiKeyId, budgetPeriod, costNano } of records) {
    if (budgetPeriod === undefined || costNano === '0') continue;
    const wallet = budgetWallet(apiKeyId, budgetPeriod);
    const row = spent.get(wallet) ?? { api_key_id: apiKeyId, period: budgetPeriod, cost: 0n };
    row.cost += BigInt(costNano);
    spent.set(wallet, row);
  }
  if (spent.size === 0) return [];
  const rows = JSON.stringify(
    [...spent].map(([wallet, { cost, ...row }]) => ({ wallet, ...row, spent_nano: cost.toString() })),
  );
  // Ordered by wallet, so that two batches that touch the same budgets never wait for each other crosswise.
  const budgets = await tx.execute<{ wallet: string; spent_nano: string; sequence: string }>(sql`
    insert into usage_budgets (wallet, api_key_id, period, spent_nano, sequence)
    select wallet, api_key_id, period, spent_nano, 1
    from jsonb_to_recordset(${rows}::text::jsonb)
      as spent (wallet text, api_key_id uuid, period text, spent_nano bigint)
    order by wallet
    on conflict (wallet) do update set
      spent_nano = usage_budgets.spent_nano + excluded.spent_nano, sequence = usage_budgets.sequence + 1
    returning wallet, spent_nano::text, sequence::text`);
  const settled = await tx.execute<{ wallet: string; settled_nano: string }>(sql`
    insert into usage_spool_budgets (spool_id, wallet, settled_nano)
    select ${spool}, wallet, spent_nano
    from jsonb_to_recordset(${rows}::text::jsonb) as spent (wallet text, spent_nano bigint)
    order by wallet
    on conflict (spool_id, wallet) do update set
      settled_nano = usage_spool_budgets.settled_nano + excluded.settled_nano
    returning wallet, settled_nano::text`);
  const settledOf = new Map(settled.map((row) => [row.wallet, row.settled_nano]));
  return budgets.map((row) => ({
    wallet: row.wallet,
    spool,
    settledNano: settledOf.get(row.wallet) ?? '0',
    spentNano: row.spent_nano,
    sequence: row.sequence,
  }));
}

/** Keeps a row for each of `records` that cost more than was held for it, for operators. */
export async function noteExcesses(tx: SqlExecutor, records: readonly UsageRecord[]): Promise<void> {
  const rows = records.flatMap(({ requestId, accountId, apiKeyId, excessNano }) =>
    excessNano === undefined
      ? []
      : [{ request_id: requestId, account_id: accountId, api_key_id: apiKeyId, excess_nano: excessNano }],
  );
  if (rows.length === 0) return;
  await tx.execute(sql`
    insert into usage_excesses (request_id, account_id, api_key_id, excess_nano)
    select request_id, account_id, api_key_id, excess_nano
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
      as excess (request_id uuid, account_id uuid, api_key_id uuid, excess_nano bigint)
    on conflict do nothing`);
}
