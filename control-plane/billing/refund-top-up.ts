import { eq, sql } from 'drizzle-orm';
import Stripe from 'stripe';
import type { Transaction } from '#db/client.ts';
import { refunds, topUps } from '#db/schema/billing.ts';
import { systemClock } from '#shared/clock.ts';
import type { NanoUsd } from '#shared/money.ts';
import { checkText } from '../input-rules.ts';
import { postTransactions } from '../ledger/post-transaction.ts';
import { readPaidBalance } from '../ledger/read-paid-balance.ts';
import { mintId } from '../mint-id.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { applyPaymentIntent } from './apply-payment-intent.ts';
import type { TopUp } from './begin-top-up.ts';
import type { BillingContext } from './billing-context.ts';
import { noticeRefund } from './billing-notices.ts';
import type { BillingSettings } from './billing-settings.ts';
import { idOf } from './stripe-client.ts';
import { nanoOfCents, usdOfCents } from './top-up-amount.ts';
import { failedRefundPosting, refundPosting } from './top-up-postings.ts';

const MAX_REASON_LENGTH = 500;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const KEYS_REMEMBERED_MS = 20 * 3_600_000;

export interface RefundRequest {
  readonly topUpId: string;
  /** Cents of credit; `null`: as much as can be refunded. */
  readonly creditCents: number | null;
  readonly reason: string;
  /** What the account can spend now, nano-USD: what requests in flight hold is not given back. */
  readonly availableNano: NanoUsd;
  /** An operator may refund after the window, and gives the fee back with a full refund. */
  readonly byOperator: boolean;
}

/**
 * Takes unused credit off the balance and writes the refund down; {@link sendRefund} then asks Stripe. Refused when the
 * credit is spent, the window is over, or the payment is disputed.
 */
export async function beginRefund(
  tx: Transaction,
  settings: BillingSettings,
  request: RefundRequest,
): Promise<Outcome<{ refundId: string }>> {
  const errors = checkText(request.reason, 'A reason', MAX_REASON_LENGTH, ['reason']);
  if (errors.length > 0) return refused(errors);
  const [topUp] = await tx.select().from(topUps).where(eq(topUps.id, request.topUpId)).for('update');
  if (topUp === undefined) return refused([userError('NOT_FOUND', 'No such top-up.', 'topUpId')]);
  if (topUp.creditedAt === null) return notRefundable('It has not been paid.');
  if (topUp.disputedCents > 0) return notRefundable('Its payment is disputed.');
  const windowMs = settings.refundWindowDays * 86_400_000;
  const [age] = await tx.execute<{ ms: string }>(
    sql`select (extract(epoch from now() - ${topUp.creditedAt.toISOString()}::timestamptz) * 1000)::bigint::text as ms`,
  );
  if (!request.byOperator && Number(age?.ms ?? 0) > windowMs)
    return notRefundable(`Refunds are possible within ${settings.refundWindowDays} days of the top-up.`);
  const paid = await readPaidBalance(tx, topUp.accountId);
  const unused = paid < request.availableNano ? paid : request.availableNano;
  const openCents = Math.max(0, topUp.creditCents - topUp.refundedCents);
  const unusedCents = unused <= 0n ? 0 : Number(unused / nanoOfCents(1));
  const possible = Math.min(openCents, unusedCents);
  const creditCents = request.creditCents ?? possible;
  if (creditCents < 1 || creditCents > possible)
    return notRefundable(`At most ${usdOfCents(possible)} USD of it are unused and not refunded yet.`);
  const whole = request.byOperator && topUp.refundedCents === 0 && creditCents === topUp.creditCents;
  const refund = { id: mintId(), creditCents, feeCents: whole ? topUp.feeCents : 0 };
  await writeRefund(tx, topUp, refund, request.reason, null);
  return succeeded({ refundId: refund.id });
}

function notRefundable(why: string): Outcome<never> {
  return refused([
    userError('NOT_REFUNDABLE', `This top-up cannot be refunded like that. ${why}`, 'topUpId'),
  ]);
}

/** Asks Stripe for a refund that was begun. Repeating it is harmless. A refusal by Stripe returns the credit. */
export async function sendRefund(context: BillingContext, refundId: string): Promise<void> {
  const { database, stripe } = context;
  const [row] = await database
    .select({ refund: refunds, paymentIntentId: topUps.stripePaymentIntentId })
    .from(refunds)
    .innerJoin(topUps, eq(topUps.id, refunds.topUpId))
    .where(eq(refunds.id, refundId));
  if (row?.paymentIntentId == null || row.refund.status !== 'pending') return;
  const { refund } = row;
  try {
    const earlier = await findSentRefund(context, row.paymentIntentId, refund);
    if (earlier !== undefined) return await settleRefund(context, refund.id, earlier);
    const sent = await stripe.refunds.create(
      {
        payment_intent: row.paymentIntentId,
        amount: refund.creditCents + refund.feeCents,
        reason: 'requested_by_customer',
        metadata: { refund_id: refund.id },
      },
      { idempotencyKey: `refund:${refund.id}` },
    );
    await settleRefund(context, refund.id, sent);
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeInvalidRequestError)) throw error;
    await settleRefund(context, refund.id, { id: null, status: 'failed' });
  }
}

/** Stripe forgets idempotency keys after a day; a refund that was begun before may have been made all the same. */
async function findSentRefund(
  { stripe }: BillingContext,
  paymentIntentId: string,
  refund: { readonly id: string; readonly createdAt: Date },
): Promise<Stripe.Refund | undefined> {
  if (systemClock.nowMs() - refund.createdAt.getTime() < KEYS_REMEMBERED_MS) return undefined;
  const { data } = await stripe.refunds.list({ payment_intent: paymentIntentId, limit: 100 });
  return data.find((sent) => sent.metadata?.refund_id === refund.id);
}

/** Brings a refund to the state that Stripe shows now, also one that somebody made on Stripe's own pages. */
export async function applyRefund(context: BillingContext, stripeRefundId: string): Promise<void> {
  await applyShownRefund(context, await context.stripe.refunds.retrieve(stripeRefundId));
}

/** Every refund of a payment, for what depends on how much of it is left. */
export async function applyRefundsOf(context: BillingContext, paymentIntentId: string): Promise<void> {
  const { data } = await context.stripe.refunds.list({ payment_intent: paymentIntentId, limit: 100 });
  for (const sent of data) await applyShownRefund(context, sent);
}

async function applyShownRefund(context: BillingContext, sent: Stripe.Refund): Promise<void> {
  const named = sent.metadata?.refund_id;
  const refundId = named && UUID.test(named) ? named : await noteForeignRefund(context, sent);
  if (refundId !== undefined) await settleRefund(context, refundId, sent);
}

/** A refund that was not asked for here takes its amount off the balance all the same: first the credit, then the fee. */
async function noteForeignRefund(context: BillingContext, sent: Stripe.Refund): Promise<string | undefined> {
  const paymentIntentId = idOf(sent.payment_intent);
  if (paymentIntentId === null || sent.status === 'failed' || sent.status === 'canceled') return undefined;
  // The refund's event may overtake that of its payment: the payment first, so that its row is found.
  await applyPaymentIntent(context, paymentIntentId);
  return await context.database.transaction(async (tx) => {
    const [topUp] = await tx
      .select()
      .from(topUps)
      .where(eq(topUps.stripePaymentIntentId, paymentIntentId))
      .for('update');
    if (topUp === undefined || topUp.creditedAt === null) return undefined;
    const [known] = await tx.select().from(refunds).where(eq(refunds.stripeRefundId, sent.id));
    if (known !== undefined) return known.id;
    const creditCents = Math.min(sent.amount, Math.max(0, topUp.creditCents - topUp.refundedCents));
    const refund = { id: mintId(), creditCents, feeCents: sent.amount - creditCents };
    await writeRefund(tx, topUp, refund, "Refunded on Stripe's pages", sent.id);
    return refund.id;
  });
}

async function writeRefund(
  tx: Transaction,
  topUp: TopUp,
  refund: { readonly id: string; readonly creditCents: number; readonly feeCents: number },
  reason: string,
  stripeRefundId: string | null,
): Promise<void> {
  await tx.insert(refunds).values({ ...refund, topUpId: topUp.id, reason, stripeRefundId });
  await tx
    .update(topUps)
    .set({
      refundedCents: topUp.refundedCents + refund.creditCents + refund.feeCents,
      updatedAt: sql`now()`,
    })
    .where(eq(topUps.id, topUp.id));
  await postTransactions(tx, [refundPosting(topUp.accountId, refund)]);
}

interface RefundState {
  readonly id: string | null;
  readonly status: string | null;
}

async function settleRefund(
  { database }: BillingContext,
  refundId: string,
  sent: RefundState,
): Promise<void> {
  await database.transaction(async (tx) => {
    const [refund] = await tx.select().from(refunds).where(eq(refunds.id, refundId)).for('update');
    if (refund === undefined || refund.status === 'failed') return;
    const news = refund.status === 'pending';
    const failed = sent.status === 'failed' || sent.status === 'canceled';
    const status = failed ? 'failed' : sent.status === 'succeeded' ? 'succeeded' : refund.status;
    await tx
      .update(refunds)
      .set({ status, ...(sent.id !== null && { stripeRefundId: sent.id }), updatedAt: sql`now()` })
      .where(eq(refunds.id, refund.id));
    const cents = refund.creditCents + refund.feeCents;
    if (!failed) {
      const [topUp] = await tx.select().from(topUps).where(eq(topUps.id, refund.topUpId));
      if (news && status === 'succeeded' && topUp)
        await noticeRefund(tx, topUp.accountId, { id: refund.id, cents, failed });
      return;
    }
    // A refund may still bounce after it succeeded, for example when the card was closed.
    const [topUp] = await tx
      .update(topUps)
      .set({
        refundedCents: sql`${topUps.refundedCents} - ${cents}`,
        updatedAt: sql`now()`,
      })
      .where(eq(topUps.id, refund.topUpId))
      .returning({ accountId: topUps.accountId });
    if (topUp === undefined) return;
    await postTransactions(tx, [failedRefundPosting(topUp.accountId, refund)]);
    await noticeRefund(tx, topUp.accountId, { id: refund.id, cents, failed });
  });
}
