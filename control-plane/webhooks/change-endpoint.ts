import { and, eq, sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { webhookDeliveries, webhookEndpoints } from '#db/schema/webhooks.ts';
import { systemClock } from '#shared/clock.ts';
import type { SealingKey } from '#shared/sealed-secret.ts';
import type { Reach } from '../accounts/authorize.ts';
import { checkInteger } from '../input-rules.ts';
import { type Outcome, refused, succeeded } from '../user-error.ts';
import {
  checkEndpoint,
  type EndpointSettings,
  MAX_ROTATION_OVERLAP_HOURS,
  withoutRepeats,
} from './endpoint-rules.ts';
import { lockEndpoint } from './lock-endpoint.ts';
import { mintSigningSecret } from './signing-secret.ts';

const HOUR_MS = 3_600_000;

type Changed = Outcome<{ webhookEndpointId: string }>;

/**
 * Changes what is given; what is absent stays. Disabling cancels what has not been sent; enabling forgets that the endpoint
 * failed. Idempotent.
 */
export async function updateEndpoint(
  tx: Transaction,
  reach: Reach,
  { webhookEndpointId, ...changes }: UpdateInput,
): Promise<Changed> {
  const locked = await lockEndpoint(tx, reach, webhookEndpointId);
  if (!locked.ok) return locked;
  const { urlRefusal, status, events, ...texts } = changes;
  const errors = checkEndpoint(changes);
  if (errors.length > 0) return refused(errors);
  const columns = {
    ...texts,
    ...(events === undefined ? {} : { events: withoutRepeats(events) }),
    ...(status === undefined ? {} : { status, disabledReason: null }),
    ...(status === 'enabled' ? { failingSince: null } : {}),
  };
  if (Object.keys(columns).length > 0)
    await tx.update(webhookEndpoints).set(columns).where(eq(webhookEndpoints.id, webhookEndpointId));
  if (status === 'disabled') await cancelPending(tx, webhookEndpointId);
  return succeeded({ webhookEndpointId });
}

interface UpdateInput extends Partial<EndpointSettings> {
  readonly webhookEndpointId: string;
  readonly status?: 'enabled' | 'disabled';
}

/** Deletes an endpoint: nothing is sent to it any more; its log stays for as long as logs do. */
export async function deleteEndpoint(
  tx: Transaction,
  reach: Reach,
  { webhookEndpointId }: { webhookEndpointId: string },
): Promise<Outcome<{ webhookEndpointId: string; accountId: string }>> {
  const locked = await lockEndpoint(tx, reach, webhookEndpointId);
  if (!locked.ok) return locked;
  const deletedAt = new Date(systemClock.nowMs());
  await tx.update(webhookEndpoints).set({ deletedAt }).where(eq(webhookEndpoints.id, webhookEndpointId));
  await cancelPending(tx, webhookEndpointId);
  return succeeded({ webhookEndpointId, accountId: locked.value.accountId });
}

/**
 * Gives an endpoint a new signing secret. For `overlapHours` deliveries carry a signature by each of the two, so that the
 * receiver can change over without losing one.
 */
export async function rotateEndpointSecret(
  tx: Transaction,
  reach: Reach,
  sealingKey: SealingKey,
  { webhookEndpointId, overlapHours }: { webhookEndpointId: string; overlapHours: number },
): Promise<Outcome<{ webhookEndpointId: string; secret: string }>> {
  const errors = checkInteger(overlapHours, { min: 0, max: MAX_ROTATION_OVERLAP_HOURS }, 'overlapHours');
  if (errors.length > 0) return refused(errors);
  const locked = await lockEndpoint(tx, reach, webhookEndpointId);
  if (!locked.ok) return locked;
  const { secret, sealed } = mintSigningSecret(sealingKey);
  const overlaps = overlapHours > 0;
  await tx
    .update(webhookEndpoints)
    .set({
      sealedSecret: sealed,
      sealedPreviousSecret: overlaps ? locked.value.sealedSecret : null,
      previousValidUntil: overlaps ? new Date(systemClock.nowMs() + overlapHours * HOUR_MS) : null,
    })
    .where(eq(webhookEndpoints.id, webhookEndpointId));
  return succeeded({ webhookEndpointId, secret });
}

/** What waits for an endpoint that is switched off is not sent; its owner may replay it later. */
export async function cancelPending(tx: Transaction, endpointId: string): Promise<void> {
  await tx
    .update(webhookDeliveries)
    .set({ status: 'canceled', finishedAt: sql`now()` })
    .where(and(eq(webhookDeliveries.endpointId, endpointId), eq(webhookDeliveries.status, 'pending')));
}
