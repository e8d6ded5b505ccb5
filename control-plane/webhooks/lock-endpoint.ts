import { and, eq, isNull } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { webhookEndpoints } from '#db/schema/webhooks.ts';
import { type Reach, reachesAccount } from '../accounts/authorize.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';

export type EndpointRow = typeof webhookEndpoints.$inferSelect;

/** Locks an endpoint for a change. Refuses those outside the reach, and deleted ones, like those that do not exist. */
export async function lockEndpoint(
  tx: Transaction,
  reach: Reach,
  webhookEndpointId: string,
): Promise<Outcome<EndpointRow>> {
  const [endpoint] = await tx
    .select()
    .from(webhookEndpoints)
    .where(and(eq(webhookEndpoints.id, webhookEndpointId), isNull(webhookEndpoints.deletedAt)))
    .for('update');
  if (!endpoint || !(await reachesAccount(tx, reach, endpoint.accountId)))
    return refused([userError('NOT_FOUND', 'No such webhook endpoint.', 'webhookEndpointId')]);
  return succeeded(endpoint);
}
