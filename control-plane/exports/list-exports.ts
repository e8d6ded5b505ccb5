import { and, eq, inArray } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { exports } from '#db/schema/exports.ts';
import { type IdRange, rangeOrder, withinRange } from '../id-range.ts';
import type { ExportSubject } from './create-export.ts';
import type { ExportRow } from './write-export.ts';

/** A stretch of the exports of these accounts, or of everybody's, in no order. */
export async function listExports(
  database: Database,
  subject: ExportSubject,
  accountIds: readonly string[] | null,
  range: IdRange,
): Promise<ExportRow[]> {
  return await database
    .select()
    .from(exports)
    .where(
      and(
        eq(exports.subject, subject),
        accountIds === null ? undefined : inArray(exports.accountId, [...accountIds]),
        ...withinRange(exports.id, range),
      ),
    )
    .orderBy(rangeOrder(exports.id, range))
    .limit(range.limit);
}

export async function findExports(
  database: Database,
  subject: ExportSubject,
  ids: readonly string[],
): Promise<ExportRow[]> {
  return await database
    .select()
    .from(exports)
    .where(and(eq(exports.subject, subject), inArray(exports.id, [...ids])));
}
