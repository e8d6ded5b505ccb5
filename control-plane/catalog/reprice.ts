import { isDeepStrictEqual } from 'node:util';
import { and, desc, inArray, lte, sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { models, priceVersions } from '#db/schema/catalog.ts';
import type { PublishedPriceTier } from '#shared/price.ts';
import { mintId } from '../mint-id.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { withMargin } from './apply-margin.ts';
import type { ListedCost } from './parse-price-list.ts';

export type PriceAction = 'added' | 'changed' | 'unchanged' | 'unknown_model';

/** What a list or a margin does to the price of one model. Has provider costs, so it is for operators only. */
export interface PriceChange {
  readonly model: string;
  readonly action: PriceAction;
  readonly basisPoints: number;
  readonly cost: readonly PublishedPriceTier[];
  /** In force until then; `null`: none. */
  readonly before: readonly PublishedPriceTier[] | null;
  readonly after: readonly PublishedPriceTier[] | null;
}

const PRICES_LOCK = 7_206_119;

/** Two imports, or an import and a margin, one after the other: each judges what is in force. */
export async function lockPrices(tx: Transaction): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${PRICES_LOCK})`);
}

/**
 * Compares costs with their margins to the prices in force at a time, and unless it is a dry run adds a version where they
 * differ. A list names token prices; what the model charges per request, per tool call and for service tiers stays.
 */
export async function reprice(
  tx: Transaction,
  costs: readonly ListedCost[],
  at: Date,
  marginOf: (modelId: string, vendor: string) => number,
  dryRun: boolean,
): Promise<Outcome<PriceChange[]>> {
  const ids = costs.map(({ model }) => model);
  if (ids.length === 0) return succeeded([]);
  const known = await tx
    .select({ id: models.id, vendor: models.vendor })
    .from(models)
    .where(inArray(models.id, ids));
  const vendors = new Map(known.map(({ id, vendor }) => [id, vendor]));
  const versions = await tx
    .selectDistinctOn([priceVersions.modelId])
    .from(priceVersions)
    .where(and(inArray(priceVersions.modelId, ids), lte(priceVersions.effectiveAt, at)))
    .orderBy(priceVersions.modelId, desc(priceVersions.effectiveAt));
  const inForce = new Map(versions.map((version) => [version.modelId, version]));
  const changes = costs.map(({ model, tiers }): PriceChange => {
    const vendor = vendors.get(model);
    if (vendor === undefined)
      return { model, action: 'unknown_model', basisPoints: 0, cost: tiers, before: null, after: null };
    const basisPoints = marginOf(model, vendor);
    const before = inForce.get(model)?.tiers ?? null;
    const after = tiers.map((tier) => withMargin(tier, basisPoints));
    const action = before === null ? 'added' : isDeepStrictEqual(before, after) ? 'unchanged' : 'changed';
    return { model, action, basisPoints, cost: tiers, before, after };
  });
  const wanted = changes.filter(({ action }) => action === 'added' || action === 'changed');
  const clash = wanted.find(({ model }) => inForce.get(model)?.effectiveAt.getTime() === at.getTime());
  if (clash) {
    const message = `${clash.model} has another price that takes effect then.`;
    return refused([userError('PRICE_TIME_TAKEN', message, 'effectiveAt')]);
  }
  if (dryRun || wanted.length === 0) return succeeded(changes);
  await tx.insert(priceVersions).values(
    wanted.map(({ model, after }) => {
      const { serviceTiers, perToolCallNano, perRequestNano } = inForce.get(model) ?? {};
      return {
        id: mintId(),
        modelId: model,
        effectiveAt: at,
        tiers: [...(after ?? [])],
        ...(serviceTiers && { serviceTiers }),
        ...(perToolCallNano && { perToolCallNano }),
        ...(perRequestNano !== undefined && { perRequestNano }),
      };
    }),
  );
  await recordConfigChange(tx, { entity: 'catalog' });
  return succeeded(changes);
}
