import type { Sql } from '#db/client.ts';
import { budgetPeriodAt } from '#shared/budget-period.ts';

/** Records may come late, and an operator may ask what a key had spent; nobody needs the period of a budget for longer. */
const KEPT_MS = 100 * 86_400_000;

/**
 * Forgets what keys have spent of the budgets of periods that ended long ago; returns how many. Those that a spool which is
 * still open has drawn on are kept.
 */
export async function forgetOldBudgets(sql: Sql, nowMs: number): Promise<number> {
  const labelOf = (period: 'day' | 'week' | 'month') => budgetPeriodAt(period, nowMs - KEPT_MS).label;
  const forgotten = await sql`
    delete from usage_budgets
    where (period like 'day-%' and period < ${labelOf('day')}
        or period like 'week-%' and period < ${labelOf('week')}
        or period like 'month-%' and period < ${labelOf('month')})
      and not exists (select 1 from usage_spool_budgets where usage_spool_budgets.wallet = usage_budgets.wallet)`;
  return forgotten.count;
}
