import { and, eq, isNull, sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { webhookDeliveries, webhookEndpoints } from '#db/schema/webhooks.ts';
import { formatId } from '#shared/identifiers.ts';
import { type Reach, reachesAccount } from '../accounts/authorize.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { TEST_EVENT_TYPE } from './event-types.ts';
import { lockEndpoint } from './lock-endpoint.ts';
import { recordEventFor, wakeDelivery } from './record-events.ts';

type Sent = Outcome<{ webhookDeliveryId: string }>;

const DISABLED = userError('WEBHOOK_DISABLED', 'The webhook endpoint is disabled or deleted.');

/**
 * Sends a delivery once more, now, with all its attempts: also one that has arrived, for a receiver that has lost it. One
 * that is still on its way is tried at once. The message keeps its id, so that a receiver can tell it from a new one.
 */
export async function replayDelivery(
  tx: Transaction,
  reach: Reach,
  { webhookDeliveryId }: { webhookDeliveryId: string },
): Promise<Sent> {
  const [delivery] = await tx
    .select({ accountId: webhookDeliveries.accountId, endpointId: webhookDeliveries.endpointId })
    .from(webhookDeliveries)
    .where(eq(webhookDeliveries.id, webhookDeliveryId));
  if (!delivery || !(await reachesAccount(tx, reach, delivery.accountId)))
    return refused([userError('NOT_FOUND', 'No such delivery.', 'webhookDeliveryId')]);
  // The endpoint before its deliveries, as everybody does who changes both.
  const [endpoint] = await tx
    .select({ status: webhookEndpoints.status })
    .from(webhookEndpoints)
    .where(and(eq(webhookEndpoints.id, delivery.endpointId), isNull(webhookEndpoints.deletedAt)))
    .for('share');
  if (endpoint?.status !== 'enabled') return refused([DISABLED]);
  await tx
    .update(webhookDeliveries)
    .set({
      status: 'pending',
      attempts: 0,
      nextAttemptAt: sql`date_trunc('milliseconds', now())`,
      finishedAt: null,
    })
    .where(eq(webhookDeliveries.id, webhookDeliveryId));
  await wakeDelivery(tx, [delivery.endpointId]);
  return succeeded({ webhookDeliveryId });
}

/** Sends a message of the type `webhook_endpoint.test` to an endpoint. */
export async function testEndpoint(
  tx: Transaction,
  reach: Reach,
  { webhookEndpointId }: { webhookEndpointId: string },
): Promise<Sent> {
  const locked = await lockEndpoint(tx, reach, webhookEndpointId);
  if (!locked.ok) return locked;
  const { id, accountId, status } = locked.value;
  if (status !== 'enabled') return refused([DISABLED]);
  const webhookDeliveryId = await recordEventFor(tx, locked.value, {
    accountId,
    type: TEST_EVENT_TYPE,
    data: { accountId: formatId('Account', accountId), webhookEndpointId: formatId('WebhookEndpoint', id) },
  });
  return succeeded({ webhookDeliveryId });
}
