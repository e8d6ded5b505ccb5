import { and, inArray, isNotNull } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import type { Database } from '#db/client.ts';
import { billingProfiles, statements, topUps } from '#db/schema/billing.ts';
import { type IdRange, rangeOrder, withinRange } from '../id-range.ts';
import type { TopUp } from './begin-top-up.ts';

export type Statement = typeof statements.$inferSelect;
export type BillingProfile = typeof billingProfiles.$inferSelect;

/** `null`: of all accounts. */
type Within = readonly string[] | null;

function inAccounts(column: PgColumn, within: Within) {
  return within === null ? undefined : inArray(column, [...within]);
}

export async function listTopUps(
  database: Database,
  { within, paidOnly }: { readonly within: Within; readonly paidOnly: boolean },
  range: IdRange,
): Promise<TopUp[]> {
  return await database
    .select()
    .from(topUps)
    .where(
      and(
        inAccounts(topUps.accountId, within),
        paidOnly ? isNotNull(topUps.receiptNumber) : undefined,
        ...withinRange(topUps.id, range),
      ),
    )
    .orderBy(rangeOrder(topUps.id, range))
    .limit(range.limit);
}

export async function listStatements(
  database: Database,
  within: Within,
  range: IdRange,
): Promise<Statement[]> {
  return await database
    .select()
    .from(statements)
    .where(and(inAccounts(statements.accountId, within), ...withinRange(statements.id, range)))
    .orderBy(rangeOrder(statements.id, range))
    .limit(range.limit);
}

/** Rows of a table by their ids, for the loaders of single objects. */
export async function findTopUps(database: Database, ids: readonly string[]): Promise<TopUp[]> {
  return await database
    .select()
    .from(topUps)
    .where(inArray(topUps.id, [...ids]));
}

export async function findStatements(database: Database, ids: readonly string[]): Promise<Statement[]> {
  return await database
    .select()
    .from(statements)
    .where(inArray(statements.id, [...ids]));
}

export async function findProfiles(
  database: Database,
  accountIds: readonly string[],
): Promise<BillingProfile[]> {
  return await database
    .select()
    .from(billingProfiles)
    .where(inArray(billingProfiles.accountId, [...accountIds]));
}
