/** Totals of one window for `GET /v1/usage`. `costMicro` is a decimal string of micro-USD. */
export interface WindowTotals {
  /** First UTC day of the window, `YYYY-MM-DD`. A reader in a later window treats the totals as zero. */
  readonly from: string;
  readonly costMicro: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly requestCount: number;
  readonly successCount: number;
}

/** What the control plane keeps in Redis per account: absolute totals of the current UTC day, ISO week and month. */
export interface UsageTotals {
  readonly daily: WindowTotals;
  readonly weekly: WindowTotals;
  readonly monthly: WindowTotals;
}

/** First day of the UTC day, ISO week (Monday) and calendar month that contain `atMs`, each as `YYYY-MM-DD`. */
export function usageWindowStarts(atMs: number): { daily: string; weekly: string; monthly: string } {
  const day = new Date(atMs);
  const daysSinceMonday = (day.getUTCDay() + 6) % 7;
  const date = (shiftDays: number) =>
    new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth(), day.getUTCDate() + shiftDays))
      .toISOString()
      .slice(0, 10);
  return { daily: date(0), weekly: date(-daysSinceMonday), monthly: `${date(0).slice(0, 8)}01` };
}
