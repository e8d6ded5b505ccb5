import { and, count, eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { modelAliases } from '#db/schema/api-keys.ts';
import { models } from '#db/schema/catalog.ts';
import type { Actor } from '../accounts/authorize.ts';
import { lockLiveKey } from '../keys/lock-key.ts';
import { mintId } from '../mint-id.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded, type UserError, userError } from '../user-error.ts';

export const MAX_ALIASES_PER_KEY = 100;
/** What model names are made of anywhere: letters, digits and . _ : / @ + - [ ], beginning with a letter or digit. */
const ALIAS_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:/@+[\]-]{0,127}$/;

/**
 * Makes or re-points an alias of one key. The target is a model of the catalog, never another alias; an alias may have
 * the name of a real model and then wins over it. Idempotent.
 */
export async function setAlias(
  tx: Transaction,
  actor: Actor,
  input: { apiKeyId: string; alias: string; kind: 'exact' | 'prefix'; model: string },
): Promise<Outcome<{ modelAliasId: string; apiKeyId: string }>> {
  const locked = await lockLiveKey(tx, actor, input.apiKeyId);
  if (!locked.ok) return locked;
  const errors = [...checkAlias(input.alias), ...(await checkTarget(tx, input.model))];
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

function checkAlias(alias: string): UserError[] {
  if (ALIAS_PATTERN.test(alias)) return [];
  const rule =
    'An alias has 1 to 128 letters, digits or . _ : / @ + - [ ] and begins with a letter or a digit.';
  return [userError('INVALID_INPUT', rule, 'alias')];
}

async function checkTarget(tx: Transaction, modelId: string): Promise<UserError[]> {
  const [model] = await tx.select({ status: models.status }).from(models).where(eq(models.id, modelId));
  if (!model) return [userError('NOT_FOUND', 'The catalog has no model with this id.', 'model')];
  if (model.status === 'retired') return [userError('MODEL_RETIRED', 'This model is retired.', 'model')];
  return [];
}

async function countAliases(tx: Transaction, apiKeyId: string): Promise<number> {
  const [row] = await tx
    .select({ count: count() })
    .from(modelAliases)
    .where(eq(modelAliases.apiKeyId, apiKeyId));
  return row?.count ?? 0;
}
