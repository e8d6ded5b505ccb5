import type { Database } from '#db/client.ts';
import { models, priceVersions } from '#db/schema/catalog.ts';
import { mintId } from '../mint-id.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { SEED_MODELS } from './seed/seed-models.ts';

/** Seed prices hold from the beginning of time, so that no request can be older than its price. */
const SEED_EFFECTIVE_AT = new Date(0);

/**
 * Inserts the seeded models and prices that the catalog lacks; rows that exist are never touched, so an operator's edits
 * stay. Returns how many models and prices were added. Idempotent, also when two processes run it at once.
 */
export async function seedCatalog(database: Database): Promise<{ models: number; prices: number }> {
  return await database.transaction(async (tx) => {
    const known = new Set((await tx.select({ id: models.id }).from(models)).map((row) => row.id));
    const priced = new Set(
      (await tx.selectDistinct({ modelId: priceVersions.modelId }).from(priceVersions)).map(
        (row) => row.modelId,
      ),
    );
    const missingModels = SEED_MODELS.filter((model) => !known.has(model.id));
    const missingPrices = SEED_MODELS.flatMap(({ id, tiers }) =>
      tiers === null || priced.has(id)
        ? []
        : [{ id: mintId(), modelId: id, effectiveAt: SEED_EFFECTIVE_AT, tiers: [...tiers] }],
    );
    if (missingModels.length > 0)
      await tx
        .insert(models)
        .values(
          missingModels.map(({ tiers: _, inputModalities, outputModalities, ...model }) => ({
            ...model,
            vendor: model.id.slice(0, model.id.indexOf('/')),
            inputModalities: [...inputModalities],
            outputModalities: [...outputModalities],
          })),
        )
        .onConflictDoNothing();
    if (missingPrices.length > 0) await tx.insert(priceVersions).values(missingPrices).onConflictDoNothing();
    const added = { models: missingModels.length, prices: missingPrices.length };
    if (added.models + added.prices > 0) await recordConfigChange(tx, { entity: 'catalog' });
    return added;
  });
}
