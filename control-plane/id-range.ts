import { asc, desc, gt, lt, type SQL, sql } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';

/** A stretch of a list that is ordered by id: strictly between two ids, at most `limit` rows from one end. */
export interface IdRange {
  readonly above: string | undefined;
  readonly below: string | undefined;
  readonly limit: number;
  readonly ascending: boolean;
}

/** The conditions of a range on an id column. */
export function withinRange(column: PgColumn, range: IdRange): SQL[] {
  return [
    ...(range.above === undefined ? [] : [gt(column, range.above)]),
    ...(range.below === undefined ? [] : [lt(column, range.below)]),
  ];
}

export function rangeOrder(column: PgColumn, range: IdRange): SQL {
  return range.ascending ? asc(column) : desc(column);
}

/** `unnest(…) as parents (id)`: the rows that a lateral query runs once for, so that a page of pages is one statement. */
export function parentRows(ids: readonly string[]): SQL {
  const items = ids.map((id) => sql`${id}::uuid`);
  return sql`unnest(array[${sql.join(items, sql`, `)}]) as parents (id)`;
}

/** The id of the current row of {@link parentRows}. */
export const parentId = sql<string>`parents.id`;
