import { inArray } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { apiKeys } from '#db/schema/api-keys.ts';
import type { Reach } from '../accounts/authorize.ts';
import { recordKeyChanges } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { MAX_KEYS_PER_CALL } from './key-rules.ts';
import { lockLiveKeys } from './lock-key.ts';

/** Disables many keys at once: all of them, or none when one cannot be. Idempotent. */
export async function disableKeys(
  tx: Transaction,
  reach: Reach,
  { apiKeyIds }: { apiKeyIds: readonly string[] },
): Promise<Outcome<{ apiKeyIds: readonly string[] }>> {
  if (apiKeyIds.length === 0 || apiKeyIds.length > MAX_KEYS_PER_CALL)
    return refused([userError('INVALID_INPUT', `Name 1 to ${MAX_KEYS_PER_CALL} keys.`, 'apiKeyIds')]);
  const locked = await lockLiveKeys(tx, reach, apiKeyIds);
  if (!locked.ok) return locked;
  const working = locked.value.filter((key) => key.status !== 'disabled').map((key) => key.id);
  if (working.length > 0) {
    await tx.update(apiKeys).set({ status: 'disabled' }).where(inArray(apiKeys.id, working));
    await recordKeyChanges(tx, working);
  }
  return succeeded({ apiKeyIds });
}
