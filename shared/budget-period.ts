import type { KeyBudget } from './snapshot.ts';

/** One period of a key's budget: its name in wallets, records and tables, and when the next one begins. */
export interface BudgetPeriod {
  readonly label: string;
  /** Unix ms; `Infinity` for a budget that never begins anew. */
  readonly endsAtMs: number;
}

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** 1 January 1970 was a Thursday; weeks begin on Monday. */
const FIRST_MONDAY_MS = 4 * DAY_MS;
const DATE_LENGTH = 'yyyy-mm-dd'.length;
const MONTH_LENGTH = 'yyyy-mm'.length;
/** How far two hosts' clocks may be apart. */
const CLOCK_SKEW_MS = 600_000;

const PERIODS: readonly KeyBudget['period'][] = ['none', 'day', 'week', 'month'];

/** The period of that kind which `nowMs` falls into; all of them begin at UTC midnight. */
export function budgetPeriodAt(period: KeyBudget['period'], nowMs: number): BudgetPeriod {
  switch (period) {
    case 'none':
      return { label: 'none', endsAtMs: Number.POSITIVE_INFINITY };
    case 'day': {
      const startMs = nowMs - (nowMs % DAY_MS);
      return { label: `day-${dateOf(startMs)}`, endsAtMs: startMs + DAY_MS };
    }
    case 'week': {
      const startMs = nowMs - ((nowMs - FIRST_MONDAY_MS) % WEEK_MS);
      return { label: `week-${dateOf(startMs)}`, endsAtMs: startMs + WEEK_MS };
    }
    case 'month': {
      const now = new Date(nowMs);
      const endsAtMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1);
      return { label: `month-${now.toISOString().slice(0, MONTH_LENGTH)}`, endsAtMs };
    }
  }
}

/** The labels that a data plane may be holding money under at `nowMs`. */
export function currentBudgetLabels(nowMs: number): string[] {
  const moments = [nowMs - CLOCK_SKEW_MS, nowMs, nowMs + CLOCK_SKEW_MS];
  return [...new Set(moments.flatMap((at) => PERIODS.map((period) => budgetPeriodAt(period, at).label)))];
}

/** Name of the wallet that holds one key's budget of one period. */
export function budgetWallet(apiKeyId: string, label: string): string {
  return `key:${apiKeyId}:${label}`;
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, DATE_LENGTH);
}
