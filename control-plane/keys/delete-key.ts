import { eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { apiKeys } from '#db/schema/api-keys.ts';
import { systemClock } from '#shared/clock.ts';
import type { Reach } from '../accounts/authorize.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, succeeded } from '../user-error.ts';
import { lockKey } from './lock-key.ts';

/**
 * Deletes a key for good: it answers `invalid_api_key` from then on. The row stays, because usage records name it.
 * Idempotent.
 */
export async function deleteKey(
  tx: Transaction,
  reach: Reach,
  input: { apiKeyId: string },
): Promise<Outcome<{ apiKeyId: string }>> {
  const locked = await lockKey(tx, reach, input.apiKeyId);
  if (!locked.ok) return locked;
  if (locked.value.status !== 'deleted') {
    await tx
      .update(apiKeys)
      .set({ status: 'deleted', deletedAt: new Date(systemClock.nowMs()) })
      .where(eq(apiKeys.id, input.apiKeyId));
    await recordConfigChange(tx, { entity: 'key', entityId: input.apiKeyId });
  }
  return succeeded({ apiKeyId: input.apiKeyId });
}
