import type { Transaction } from '#db/client.ts';
import { models } from '#db/schema/catalog.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { checkModelDetails, checkModelId, type ModelDetails } from './model-rules.ts';
import { routeToEnvironmentUpstreams } from './route-models.ts';

/**
 * Adds a model to the catalog. Upstreams that the environment gives its vendor answer for it at once; others get a route
 * by `upstreamCreate` or `upstreamUpdate`. Nobody can call it before it has a price (`priceSet`).
 */
export async function createModel(
  tx: Transaction,
  input: ModelDetails & { readonly id: string; readonly status: 'listed' | 'hidden' },
): Promise<Outcome<{ model: string }>> {
  const idErrors = checkModelId(input.id);
  // Author and provider's name follow from the id where they are left out, so a bad id is the one thing to tell.
  const errors = idErrors.length > 0 ? idErrors : checkModelDetails(input);
  if (errors.length > 0) return refused(errors);
  const vendor = input.id.slice(0, input.id.indexOf('/'));
  const added = await tx
    .insert(models)
    .values({
      ...input,
      vendor,
      inputModalities: [...input.inputModalities],
      outputModalities: [...input.outputModalities],
    })
    .onConflictDoNothing()
    .returning({ id: models.id });
  if (added.length === 0)
    return refused([userError('NAME_TAKEN', 'The catalog has a model with this id.', 'id')]);
  await routeToEnvironmentUpstreams(tx, { id: input.id, vendor, providerModel: input.providerModel });
  await recordConfigChange(tx, { entity: 'catalog' });
  return succeeded({ model: input.id });
}
