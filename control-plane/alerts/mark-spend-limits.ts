import { sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { budgetPeriodAt, budgetWallet } from '#shared/budget-period.ts';
import { formatUsd } from '#shared/money.ts';
import { spendLimit } from '../webhooks/event-types.ts';
import { recordEvents } from '../webhooks/record-events.ts';
import { recordAlerts } from './record-alerts.ts';

/** The mark before the limit itself, in percent of it. */
const EARLY_MARK_PERCENT = 80;
const PERIODS = ['none', 'day', 'week', 'month'] as const;

/**
 * Compares what keys have spent in their current period with their budgets, of these wallets or (`null`) of all, and tells
 * each account whose key has passed a mark since the last look: once per mark and period, or again after the budget was
 * raised and is used up once more. Returns how many were told.
 */
export async function markSpendLimits(
  tx: Transaction,
  wallets: readonly string[] | null,
  nowMs: number,
): Promise<number> {
  if (wallets?.length === 0) return 0;
  const current = JSON.stringify(
    PERIODS.map((period) => ({ kind: period, label: budgetPeriodAt(period, nowMs).label })),
  );
  const those =
    wallets === null
      ? sql`true`
      : sql`budget.wallet in (select jsonb_array_elements_text(${JSON.stringify(wallets)}::text::jsonb))`;
  // In the order in which the ingest takes them, so that the two never wait for each other crosswise.
  const passed = await tx.execute<PassedRow>(sql`
    with marked as (
      select budget.wallet, budget.period, budget.told_percent as told, budget.spent_nano, key.id as api_key_id,
        key.account_id, key.name as key_name, key.budget_nano, ${percent} as percent
      from jsonb_to_recordset(${current}::text::jsonb) as period (kind text, label text)
      join usage_budgets budget on budget.period = period.label
      join api_keys key on key.id = budget.api_key_id and key.budget_period = period.kind
      where key.budget_nano is not null and key.status <> 'deleted' and ${those} and budget.told_percent <> ${percent}
      order by budget.wallet for no key update of budget),
    moved as (
      update usage_budgets budget set told_percent = marked.percent from marked where budget.wallet = marked.wallet)
    select wallet, period, spent_nano::text, budget_nano::text, api_key_id, account_id, key_name, percent
    from marked where percent > told`);
  await recordEvents(
    tx,
    passed.map((row) =>
      spendLimit({
        accountId: row.account_id,
        apiKeyId: row.api_key_id,
        period: row.period,
        percent: row.percent,
        spentNano: BigInt(row.spent_nano),
        limitNano: BigInt(row.budget_nano),
      }),
    ),
  );
  await recordAlerts(
    tx,
    passed.map((row) => ({
      accountId: row.account_id,
      kind: 'spend_limit',
      data: {
        keyName: row.key_name,
        percent: String(row.percent),
        period: row.period,
        spentUsd: formatUsd(BigInt(row.spent_nano)),
        limitUsd: formatUsd(BigInt(row.budget_nano)),
      },
    })),
  );
  return passed.length;
}

/** The budget wallets that a key may be spending from now, whatever its period. */
export function currentWalletsOf(apiKeyId: string, nowMs: number): string[] {
  return PERIODS.map((period) => budgetWallet(apiKeyId, budgetPeriodAt(period, nowMs).label));
}

const percent = sql`case when budget.spent_nano >= key.budget_nano then 100
  when budget.spent_nano::numeric * 100 >= key.budget_nano::numeric * ${sql.raw(String(EARLY_MARK_PERCENT))}
  then ${sql.raw(String(EARLY_MARK_PERCENT))} else 0 end`;

interface PassedRow extends Record<string, unknown> {
  readonly wallet: string;
  readonly period: string;
  readonly spent_nano: string;
  readonly budget_nano: string;
  readonly api_key_id: string;
  readonly account_id: string;
  readonly key_name: string;
  readonly percent: number;
}
