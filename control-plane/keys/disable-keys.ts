import { inArray } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { apiKeys } from '#db/schema/api-keys.ts';
import type { Reach } from '../accounts/authorize.ts';
import { recordKeyChanges } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { keyDisabled } from '../webhooks/event-types.ts';
import { recordEvents } from '../webhooks/record-events.ts';
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
  const working = locked.value.filter((key) => key.status !== 'disabled');
  if (working.length > 0) {
    const ids = working.map((key) => key.id);
    await tx.update(apiKeys).set({ status: 'disabled' }).where(inArray(apiKeys.id, ids));
    await recordKeyChanges(tx, ids);
    await recordEvents(
      tx,
      working.map((key) => keyDisabled(key.accountId, key.id)),
    );
  }
  return succeeded({ apiKeyIds });
}
