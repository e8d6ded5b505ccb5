import { and, eq, isNull, lt, sql } from 'drizzle-orm';
import type { Database, Transaction } from '#db/client.ts';
import { webhookAttempts, webhookDeliveries, webhookEndpoints } from '#db/schema/webhooks.ts';
import { recordAlerts } from '../alerts/record-alerts.ts';
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
  if (attempt.error === null) return await noteSuccess(database, delivery, attempt);
  await database.transaction(async (tx) => {
    // The endpoint before its deliveries, as everybody does who changes both.
    await tx
      .select({ id: webhookEndpoints.id })
      .from(webhookEndpoints)
      .where(eq(webhookEndpoints.id, delivery.endpointId))
      .for('no key update');
    const { startedAt, durationMs, status, error } = attempt;
    await tx
      .insert(webhookAttempts)
      .values({ id: mintId(), deliveryId: delivery.id, startedAt, durationMs, status, error });
    if (!(await markFailed(tx, delivery, attempt))) return;
    await tx
      .update(webhookEndpoints)
      .set({ failingSince: sql`now()` })
      .where(and(eq(webhookEndpoints.id, delivery.endpointId), isNull(webhookEndpoints.failingSince)));
    await switchOffIfHopeless(tx, delivery.endpointId, status);
  });
}

/** One statement for the delivery, because successes are many; then the endpoint, only where it was failing. */
async function noteSuccess(database: Database, delivery: ClaimedDelivery, attempt: Attempt): Promise<void> {
  const [noted] = await database.execute<{ was_failing: boolean }>(sql`
    with log as (
      insert into webhook_attempts (id, delivery_id, started_at, duration_ms, status)
      values (${mintId()}, ${delivery.id}, ${attempt.startedAt.toISOString()}, ${attempt.durationMs}, ${attempt.status})),
    moved as (
      update webhook_deliveries
      set status = 'delivered', attempts = attempts + 1, claimed_until = null, finished_at = now()
      where id = ${delivery.id} and status = 'pending')
    select failing_since is not null as was_failing from webhook_endpoints where id = ${delivery.endpointId}`);
  if (noted?.was_failing === true)
    await database
      .update(webhookEndpoints)
      .set({ failingSince: null })
      .where(eq(webhookEndpoints.id, delivery.endpointId));
}

/** False when the delivery was ended by somebody else meanwhile: its endpoint was switched off. */
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
    .where(and(eq(webhookDeliveries.id, delivery.id), eq(webhookDeliveries.status, 'pending')))
    .returning({ id: webhookDeliveries.id });
  return moved.length > 0;
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
  await recordAlerts(tx, [
    {
      accountId: endpoint.accountId,
      kind: 'webhook_endpoint_disabled',
      data: { host: new URL(endpoint.url).host, reason },
    },
  ]);
}
