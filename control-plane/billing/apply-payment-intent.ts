import { eq, or, sql } from 'drizzle-orm';
import type Stripe from 'stripe';
import type { Database, Transaction } from '#db/client.ts';
import { topUps } from '#db/schema/billing.ts';
import { noteAutoTopUpResult } from './auto-top-up-result.ts';
import type { TopUp } from './begin-top-up.ts';
import type { BillingContext } from './billing-context.ts';
import { noticePaymentFailed } from './billing-notices.ts';
import { creditTopUp } from './credit-top-up.ts';
import { adviceFor } from './decline-advice.ts';
import { idOf } from './stripe-client.ts';
import { unpaidStatus } from './top-up-state.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What Stripe shows of a top-up; `null` where there is no such object. */
interface Shown {
  readonly intent: Stripe.PaymentIntent | null;
  readonly session: Stripe.Checkout.Session | null;
}

/**
 * Brings the top-up of a payment intent to the state that Stripe shows now, and credits it once it has succeeded: once per
 * payment intent, ever. Reads Stripe itself, so events may arrive late, twice or in any order.
 */
export async function applyPaymentIntent(context: BillingContext, paymentIntentId: string): Promise<void> {
  const intent = await readIntent(context, paymentIntentId);
  const named = eq(topUps.stripePaymentIntentId, intent.id);
  const topUp = await findTopUp(context.database, named, intent.metadata);
  if (topUp === undefined || topUp.creditedAt !== null) return;
  const session =
    intent.status === 'succeeded' || topUp.stripeSessionId === null
      ? null
      : await context.stripe.checkout.sessions.retrieve(topUp.stripeSessionId);
  await settle(context, topUp.id, { intent, session });
}

/** The same for a Checkout page: its payment once the customer has chosen how to pay, or its end. */
export async function applyCheckoutSession(context: BillingContext, sessionId: string): Promise<void> {
  const session = await context.stripe.checkout.sessions.retrieve(sessionId);
  const named = eq(topUps.stripeSessionId, session.id);
  const topUp = await findTopUp(context.database, named, session.metadata);
  if (topUp === undefined || topUp.creditedAt !== null) return;
  const paymentIntentId = idOf(session.payment_intent);
  const intent = paymentIntentId === null ? null : await readIntent(context, paymentIntentId);
  await settle(context, topUp.id, { intent, session });
}

async function readIntent({ stripe }: BillingContext, id: string): Promise<Stripe.PaymentIntent> {
  return await stripe.paymentIntents.retrieve(id, { expand: ['payment_method', 'latest_charge'] });
}

/** The row of a payment; `undefined` for payments that this installation did not begin. */
async function findTopUp(
  database: Database,
  named: ReturnType<typeof eq>,
  metadata: Stripe.Metadata | null,
): Promise<TopUp | undefined> {
  const id = metadata?.top_up_id ?? '';
  const [topUp] = await database
    .select()
    .from(topUps)
    .where(or(named, UUID.test(id) ? eq(topUps.id, id) : undefined))
    .limit(1);
  return topUp;
}

async function settle(context: BillingContext, topUpId: string, shown: Shown): Promise<void> {
  await context.database.transaction(async (tx) => {
    const [topUp] = await tx.select().from(topUps).where(eq(topUps.id, topUpId)).for('update');
    if (topUp === undefined || topUp.creditedAt !== null) return;
    if (shown.intent?.status === 'succeeded') await creditTopUp(tx, context.settings, topUp, shown.intent);
    else await noteUnpaid(tx, topUp, shown);
  });
}

async function noteUnpaid(tx: Transaction, topUp: TopUp, { intent, session }: Shown): Promise<void> {
  const status = unpaidStatus(topUp.status, intent, session);
  const failure = intent?.last_payment_error;
  const failureCode = failure?.decline_code ?? failure?.code ?? topUp.failureCode;
  await tx
    .update(topUps)
    .set({
      status,
      stripePaymentIntentId: intent?.id ?? topUp.stripePaymentIntentId,
      stripeSessionId: session?.id ?? topUp.stripeSessionId,
      failureCode,
      failureMessage: failureCode === null ? null : adviceFor(failureCode),
      updatedAt: sql`now()`,
    })
    .where(eq(topUps.id, topUp.id));
  if (status === 'failed' && topUp.status !== 'failed') await noteFailure(tx, topUp, failureCode);
}

/** Ends a top-up that Stripe refuses to charge at all. Nothing was paid; repeating it changes nothing. */
export async function failTopUp(
  { database }: Pick<BillingContext, 'database'>,
  topUpId: string,
  failureCode: string,
): Promise<void> {
  await database.transaction(async (tx) => {
    const [topUp] = await tx.select().from(topUps).where(eq(topUps.id, topUpId)).for('update');
    if (topUp?.status !== 'pending') return;
    await tx
      .update(topUps)
      .set({
        status: 'failed',
        failureCode,
        failureMessage: adviceFor(failureCode),
        updatedAt: sql`now()`,
      })
      .where(eq(topUps.id, topUpId));
    await noteFailure(tx, topUp, failureCode);
  });
}

/** Once per payment: the answer to a charge and its webhook both come here. */
async function noteFailure(tx: Transaction, topUp: TopUp, failureCode: string | null): Promise<void> {
  if (topUp.channel === 'automatic') await noteAutoTopUpResult(tx, topUp, 'declined');
  // Whoever pays with a saved card sees the answer; who paid on a page some time ago does not.
  else if (topUp.channel === 'checkout') await noticePaymentFailed(tx, topUp, failureCode);
}
