import { and, eq, inArray, ne, sql } from 'drizzle-orm';
import type Stripe from 'stripe';
import type { Transaction } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { disputes, refunds, topUps } from '#db/schema/billing.ts';
import { postTransactions } from '../ledger/post-transaction.ts';
import { mintId } from '../mint-id.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { applyPaymentIntent } from './apply-payment-intent.ts';
import type { TopUp } from './begin-top-up.ts';
import type { BillingContext } from './billing-context.ts';
import { noticeDispute } from './billing-notices.ts';
import { applyRefundsOf } from './refund-top-up.ts';
import { idOf } from './stripe-client.ts';
import { disputeLostPosting, disputeOpenedPosting, disputeWonPosting } from './top-up-postings.ts';

type Dispute = typeof disputes.$inferSelect;
type Verdict = 'won' | 'lost';

/**
 * Brings a dispute to the state that Stripe shows now. Opening it takes the disputed amount off the balance, which may go
 * below zero only so, and suspends the account where the installation wants that; winning undoes both. Each step happens
 * once, in whatever order events arrive.
 */
export async function applyDispute(context: BillingContext, stripeDisputeId: string): Promise<void> {
  const { database, stripe, settings } = context;
  const shown = await stripe.disputes.retrieve(stripeDisputeId);
  const paymentIntentId = idOf(shown.payment_intent);
  // An inquiry (`warning_…`) moves no money yet.
  if (paymentIntentId === null || shown.status.startsWith('warning')) return;
  // The dispute's event may overtake those of its payment and its refunds: they first, in whatever order events came.
  await applyPaymentIntent(context, paymentIntentId);
  await applyRefundsOf(context, paymentIntentId);
  await database.transaction(async (tx) => {
    const [topUp] = await tx
      .select()
      .from(topUps)
      .where(eq(topUps.stripePaymentIntentId, paymentIntentId))
      .for('update');
    if (topUp === undefined || topUp.creditedAt === null) return;
    const [known] = await tx.select().from(disputes).where(eq(disputes.stripeDisputeId, shown.id));
    if (known !== undefined && known.status !== 'open') return;
    const verdict = verdictOf(shown);
    const suspends = settings.disputeSuspendsAccount && verdict !== 'won';
    const dispute = known ?? (await openDispute(tx, topUp, shown, suspends));
    const notice = { id: shown.id, amountCents: shown.amount, suspended: dispute.suspendsAccount };
    if (known === undefined)
      await noticeDispute(tx, settings, topUp.accountId, { ...notice, event: 'opened' });
    if (verdict === undefined) return;
    await decideDispute(tx, topUp, dispute, verdict);
    await noticeDispute(tx, settings, topUp.accountId, { ...notice, suspended: false, event: verdict });
  });
}

/** An early fraud warning or inquiry that was closed without a dispute counts as won: no money has moved. */
function verdictOf({ status }: Stripe.Dispute): Verdict | undefined {
  if (status === 'won' || status === 'prevented') return 'won';
  return status === 'lost' ? 'lost' : undefined;
}

async function openDispute(
  tx: Transaction,
  topUp: TopUp,
  shown: Stripe.Dispute,
  suspends: boolean,
): Promise<Dispute> {
  const [refunded] = await tx
    .select({ cents: sql<string>`coalesce(sum(${refunds.creditCents}), 0)` })
    .from(refunds)
    .where(and(eq(refunds.topUpId, topUp.id), ne(refunds.status, 'failed')));
  const creditLeft = Math.max(0, topUp.creditCents - Number(refunded?.cents ?? 0));
  const [dispute] = await tx
    .insert(disputes)
    .values({
      id: mintId(),
      topUpId: topUp.id,
      stripeDisputeId: shown.id,
      amountCents: shown.amount,
      creditCents: Math.min(shown.amount, creditLeft),
      suspendsAccount: suspends,
    })
    .returning();
  if (dispute === undefined) throw new Error('A row that was inserted is returned');
  await postTransactions(tx, [disputeOpenedPosting(topUp, dispute)]);
  await tx
    .update(topUps)
    .set({ disputedCents: shown.amount, updatedAt: sql`now()` })
    .where(eq(topUps.id, topUp.id));
  if (suspends) await suspend(tx, topUp.accountId);
  return dispute;
}

async function decideDispute(
  tx: Transaction,
  topUp: TopUp,
  dispute: Dispute,
  verdict: Verdict,
): Promise<void> {
  const posting = verdict === 'won' ? disputeWonPosting : disputeLostPosting;
  await postTransactions(tx, [posting(topUp, dispute)]);
  await tx.update(disputes).set({ status: verdict, closedAt: sql`now()` }).where(eq(disputes.id, dispute.id));
  if (verdict === 'lost') return;
  await tx.update(topUps).set({ disputedCents: 0, updatedAt: sql`now()` }).where(eq(topUps.id, topUp.id));
  if (dispute.suspendsAccount) await liftSuspension(tx, topUp.accountId);
}

async function suspend(tx: Transaction, accountId: string): Promise<void> {
  const suspended = await tx
    .update(accounts)
    .set({ status: 'suspended', suspendedBy: 'dispute' })
    .where(and(eq(accounts.id, accountId), eq(accounts.status, 'active')))
    .returning({ id: accounts.id });
  if (suspended.length > 0) await recordConfigChange(tx, { entity: 'account', entityId: accountId });
}

/** Only where nothing else holds the account: no other dispute, and no person who suspended it meanwhile. */
async function liftSuspension(tx: Transaction, accountId: string): Promise<void> {
  const [other] = await tx
    .select({ id: disputes.id })
    .from(disputes)
    .innerJoin(topUps, eq(topUps.id, disputes.topUpId))
    .where(
      and(
        eq(topUps.accountId, accountId),
        disputes.suspendsAccount,
        inArray(disputes.status, ['open', 'lost']),
      ),
    )
    .limit(1);
  if (other !== undefined) return;
  const lifted = await tx
    .update(accounts)
    .set({ status: 'active', suspendedBy: null })
    .where(and(eq(accounts.id, accountId), eq(accounts.suspendedBy, 'dispute')))
    .returning({ id: accounts.id });
  if (lifted.length > 0) await recordConfigChange(tx, { entity: 'account', entityId: accountId });
}
