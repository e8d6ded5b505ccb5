import { and, eq, isNull, lt, sql } from 'drizzle-orm';
import type { Database, Transaction } from '#db/client.ts';
import { webhookAttempts, webhookDeliveries, webhookEndpoints } from '#db/schema/webhooks.ts';
import { recordNotices } from '../alerts/record-notices.ts';
import { mintId } from '../mint-id.ts';
import { cancelPending } from './change-endpoint.ts';
import type { ClaimedDelivery } from './claim-deliveries.ts';
import { retryDelayMs } from './retry-schedule.ts';

/** How long an endpoint may fail without one success before it is switched off. */
const MAX_FAILING_DAYS = 5;
const GONE = 410;

export interface Attempt {
  readonly startedAt: Date;
  readonly durationMs: number;
  /** `null`: no answer came. */
  readonly status: number | null;
  /** `null`: it has arrived. */
  readonly error: string | null;
  readonly retryAfterS: number | undefined;
}

/**
 * Writes a try into the log and moves its delivery on: delivered, tried again later, or given up. An endpoint that answers
 * 410, or has failed for days, is switched off, and its account's owners and admins are told by mail.
 */
export async function noteAttempt(
  database: Database,
  delivery: ClaimedDelivery,
  attempt: Attempt,
): Promise<void> {
  await database.transaction(async (tx) => {
    const { startedAt, durationMs, status, error } = attempt;
    await tx
      .insert(webhookAttempts)
      .values({ id: mintId(), deliveryId: delivery.id, startedAt, durationMs, status, error });
    const ended =
      error === null ? await markDelivered(tx, delivery) : await markFailed(tx, delivery, attempt);
    if (!ended) return;
    const endpoint = eq(webhookEndpoints.id, delivery.endpointId);
    if (error === null) {
      await tx
        .update(webhookEndpoints)
        .set({ failingSince: null })
        .where(and(endpoint, sql`${webhookEndpoints.failingSince} is not null`));
      return;
    }
    await tx
      .update(webhookEndpoints)
      .set({ failingSince: sql`now()` })
      .where(and(endpoint, isNull(webhookEndpoints.failingSince)));
    await switchOffIfHopeless(tx, delivery.endpointId, status);
  });
}

/** False when the delivery was ended by somebody else meanwhile: its endpoint was switched off. */
async function markDelivered(tx: Transaction, delivery: ClaimedDelivery): Promise<boolean> {
  const moved = await tx
    .update(webhookDeliveries)
    .set({
      status: 'delivered',
      attempts: sql`${webhookDeliveries.attempts} + 1`,
      claimedUntil: null,
      finishedAt: sql`now()`,
    })
    .where(stillPending(delivery))
    .returning({ id: webhookDeliveries.id });
  return moved.length > 0;
}

async function markFailed(tx: Transaction, delivery: ClaimedDelivery, attempt: Attempt): Promise<boolean> {
  const delayMs = retryDelayMs(delivery.attempts + 1, Math.random(), attempt.retryAfterS);
  const moved = await tx
    .update(webhookDeliveries)
    .set({
      attempts: sql`${webhookDeliveries.attempts} + 1`,
      claimedUntil: null,
      ...(delayMs === undefined
        ? { status: 'failed' as const, finishedAt: sql`now()` }
        : { nextAttemptAt: sql`now() + make_interval(secs => ${delayMs / 1_000})` }),
    })
    .where(stillPending(delivery))
    .returning({ id: webhookDeliveries.id });
  return moved.length > 0;
}

function stillPending({ id }: ClaimedDelivery) {
  return and(eq(webhookDeliveries.id, id), eq(webhookDeliveries.status, 'pending'));
}

async function switchOffIfHopeless(
  tx: Transaction,
  endpointId: string,
  status: number | null,
): Promise<void> {
  const reason = status === GONE ? 'gone' : 'failing';
  const [endpoint] = await tx
    .update(webhookEndpoints)
    .set({ status: 'disabled', disabledReason: reason })
    .where(
      and(
        eq(webhookEndpoints.id, endpointId),
        eq(webhookEndpoints.status, 'enabled'),
        isNull(webhookEndpoints.deletedAt),
        reason === 'gone'
          ? undefined
          : lt(webhookEndpoints.failingSince, sql`now() - make_interval(days => ${MAX_FAILING_DAYS})`),
      ),
    )
    .returning({ accountId: webhookEndpoints.accountId, url: webhookEndpoints.url });
  if (!endpoint) return;
  await cancelPending(tx, endpointId);
  await recordNotices(tx, [
    {
      accountId: endpoint.accountId,
      kind: 'webhook_endpoint_disabled',
      data: { host: new URL(endpoint.url).host, reason },
    },
  ]);
}
