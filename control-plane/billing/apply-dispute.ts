import { eq, sql } from 'drizzle-orm';
import { disputes, topUps } from '#db/schema/billing.ts';
import { postTransactions } from '../ledger/post-transaction.ts';
import { mintId } from '../mint-id.ts';
import { applyPaymentIntent } from './apply-payment-intent.ts';
import type { BillingContext } from './billing-context.ts';
import { idOf } from './stripe-client.ts';
import { disputeLostPosting, disputeOpenedPosting, disputeWonPosting } from './top-up-postings.ts';

/**
 * Brings a dispute to the state that Stripe shows now. Opening it takes the disputed amount off the balance, which may go
 * below zero only so; winning gives it back. Each step posts once, in whatever order events arrive.
 */
export async function applyDispute(context: BillingContext, stripeDisputeId: string): Promise<void> {
  const { database, stripe } = context;
  const dispute = await stripe.disputes.retrieve(stripeDisputeId);
  const paymentIntentId = idOf(dispute.payment_intent);
  // An inquiry (`warning_…`) moves no money yet.
  if (paymentIntentId === null || dispute.status.startsWith('warning')) return;
  // The dispute's event may overtake that of its payment: the payment first, so that its row is found.
  await applyPaymentIntent(context, paymentIntentId);
  const verdict = dispute.status === 'won' ? 'won' : dispute.status === 'lost' ? 'lost' : 'open';
  await database.transaction(async (tx) => {
    const [topUp] = await tx
      .select()
      .from(topUps)
      .where(eq(topUps.stripePaymentIntentId, paymentIntentId))
      .for('update');
    if (topUp === undefined) return;
    const [known] = await tx.select().from(disputes).where(eq(disputes.stripeDisputeId, dispute.id));
    if (known !== undefined && known.status !== 'open') return;
    const amounts = { stripeDisputeId: dispute.id, amountCents: dispute.amount };
    if (known === undefined)
      await tx.insert(disputes).values({ id: mintId(), topUpId: topUp.id, ...amounts });
    await postTransactions(tx, [disputeOpenedPosting(topUp, amounts)]);
    if (verdict !== 'open') {
      const posting = verdict === 'won' ? disputeWonPosting : disputeLostPosting;
      await postTransactions(tx, [posting(topUp, amounts)]);
      await tx
        .update(disputes)
        .set({ status: verdict, closedAt: sql`now()` })
        .where(eq(disputes.stripeDisputeId, dispute.id));
    }
    await tx
      .update(topUps)
      .set({ disputedCents: verdict === 'won' ? 0 : dispute.amount, updatedAt: sql`now()` })
      .where(eq(topUps.id, topUp.id));
  });
}
