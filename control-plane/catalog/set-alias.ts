import { and, count, eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { modelAliases } from '#db/schema/api-keys.ts';
import type { Reach } from '../accounts/authorize.ts';
import { lockLiveKey } from '../keys/lock-key.ts';
import { mintId } from '../mint-id.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { checkAliasName, checkModel, MAX_ALIASES_PER_KEY, readModelStatuses } from './alias-rules.ts';

/**
 * Makes or re-points an alias of one key. The target is a model of the catalog, never another alias; an alias may have
 * the name of a real model and then wins over it. Idempotent.
 */
export async function setAlias(
  tx: Transaction,
  reach: Reach,
  input: { apiKeyId: string; alias: string; kind: 'exact' | 'prefix'; model: string },
): Promise<Outcome<{ modelAliasId: string; apiKeyId: string }>> {
  const locked = await lockLiveKey(tx, reach, input.apiKeyId);
  if (!locked.ok) return locked;
  const models = await readModelStatuses(tx, [input.model]);
  const errors = [...checkAliasName(input.alias, 'alias'), ...checkModel(models, input.model, 'model')];
  if (errors.length > 0) return refused(errors);
  const [existing] = await tx
    .select()
    .from(modelAliases)
    .where(and(eq(modelAliases.apiKeyId, input.apiKeyId), eq(modelAliases.alias, input.alias)));
  if (existing?.kind === input.kind && existing.modelId === input.model)
    return succeeded({ modelAliasId: existing.id, apiKeyId: input.apiKeyId });
  if (!existing && (await countAliases(tx, input.apiKeyId)) >= MAX_ALIASES_PER_KEY)
    return refused([
      userError('ALIAS_LIMIT_REACHED', `An API key has at most ${MAX_ALIASES_PER_KEY} aliases.`, 'alias'),
    ]);
  const target = { kind: input.kind, modelId: input.model };
  const id = existing?.id ?? mintId();
  if (existing) await tx.update(modelAliases).set(target).where(eq(modelAliases.id, id));
  else await tx.insert(modelAliases).values({ id, apiKeyId: input.apiKeyId, alias: input.alias, ...target });
  await recordConfigChange(tx, { entity: 'key', entityId: input.apiKeyId });
  return succeeded({ modelAliasId: id, apiKeyId: input.apiKeyId });
}

async function countAliases(tx: Transaction, apiKeyId: string): Promise<number> {
  const [row] = await tx
    .select({ count: count() })
    .from(modelAliases)
    .where(eq(modelAliases.apiKeyId, apiKeyId));
  return row?.count ?? 0;
}
