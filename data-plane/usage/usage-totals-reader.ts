import type { Fault } from '#shared/fault.ts';
import type { UsageTotals } from '#shared/usage-totals.ts';

/** Totals for `GET /v1/usage`, at most 60 s old, already zeroed where their window is over. */
export interface UsageTotalsReader {
  readTotals(accountId: string): Promise<UsageTotals | Fault>;
}
