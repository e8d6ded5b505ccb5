import { and, eq } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { type IdRange, rangeOrder, withinRange } from '../id-range.ts';

export type AccountRow = typeof accounts.$inferSelect;

/** A stretch of all accounts, in no order. */
export async function listAccounts(
  database: Database,
  filter: { externalId: string | undefined },
  range: IdRange,
): Promise<AccountRow[]> {
  return await database
    .select()
    .from(accounts)
    .where(
      and(
        filter.externalId === undefined ? undefined : eq(accounts.externalId, filter.externalId),
        ...withinRange(accounts.id, range),
      ),
    )
    .orderBy(rangeOrder(accounts.id, range))
    .limit(range.limit);
}
