import { eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { models } from '#db/schema/catalog.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';

/** Shows, hides or retires a model. Aliases that point at a retired model answer like an unknown model. Idempotent. */
export async function setModelStatus(
  tx: Transaction,
  input: { model: string; status: 'listed' | 'hidden' | 'retired' },
): Promise<Outcome<{ model: string }>> {
  const [model] = await tx
    .select({ status: models.status })
    .from(models)
    .where(eq(models.id, input.model))
    .for('update');
  if (!model) return refused([userError('NOT_FOUND', 'The catalog has no model with this id.', 'model')]);
  if (model.status !== input.status) {
    await tx.update(models).set({ status: input.status }).where(eq(models.id, input.model));
    await recordConfigChange(tx, { entity: 'catalog' });
  }
  return succeeded({ model: input.model });
}
