import { and, eq, inArray, or, type SQL, sql } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { type IdRange, parentId, parentRows, rangeOrder, withinRange } from '../id-range.ts';
import type { Metadata } from '../metadata-rules.ts';

export type AccountRow = typeof accounts.$inferSelect;

export interface AccountFilter {
  /** These accounts and the customers of those that are partners; `null`: everybody's. */
  readonly within: readonly string[] | null;
  readonly externalId: string | undefined;
  /** Entries that an account's metadata must have, all of them. */
  readonly metadata: Metadata | undefined;
  readonly kind: AccountRow['kind'] | undefined;
}

type AccountConditions = Omit<AccountFilter, 'within'>;

function matching({ externalId, metadata, kind }: AccountConditions): (SQL | undefined)[] {
  return [
    externalId === undefined ? undefined : eq(accounts.externalId, externalId),
    metadata === undefined
      ? undefined
      : sql`${accounts.metadata} @> ${JSON.stringify(metadata)}::text::jsonb`,
    kind === undefined ? undefined : eq(accounts.kind, kind),
  ];
}

/** A stretch of the accounts within a reach, in no order. */
export async function listAccounts(
  database: Database,
  { within, ...filter }: AccountFilter,
  range: IdRange,
): Promise<AccountRow[]> {
  const reached =
    within === null
      ? undefined
      : or(inArray(accounts.id, [...within]), inArray(accounts.partnerId, [...within]));
  return await database
    .select()
    .from(accounts)
    .where(and(reached, ...matching(filter), ...withinRange(accounts.id, range)))
    .orderBy(rangeOrder(accounts.id, range))
    .limit(range.limit);
}

/** A stretch of the customer accounts of each partner, in no order. One statement for all partners. */
export async function listCustomersOf(
  database: Database,
  partnerIds: readonly string[],
  filter: AccountConditions,
  range: IdRange,
): Promise<AccountRow[]> {
  const page = database
    .select()
    .from(accounts)
    .where(and(eq(accounts.partnerId, parentId), ...matching(filter), ...withinRange(accounts.id, range)))
    .orderBy(rangeOrder(accounts.id, range))
    .limit(range.limit)
    .as('page');
  return await database.select(page._.selectedFields).from(parentRows(partnerIds)).crossJoinLateral(page);
}
