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

/** Where to look: at these wallets, `null`: at all, and at those of keys with requests that were refused for want of money. */
interface Moved {
  readonly wallets: readonly string[] | null;
  readonly refusedKeyIds: readonly string[];
}

/**
 * Compares what keys have spent in their current period with their budgets, and tells each account whose key has passed a
 * mark since the last look: once per mark and period, or again after the budget was changed. A budget also counts as
 * reached when a request was refused because what is left did not cover it: with holds, that comes before the last cent.
 * Returns how many were told.
 */
export async function markSpendLimits(
  tx: Transaction,
  { wallets, refusedKeyIds }: Moved,
  nowMs: number,
): Promise<number> {
  const named = wallets && [...wallets, ...refusedKeyIds.flatMap((id) => currentWalletsOf(id, nowMs))];
  if (named?.length === 0) return 0;
  const current = JSON.stringify(
    PERIODS.map((period) => ({ kind: period, label: budgetPeriodAt(period, nowMs).label })),
  );
  const those =
    named === null
      ? sql`true`
      : sql`budget.wallet in (select jsonb_array_elements_text(${JSON.stringify(named)}::text::jsonb))`;
  // Less left of the budget than of the account's balance: so the budget is what refused.
  const refused = sql`(key.id::text in (select jsonb_array_elements_text(${JSON.stringify(refusedKeyIds)}::text::jsonb))
    and key.budget_nano - budget.spent_nano < (
      select coalesce(sum(balance_nano), 0) from ledger_accounts
      join ledger_balances on ledger_account_id = ledger_accounts.id
      where ledger_accounts.account_id = key.account_id))`;
  const percent = sql`case when budget.spent_nano >= key.budget_nano or ${refused} then 100
    when budget.spent_nano::numeric * 100 >= key.budget_nano::numeric * ${EARLY_MARK_PERCENT}::int
    then ${EARLY_MARK_PERCENT}::int else 0 end`;
  // In the order in which the ingest takes them, so that the two never wait for each other crosswise.
  const passed = await tx.execute<PassedRow>(sql`
    with marked as (
      select budget.wallet, budget.period, budget.spent_nano, key.id as api_key_id, key.account_id,
        key.name as key_name, key.budget_nano, ${percent} as percent
      from jsonb_to_recordset(${current}::text::jsonb) as period (kind text, label text)
      join usage_budgets budget on budget.period = period.label
      join api_keys key on key.id = budget.api_key_id and key.budget_period = period.kind
      where key.budget_nano is not null and key.status <> 'deleted' and ${those} and budget.told_percent < ${percent}
      order by budget.wallet for no key update of budget),
    moved as (
      update usage_budgets budget set told_percent = marked.percent from marked where budget.wallet = marked.wallet)
    select period, spent_nano::text, budget_nano::text, api_key_id, account_id, key_name, percent from marked`);
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
function currentWalletsOf(apiKeyId: string, nowMs: number): string[] {
  return PERIODS.map((period) => budgetWallet(apiKeyId, budgetPeriodAt(period, nowMs).label));
}

/** After the budget of a key was changed: what was told of the old one no longer counts, and the new one is looked at. */
export async function markChangedBudget(tx: Transaction, apiKeyId: string, nowMs: number): Promise<void> {
  const wallets = currentWalletsOf(apiKeyId, nowMs);
  await tx.execute(sql`
    update usage_budgets set told_percent = 0
    where wallet in (select jsonb_array_elements_text(${JSON.stringify(wallets)}::text::jsonb)) and told_percent <> 0`);
  await markSpendLimits(tx, { wallets, refusedKeyIds: [] }, nowMs);
}

interface PassedRow extends Record<string, unknown> {
  readonly period: string;
  readonly spent_nano: string;
  readonly budget_nano: string;
  readonly api_key_id: string;
  readonly account_id: string;
  readonly key_name: string;
  readonly percent: number;
}
