import { and, eq, inArray, lte, sql } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { models, priceVersions } from '#db/schema/catalog.ts';
import { type IdRange, rangeOrder, withinRange } from '../id-range.ts';

export type ModelRow = typeof models.$inferSelect;
export type PriceRow = typeof priceVersions.$inferSelect;

/** A stretch of the catalog, in no order: the listed models, or every one. */
export async function listModels(
  database: Database,
  filter: { vendor: string | undefined; listedOnly: boolean },
  range: IdRange,
): Promise<ModelRow[]> {
  return await database
    .select()
    .from(models)
    .where(
      and(
        filter.vendor === undefined ? undefined : eq(models.vendor, filter.vendor),
        filter.listedOnly ? eq(models.status, 'listed') : undefined,
        ...withinRange(models.id, range),
      ),
    )
    .orderBy(rangeOrder(models.id, range))
    .limit(range.limit);
}

export async function findModels(database: Database, ids: readonly string[]): Promise<ModelRow[]> {
  return await database
    .select()
    .from(models)
    .where(inArray(models.id, [...ids]));
}

/** The price in force now of each model that has one. One statement. */
export async function findCurrentPrices(
  database: Database,
  modelIds: readonly string[],
): Promise<PriceRow[]> {
  return await database
    .selectDistinctOn([priceVersions.modelId])
    .from(priceVersions)
    .where(and(inArray(priceVersions.modelId, [...modelIds]), lte(priceVersions.effectiveAt, sql`now()`)))
    .orderBy(priceVersions.modelId, sql`${priceVersions.effectiveAt} desc`);
}

/** Every price version of each model, past and scheduled. One statement. */
export async function findPrices(database: Database, modelIds: readonly string[]): Promise<PriceRow[]> {
  return await database
    .select()
    .from(priceVersions)
    .where(inArray(priceVersions.modelId, [...modelIds]))
    .orderBy(sql`${priceVersions.effectiveAt} desc`);
}
