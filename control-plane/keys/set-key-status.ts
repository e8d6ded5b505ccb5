import { eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { apiKeys } from '#db/schema/api-keys.ts';
import type { Reach } from '../accounts/authorize.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, succeeded } from '../user-error.ts';
import { keyDisabled } from '../webhooks/event-types.ts';
import { recordEvents } from '../webhooks/record-events.ts';
import { lockLiveKey } from './lock-key.ts';

/** Disables a key (it answers `api_key_inactive`) or enables it again. Idempotent. */
export async function setKeyStatus(
  tx: Transaction,
  reach: Reach,
  input: { apiKeyId: string; status: 'active' | 'disabled' },
): Promise<Outcome<{ apiKeyId: string }>> {
  const locked = await lockLiveKey(tx, reach, input.apiKeyId);
  if (!locked.ok) return locked;
  if (locked.value.status !== input.status) {
    await tx.update(apiKeys).set({ status: input.status }).where(eq(apiKeys.id, input.apiKeyId));
    await recordConfigChange(tx, { entity: 'key', entityId: input.apiKeyId });
    if (input.status === 'disabled')
      await recordEvents(tx, [keyDisabled(locked.value.accountId, input.apiKeyId)]);
  }
  return succeeded({ apiKeyId: input.apiKeyId });
}
