import { eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { apiKeys } from '#db/schema/api-keys.ts';
import { type Actor, canReachAccount } from '../accounts/authorize.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';

export type LockedKey = Pick<typeof apiKeys.$inferSelect, 'id' | 'accountId' | 'status'>;

/** Locks a key's row for a change. Refuses keys that do not exist for this actor. */
export async function lockKey(tx: Transaction, actor: Actor, apiKeyId: string): Promise<Outcome<LockedKey>> {
  const [key] = await tx
    .select({ id: apiKeys.id, accountId: apiKeys.accountId, status: apiKeys.status })
    .from(apiKeys)
    .where(eq(apiKeys.id, apiKeyId))
    .for('update');
  if (!key || !canReachAccount(actor, key.accountId))
    return refused([userError('NOT_FOUND', 'No such API key.', 'apiKeyId')]);
  return succeeded(key);
}

/** As {@link lockKey}, and refuses deleted keys. */
export async function lockLiveKey(
  tx: Transaction,
  actor: Actor,
  apiKeyId: string,
): Promise<Outcome<LockedKey>> {
  const locked = await lockKey(tx, actor, apiKeyId);
  if (!locked.ok || locked.value.status !== 'deleted') return locked;
  return refused([userError('API_KEY_DELETED', 'This API key is deleted.', 'apiKeyId')]);
}
