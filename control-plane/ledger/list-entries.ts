import { and, eq, getTableColumns, inArray } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { ledgerAccounts, ledgerEntries, ledgerTransactions } from '#db/schema/ledger.ts';
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

/**
 * A stretch of the ledger entries of each customer account, in no order. One statement for all. Each ledger account is
 * read by its own index range, so a customer with two of them (paid and promotional) may return twice the limit.
 */
export async function listEntriesOf(
  database: Database,
  accountIds: readonly string[],
  range: IdRange,
): Promise<LedgerEntryRow[]> {
  const page = database
    .select(getTableColumns(ledgerEntries))
    .from(ledgerEntries)
    .where(and(eq(ledgerEntries.ledgerAccountId, ledgerAccounts.id), ...withinRange(ledgerEntries.id, range)))
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
export async function listAllEntries(database: Database, range: IdRange): Promise<LedgerEntryRow[]> {
  return await selectEntries(database)
    .where(and(...withinRange(ledgerEntries.id, range)))
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
