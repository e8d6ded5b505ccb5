import { asc, eq, inArray } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { apiKeys } from '#db/schema/api-keys.ts';
import { accountsWithin, type Reach, reachesAccount } from '../accounts/authorize.ts';
import { type Outcome, refused, succeeded, type UserError, userError } from '../user-error.ts';

const lockedColumns = {
  id: apiKeys.id,
  accountId: apiKeys.accountId,
  status: apiKeys.status,
  digest: apiKeys.digest,
};
export type LockedKey = Pick<typeof apiKeys.$inferSelect, keyof typeof lockedColumns>;

/** Locks a key's row for a change. Refuses keys outside the reach like keys that do not exist. */
export async function lockKey(tx: Transaction, reach: Reach, apiKeyId: string): Promise<Outcome<LockedKey>> {
  const [key] = await tx.select(lockedColumns).from(apiKeys).where(eq(apiKeys.id, apiKeyId)).for('update');
  if (!key || !(await reachesAccount(tx, reach, key.accountId)))
    return refused([userError('NOT_FOUND', 'No such API key.', 'apiKeyId')]);
  return succeeded(key);
}

/** As {@link lockKey}, and refuses deleted keys. */
export async function lockLiveKey(
  tx: Transaction,
  reach: Reach,
  apiKeyId: string,
): Promise<Outcome<LockedKey>> {
  const locked = await lockKey(tx, reach, apiKeyId);
  if (!locked.ok || locked.value.status !== 'deleted') return locked;
  return refused([userError('API_KEY_DELETED', 'This API key is deleted.', 'apiKeyId')]);
}

/**
 * Locks many keys for a change, always in the order of their ids, so that two such changes never wait for each other
 * crosswise. Refuses all when one is unknown, outside the reach or deleted, naming each.
 */
export async function lockLiveKeys(
  tx: Transaction,
  reach: Reach,
  apiKeyIds: readonly string[],
): Promise<Outcome<LockedKey[]>> {
  const keys = await tx
    .select(lockedColumns)
    .from(apiKeys)
    .where(inArray(apiKeys.id, [...apiKeyIds]))
    .orderBy(asc(apiKeys.id))
    .for('update');
  const reached = await accountsWithin(
    tx,
    reach,
    keys.map((key) => key.accountId),
  );
  const known = new Map(keys.filter((key) => reached.has(key.accountId)).map((key) => [key.id, key]));
  const errors = apiKeyIds.flatMap((apiKeyId, index): UserError[] => {
    const key = known.get(apiKeyId);
    const path = ['apiKeyIds', String(index)];
    if (!key) return [userError('NOT_FOUND', 'No such API key.', ...path)];
    return key.status === 'deleted'
      ? [userError('API_KEY_DELETED', 'This API key is deleted.', ...path)]
      : [];
  });
  return errors.length > 0 ? refused(errors) : succeeded([...known.values()]);
}
