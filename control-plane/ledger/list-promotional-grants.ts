import { and, gt, inArray, sql } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { promotionalGrants } from '#db/schema/ledger.ts';

export type PromotionalGrant = typeof promotionalGrants.$inferSelect;

/** Grants of which something is left, in the order in which they are spent. */
export async function listUnspentGrants(
  database: Database,
  accountIds: readonly string[],
): Promise<PromotionalGrant[]> {
  return await database
    .select()
    .from(promotionalGrants)
    .where(
      and(inArray(promotionalGrants.accountId, [...accountIds]), gt(promotionalGrants.remainingNano, 0n)),
    )
    .orderBy(sql`${promotionalGrants.expiresAt} nulls last`, promotionalGrants.id);
}
