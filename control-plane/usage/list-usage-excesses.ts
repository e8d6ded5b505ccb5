import { and, eq } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { usageExcesses } from '#db/schema/usage.ts';
import { type IdRange, rangeOrder, withinRange } from '../id-range.ts';

export type UsageExcessRow = typeof usageExcesses.$inferSelect;

/** A stretch of the requests that cost more than was held for them, of one account or of all. In no order. */
export async function listUsageExcesses(
  database: Database,
  accountId: string | undefined,
  range: IdRange,
): Promise<UsageExcessRow[]> {
  return await database
    .select()
    .from(usageExcesses)
    .where(
      and(
        accountId === undefined ? undefined : eq(usageExcesses.accountId, accountId),
        ...withinRange(usageExcesses.requestId, range),
      ),
    )
    .orderBy(rangeOrder(usageExcesses.requestId, range))
    .limit(range.limit);
}
