import { and, eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { modelAliases } from '#db/schema/api-keys.ts';
import type { Reach } from '../accounts/authorize.ts';
import { lockLiveKey } from '../keys/lock-key.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';

/** Removes an alias of a key; its name is then looked up in the catalog like any other. */
export async function deleteAlias(
  tx: Transaction,
  reach: Reach,
  input: { apiKeyId: string; alias: string },
): Promise<Outcome<{ modelAliasId: string; apiKeyId: string }>> {
  const locked = await lockLiveKey(tx, reach, input.apiKeyId);
  if (!locked.ok) return locked;
  const [deleted] = await tx
    .delete(modelAliases)
    .where(and(eq(modelAliases.apiKeyId, input.apiKeyId), eq(modelAliases.alias, input.alias)))
    .returning({ id: modelAliases.id });
  if (!deleted) return refused([userError('NOT_FOUND', 'This API key has no such alias.', 'alias')]);
  await recordConfigChange(tx, { entity: 'key', entityId: input.apiKeyId });
  return succeeded({ modelAliasId: deleted.id, apiKeyId: input.apiKeyId });
}
