import { and, eq, getTableColumns, inArray, sql } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { routes, upstreams } from '#db/schema/catalog.ts';
import { type IdRange, parentId, parentRows, rangeOrder, withinRange } from '../id-range.ts';

const { sealedCredential, ...shown } = getTableColumns(upstreams);
const columns = { ...shown, hasCredential: sql<boolean>`${sealedCredential} is not null` };

/** What may be shown of an upstream: that it has a credential, never which. */
export type UpstreamRow = Omit<typeof upstreams.$inferSelect, 'sealedCredential'> & {
  hasCredential: boolean;
};
export type RouteRow = typeof routes.$inferSelect;

/** A stretch of all upstreams, in no order. */
export async function listUpstreams(database: Database, range: IdRange): Promise<UpstreamRow[]> {
  return await database
    .select(columns)
    .from(upstreams)
    .where(and(...withinRange(upstreams.id, range)))
    .orderBy(rangeOrder(upstreams.id, range))
    .limit(range.limit);
}

export async function findUpstreams(database: Database, ids: readonly string[]): Promise<UpstreamRow[]> {
  return await database
    .select(columns)
    .from(upstreams)
    .where(inArray(upstreams.id, [...ids]));
}

/** A stretch of the routes of each upstream, in no order. One statement for all upstreams. */
export async function listRoutesOf(
  database: Database,
  upstreamIds: readonly string[],
  range: IdRange,
): Promise<RouteRow[]> {
  const page = database
    .select()
    .from(routes)
    .where(and(eq(routes.upstreamId, parentId), ...withinRange(routes.id, range)))
    .orderBy(rangeOrder(routes.id, range))
    .limit(range.limit)
    .as('page');
  return await database.select(page._.selectedFields).from(parentRows(upstreamIds)).crossJoinLateral(page);
}

export async function findRoutes(database: Database, ids: readonly string[]): Promise<RouteRow[]> {
  return await database
    .select()
    .from(routes)
    .where(inArray(routes.id, [...ids]));
}
