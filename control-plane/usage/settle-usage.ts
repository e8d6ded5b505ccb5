import { sql } from 'drizzle-orm';
import { uuidTimeMs } from '#shared/identifiers.ts';
import type { NanoUsd } from '#shared/money.ts';
import { promptTokens } from '#shared/token-usage.ts';
import type { UsageRecord } from '#shared/usage-record.ts';
import { type LedgerPosting, postTransactions } from '../ledger/post-transaction.ts';
import type { SettledWallet } from '../ledger/read-wallet-seeds.ts';
import { spendPromotionalCredit } from '../ledger/spend-promotional-credit.ts';
import type { SqlExecutor } from '../ledger/sql-executor.ts';
import { mintId } from '../mint-id.ts';
import { insertUsageRows } from './insert-usage-rows.ts';
import { noteNetworks } from './note-networks.ts';
import { rollUpUsage } from './roll-up-usage.ts';
import { noteExcesses, type SettledBudget, settleBudgets } from './settle-budgets.ts';

/** Names what is settled together: part of the idempotency key and of the ledger's metadata. */
export interface SettlementUnit {
  readonly spool: string;
  /** Unique within the spool, such as `1-500`. */
  readonly name: string;
}

/** What wallets have paid for, all told, after the rows were booked. */
export interface Settled {
  readonly settled: readonly SettledWallet[];
  readonly budgets: readonly SettledBudget[];
  /** Whose usage it was, also where it cost nothing. */
  readonly accountIds: readonly string[];
  /** Keys with a request that was refused for want of money, theirs or their account's. */
  readonly refusedKeyIds: readonly string[];
}

/**
 * Inserts the rows, then moves money, per-spool totals and daily totals for exactly those that were new: one ledger
 * transaction per account, which each of its rows names.
 */
export async function settleUsage(
  tx: SqlExecutor,
  unit: SettlementUnit,
  records: readonly UsageRecord[],
): Promise<Settled> {
  if (records.length === 0) return { settled: [], budgets: [], accountIds: [], refusedKeyIds: [] };
  const settlementIds = new Map<string, string>();
  for (const record of records)
    if (record.costNano !== '0' && !settlementIds.has(record.accountId))
      settlementIds.set(record.accountId, mintId());
  const bookings = records.map((record) => ({
    record,
    settlementId: record.costNano === '0' ? null : (settlementIds.get(record.accountId) ?? null),
  }));
  const fresh = await insertUsageRows(tx, unit.spool, bookings);
  const costs = new Map<string, NanoUsd>();
  for (const { accountId, costNano } of fresh)
    if (costNano !== '0') costs.set(accountId, (costs.get(accountId) ?? 0n) + BigInt(costNano));
  await addDailyTotals(tx, fresh);
  await rollUpUsage(tx, fresh);
  const settled = await addSpoolTotals(tx, unit.spool, costs);
  const budgets = await settleBudgets(tx, unit.spool, fresh);
  await noteExcesses(tx, fresh);
  await noteNetworks(tx, fresh);
  // The ledger last: its balances are what other transactions wait for.
  await postCosts(tx, unit, costs, settlementIds);
  const accountIds = [...new Set(fresh.map((record) => record.accountId))];
  const refused = fresh.filter((record) => record.errorCode === 'insufficient_balance');
  const refusedKeyIds = [...new Set(refused.map((record) => record.apiKeyId))];
  return { settled, budgets, accountIds, refusedKeyIds };
}

async function postCosts(
  tx: SqlExecutor,
  unit: SettlementUnit,
  costs: ReadonlyMap<string, NanoUsd>,
  settlementIds: ReadonlyMap<string, string>,
): Promise<void> {
  if (costs.size === 0) return;
  const promotional = await spendPromotionalCredit(tx, costs);
  const postings = [...costs].map(([accountId, cost]): LedgerPosting => {
    const fromPromotional = promotional.get(accountId) ?? 0n;
    const customer = [
      { account: { kind: 'customer_promotional' as const, accountId }, amountNano: -fromPromotional },
      { account: { kind: 'customer_available' as const, accountId }, amountNano: fromPromotional - cost },
    ].filter(({ amountNano }) => amountNano !== 0n);
    return {
      id: settlementIds.get(accountId) ?? mintId(),
      kind: 'usage',
      idempotencyKey: `usage:${unit.spool}:${unit.name}:${accountId}`,
      description: 'Usage',
      metadata: { spool: unit.spool, unit: unit.name },
      entries: [...customer, { account: { kind: 'usage_revenue' }, amountNano: cost }],
    };
  });
  await postTransactions(tx, postings);
}

const MS_PER_DAY = 86_400_000;

interface DayTotal {
  readonly account_id: string;
  readonly day: string;
  cost_nano: bigint;
  prompt_tokens: number;
  completion_tokens: number;
  request_count: number;
  success_count: number;
}

async function addDailyTotals(tx: SqlExecutor, records: readonly UsageRecord[]): Promise<void> {
  if (records.length === 0) return;
  const totals = new Map<string, DayTotal>();
  for (const record of records) {
    const dayNumber = Math.floor(uuidTimeMs(record.requestId) / MS_PER_DAY);
    const key = `${record.accountId}${dayNumber}`;
    let total = totals.get(key);
    if (total === undefined) {
      total = {
        account_id: record.accountId,
        day: new Date(dayNumber * MS_PER_DAY).toISOString().slice(0, 10),
        cost_nano: 0n,
        prompt_tokens: 0,
        completion_tokens: 0,
        request_count: 0,
        success_count: 0,
      };
      totals.set(key, total);
    }
    total.cost_nano += BigInt(record.costNano);
    total.prompt_tokens += promptTokens(record.usage);
    total.completion_tokens += record.usage.output;
    total.request_count += record.count;
    if (record.status === 'success') total.success_count += record.count;
  }
  const rows = [...totals.values()].map((total) => ({ ...total, cost_nano: total.cost_nano.toString() }));
  await tx.execute(sql`
    insert into usage_days
      (account_id, day, cost_nano, prompt_tokens, completion_tokens, request_count, success_count)
    select account_id, day, cost_nano, prompt_tokens, completion_tokens, request_count, success_count
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as total (account_id uuid, day date,
      cost_nano bigint, prompt_tokens bigint, completion_tokens bigint, request_count bigint, success_count bigint)
    order by account_id, day
    on conflict (account_id, day) do update set
      cost_nano = usage_days.cost_nano + excluded.cost_nano,
      prompt_tokens = usage_days.prompt_tokens + excluded.prompt_tokens,
      completion_tokens = usage_days.completion_tokens + excluded.completion_tokens,
      request_count = usage_days.request_count + excluded.request_count,
      success_count = usage_days.success_count + excluded.success_count`);
}

async function addSpoolTotals(
  tx: SqlExecutor,
  spool: string,
  costs: ReadonlyMap<string, NanoUsd>,
): Promise<SettledWallet[]> {
  if (costs.size === 0) return [];
  const totals = [...costs].map(([accountId, cost]) => ({
    account_id: accountId,
    settled_nano: cost.toString(),
  }));
  const rows = await tx.execute<{ account_id: string; settled_nano: string }>(sql`
    insert into usage_spool_wallets (spool_id, account_id, settled_nano)
    select ${spool}, account_id, settled_nano
    from jsonb_to_recordset(${JSON.stringify(totals)}::text::jsonb) as total (account_id uuid, settled_nano bigint)
    order by account_id
    on conflict (spool_id, account_id) do update
      set settled_nano = usage_spool_wallets.settled_nano + excluded.settled_nano
    returning account_id, settled_nano::text`);
  return rows.map((row) => ({ accountId: row.account_id, spool, settledNano: row.settled_nano }));
}
