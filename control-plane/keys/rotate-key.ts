import { eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { apiKeys } from '#db/schema/api-keys.ts';
import { mintApiKey } from '#shared/api-key.ts';
import { systemClock } from '#shared/clock.ts';
import type { Reach } from '../accounts/authorize.ts';
import { checkInteger } from '../input-rules.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded } from '../user-error.ts';
import { lockLiveKey } from './lock-key.ts';

export const DEFAULT_OVERLAP_SECONDS = 86_400;
export const MAX_OVERLAP_SECONDS = 30 * 86_400;

/**
 * Gives a key a new secret. The one before it works on for `overlapSeconds`, so that clients can change over without a
 * gap; one still older stops at once. Limits, aliases and usage stay with the key. The secret is in this result only.
 */
export async function rotateKey(
  tx: Transaction,
  reach: Reach,
  input: { apiKeyId: string; overlapSeconds: number },
): Promise<Outcome<{ apiKeyId: string; secret: string }>> {
  const errors = checkInteger(input.overlapSeconds, { min: 0, max: MAX_OVERLAP_SECONDS }, 'overlapSeconds');
  if (errors.length > 0) return refused(errors);
  const locked = await lockLiveKey(tx, reach, input.apiKeyId);
  if (!locked.ok) return locked;
  const { secret, digest, start, last4 } = mintApiKey();
  const overlaps = input.overlapSeconds > 0;
  await tx
    .update(apiKeys)
    .set({
      digest,
      start,
      last4,
      previousDigest: overlaps ? locked.value.digest : null,
      previousValidUntil: overlaps ? new Date(systemClock.nowMs() + input.overlapSeconds * 1_000) : null,
    })
    .where(eq(apiKeys.id, input.apiKeyId));
  await recordConfigChange(tx, { entity: 'key', entityId: input.apiKeyId });
  return succeeded({ apiKeyId: input.apiKeyId, secret });
}
