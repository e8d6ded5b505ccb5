import { and, eq, isNull, sql } from 'drizzle-orm';
import type { Database, Transaction } from '#db/client.ts';
import { usageSpools } from '#db/schema/usage.ts';
import { type IdRange, rangeOrder, withinRange } from '../id-range.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { forgetGrants } from './note-grants.ts';

export interface OpenSpool {
  readonly id: string;
  readonly openedAt: Date;
  /** Lines that Postgres has. */
  readonly highWater: number;
  /** What the spool was last known to have been lent from balances and not settled, nano-USD. */
  readonly lentNano: bigint;
}

/** What an account's balance has lent to the spool, by its last line about it, and what of that is not settled. */
const lentNano = sql<string>`(
  select coalesce(sum(greatest(0, grants.granted_nano - grants.returned_nano - coalesce(settled.settled_nano, 0))), 0)
  from usage_spool_grants as grants left join usage_spool_wallets as settled
    on settled.spool_id = grants.spool_id and settled.account_id::text = grants.wallet
  where grants.spool_id = ${usageSpools.id} and grants.wallet not like 'key:%')::text`;

/** A stretch of the spools that are not closed. In no order. */
export async function listOpenSpools(database: Database, range: IdRange): Promise<OpenSpool[]> {
  const { id, openedAt, highWater } = usageSpools;
  const rows = await database
    .select({ id, openedAt, highWater, lentNano })
    .from(usageSpools)
    .where(and(isNull(usageSpools.closedAt), ...withinRange(id, range)))
    .orderBy(rangeOrder(id, range))
    .limit(range.limit);
  return rows.map((row) => ({ ...row, lentNano: BigInt(row.lentNano) }));
}

/**
 * Decides that the host of an open spool never comes back: what it was lent is free again, and what it had not shipped is
 * never billed. Records that come all the same are booked. Refused when it is unknown or closed.
 */
export async function writeOffSpool(tx: Transaction, spool: string): Promise<Outcome<{ spool: string }>> {
  const [closed] = await tx
    .update(usageSpools)
    .set({ closedAt: sql`now()` })
    .where(and(eq(usageSpools.id, spool), isNull(usageSpools.closedAt)))
    .returning({ id: usageSpools.id });
  if (!closed) return refused([userError('NOT_FOUND', 'No open spool has this name.', 'spool')]);
  await forgetGrants(tx, spool);
  return succeeded({ spool });
}
