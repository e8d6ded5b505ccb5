import { and, eq, getTableColumns, gte, inArray, lt, type SQL, sql } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { ledgerAccounts, ledgerEntries, ledgerTransactions } from '#db/schema/ledger.ts';
import { firstUuidAt } from '#db/usage-partitions.ts';
import { type IdRange, parentId, parentRows, rangeOrder, withinRange } from '../id-range.ts';

const columns = {
  ...getTableColumns(ledgerEntries),
  ledgerAccountKind: ledgerAccounts.kind,
  /** The customer; `null` for the entries of system accounts. */
  accountId: ledgerAccounts.accountId,
  kind: ledgerTransactions.kind,
  description: ledgerTransactions.description,
};

export type LedgerEntryRow = typeof ledgerEntries.$inferSelect & {
  ledgerAccountKind: (typeof ledgerAccounts.$inferSelect)['kind'];
  accountId: string | null;
  kind: (typeof ledgerTransactions.$inferSelect)['kind'];
  description: string;
};

/** What listed entries have in common; `undefined` leaves it open. */
export interface LedgerEntryFilter {
  /** From this instant on, and before the other. */
  readonly from: Date | undefined;
  readonly to: Date | undefined;
  readonly kind: LedgerEntryRow['kind'] | undefined;
}

/** Times become bounds of the entry's id, which is by time. */
function matching({ from, to, kind }: LedgerEntryFilter): (SQL | undefined)[] {
  return [
    from && gte(ledgerEntries.id, firstUuidAt(Math.max(from.getTime(), 0))),
    to && lt(ledgerEntries.id, firstUuidAt(Math.max(to.getTime(), 0))),
    kind &&
      sql`exists (select 1 from ledger_transactions as moved where moved.id = ${ledgerEntries.transactionId} and moved.kind = ${kind})`,
  ];
}

/**
 * A stretch of the ledger entries of each customer account, in no order. One statement for all. Each ledger account is
 * read by its own index range, so a customer with two of them (paid and promotional) may return twice the limit.
 */
export async function listEntriesOf(
  database: Database,
  accountIds: readonly string[],
  filter: LedgerEntryFilter,
  range: IdRange,
): Promise<LedgerEntryRow[]> {
  const page = database
    .select(getTableColumns(ledgerEntries))
    .from(ledgerEntries)
    .where(
      and(
        eq(ledgerEntries.ledgerAccountId, ledgerAccounts.id),
        ...matching(filter),
        ...withinRange(ledgerEntries.id, range),
      ),
    )
    .orderBy(rangeOrder(ledgerEntries.id, range))
    .limit(range.limit)
    .as('page');
  return await database
    .select({
      ...page._.selectedFields,
      ledgerAccountKind: ledgerAccounts.kind,
      accountId: ledgerAccounts.accountId,
      kind: ledgerTransactions.kind,
      description: ledgerTransactions.description,
    })
    .from(parentRows(accountIds))
    .innerJoin(ledgerAccounts, eq(ledgerAccounts.accountId, parentId))
    .crossJoinLateral(page)
    .innerJoin(ledgerTransactions, eq(ledgerTransactions.id, page.transactionId));
}

/** A stretch of the whole ledger, system accounts included, in no order. */
export async function listAllEntries(
  database: Database,
  filter: LedgerEntryFilter,
  range: IdRange,
): Promise<LedgerEntryRow[]> {
  return await selectEntries(database)
    .where(and(...matching(filter), ...withinRange(ledgerEntries.id, range)))
    .orderBy(rangeOrder(ledgerEntries.id, range))
    .limit(range.limit);
}

export async function findEntries(database: Database, ids: readonly string[]): Promise<LedgerEntryRow[]> {
  return await selectEntries(database).where(inArray(ledgerEntries.id, [...ids]));
}

/** The entries of one transaction, in the order in which they were posted. */
export async function listEntriesOfTransaction(
  database: Database,
  transactionId: string,
): Promise<LedgerEntryRow[]> {
  return await selectEntries(database)
    .where(eq(ledgerEntries.transactionId, transactionId))
    .orderBy(ledgerEntries.id);
}

function selectEntries(database: Database) {
  return database
    .select(columns)
    .from(ledgerEntries)
    .innerJoin(ledgerAccounts, eq(ledgerAccounts.id, ledgerEntries.ledgerAccountId))
    .innerJoin(ledgerTransactions, eq(ledgerTransactions.id, ledgerEntries.transactionId));
}
