import type { Database } from '#db/client.ts';
import { type Clock, systemClock } from '#shared/clock.ts';
import type { FetchRefusal, GuardedFetcher, PostAnswer } from '#shared/guarded-fetch.ts';
import type { SealingKey } from '#shared/sealed-secret.ts';
import { bindJob, type RunnableBinding } from '../jobs/job-workers.ts';
import { type ClaimedDelivery, claimDeliveries, endpointsWithDueDeliveries } from './claim-deliveries.ts';
import { type Attempt, noteAttempt } from './note-attempt.ts';
import { readRetryAfterS } from './retry-schedule.ts';
import { signMessage } from './signed-message.ts';
import { openSigningSecret } from './signing-secret.ts';

export interface DeliveryContext {
  readonly database: Database;
  readonly sealingKey: SealingKey;
  readonly fetcher: GuardedFetcher;
  readonly clock?: Clock;
}

/** How many endpoints are sent to at one time. A slow one takes one of these places and no more. */
const ENDPOINTS_AT_A_TIME = 20;
/** How many messages are on their way to one endpoint at one time. */
const MESSAGES_AT_A_TIME = 16;
/** After this long an endpoint with a long queue makes room for the others. */
const TURN_MS = 20_000;

/**
 * Sends what is due, one job per endpoint. Postgres holds what is to be sent: a job that runs twice, or a wiped Redis, sends
 * nothing twice and loses nothing. A worker killed between the answer and its note sends the message again, with its id.
 */
export function deliverWebhooksJob(context: DeliveryContext): RunnableBinding {
  return bindJob({
    queue: 'webhook-deliveries',
    concurrency: ENDPOINTS_AT_A_TIME,
    run: ({ endpointId }) => deliverDue(context, endpointId),
    unfinished: async () =>
      (await endpointsWithDueDeliveries(context.database)).map((endpointId) => ({
        id: endpointId,
        payload: { endpointId },
      })),
  });
}

/** Sends what is due for one endpoint, until nothing is or its turn is over. */
export async function deliverDue(context: DeliveryContext, endpointId: string): Promise<void> {
  const clock = context.clock ?? systemClock;
  const endMs = clock.monotonicMs() + TURN_MS;
  while (clock.monotonicMs() < endMs) {
    const claimed = await claimDeliveries(context.database, endpointId, MESSAGES_AT_A_TIME);
    if (claimed.length === 0) return;
    const ends = await Promise.allSettled(
      claimed.map(async (delivery) => noteAttempt(context.database, delivery, await send(context, delivery))),
    );
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }
}

async function send(context: DeliveryContext, delivery: ClaimedDelivery): Promise<Attempt> {
  const clock = context.clock ?? systemClock;
  const { sealingKey, fetcher } = context;
  const startedAt = new Date(clock.nowMs());
  const startedMs = clock.monotonicMs();
  const secrets = [delivery.sealedSecret, delivery.sealedPreviousSecret].flatMap((sealed) =>
    sealed === null ? [] : [openSigningSecret(sealed, sealingKey)],
  );
  const { body, headers } = signMessage(delivery, secrets, startedAt);
  const answer = await fetcher.post(delivery.url, { body: Buffer.from(body), headers });
  return { startedAt, durationMs: Math.round(clock.monotonicMs() - startedMs), ...resultOf(answer) };
}

/** Any 2xx means that it has arrived; a redirect is none, because nobody has looked at where it leads. */
function resultOf(answer: PostAnswer | FetchRefusal): Pick<Attempt, 'status' | 'error' | 'retryAfterS'> {
  if (answer.kind === 'refused') return { status: null, error: answer.reason, retryAfterS: undefined };
  const { status, headers } = answer;
  if (status >= 200 && status < 300) return { status, error: null, retryAfterS: undefined };
  const error = status >= 300 && status < 400 ? 'redirect_not_followed' : 'error_status';
  return { status, error, retryAfterS: readRetryAfterS(headers['retry-after']) };
}
