import { eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { models } from '#db/schema/catalog.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { checkModelDetails, type ModelDetails } from './model-rules.ts';

/**
 * Changes what the catalog says of a model and leaves the rest. A provider's name changes for routes made later; those that
 * exist keep theirs.
 */
export async function updateModel(
  tx: Transaction,
  input: { readonly model: string; readonly changes: Partial<ModelDetails> },
): Promise<Outcome<{ model: string }>> {
  const { inputModalities, outputModalities, ...plain } = input.changes;
  const errors = checkModelDetails(input.changes);
  if (errors.length > 0) return refused(errors);
  const [known] = await tx
    .select({ id: models.id })
    .from(models)
    .where(eq(models.id, input.model))
    .for('update');
  if (!known) return refused([userError('NOT_FOUND', 'The catalog has no model with this id.', 'model')]);
  const changes = {
    ...plain,
    ...(inputModalities === undefined ? {} : { inputModalities: [...inputModalities] }),
    ...(outputModalities === undefined ? {} : { outputModalities: [...outputModalities] }),
  };
  if (Object.keys(changes).length > 0) {
    await tx.update(models).set(changes).where(eq(models.id, input.model));
    await recordConfigChange(tx, { entity: 'catalog' });
  }
  return succeeded({ model: input.model });
}
