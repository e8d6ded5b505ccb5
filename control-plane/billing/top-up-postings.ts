import type { LedgerPosting } from '../ledger/post-transaction.ts';
import type { TopUp } from './begin-top-up.ts';
import { nanoOfCents } from './top-up-amount.ts';

/** How payments move the ledger. Keys name the object at Stripe, so that no webhook, job or retry posts twice. */

/** The customer gets the credit, we get the fee, Stripe owes us both. */
export function topUpPosting(topUp: TopUp, paymentIntentId: string): LedgerPosting {
  const credit = nanoOfCents(topUp.creditCents);
  const fee = nanoOfCents(topUp.feeCents);
  return {
    kind: 'top_up',
    idempotencyKey: `top_up:${paymentIntentId}`,
    description: topUp.channel === 'automatic' ? 'Automatic top-up' : 'Top-up',
    metadata: { topUpId: topUp.id },
    entries: [
      { account: { kind: 'customer_available', accountId: topUp.accountId }, amountNano: credit },
      ...(fee > 0n ? [{ account: { kind: 'fees' }, amountNano: fee } as const] : []),
      { account: { kind: 'stripe_clearing' }, amountNano: -(credit + fee) },
    ],
  };
}

interface RefundAmounts {
  readonly id: string;
  readonly creditCents: number;
  readonly feeCents: number;
}

/** Taken from the balance before Stripe is asked: credit that is on its way back cannot be spent. */
export function refundPosting(accountId: string, refund: RefundAmounts): LedgerPosting {
  return {
    kind: 'refund',
    idempotencyKey: `refund:${refund.id}`,
    description: 'Refund',
    metadata: { refundId: refund.id },
    entries: refundEntries(accountId, refund, 1n),
  };
}

/** Stripe could not make the refund: the credit returns. */
export function failedRefundPosting(accountId: string, refund: RefundAmounts): LedgerPosting {
  return {
    kind: 'reversal',
    idempotencyKey: `refund_failed:${refund.id}`,
    description: 'Refund that could not be made',
    metadata: { refundId: refund.id },
    entries: refundEntries(accountId, refund, -1n),
  };
}

function refundEntries(accountId: string, refund: RefundAmounts, sign: bigint): LedgerPosting['entries'] {
  const credit = sign * nanoOfCents(refund.creditCents);
  const fee = sign * nanoOfCents(refund.feeCents);
  return [
    ...(credit === 0n
      ? []
      : [{ account: { kind: 'customer_available', accountId }, amountNano: -credit } as const]),
    ...(fee === 0n ? [] : [{ account: { kind: 'fees' }, amountNano: -fee } as const]),
    { account: { kind: 'stripe_clearing' }, amountNano: credit + fee },
  ];
}

interface DisputeAmounts {
  readonly stripeDisputeId: string;
  readonly amountCents: number;
  /** The part of it that was credited and not refunded; the rest is fee. */
  readonly creditCents: number;
}

/** Opened: what the bank questions leaves the balance, even below zero, until the dispute is decided. */
export function disputeOpenedPosting(topUp: TopUp, dispute: DisputeAmounts): LedgerPosting {
  return disputePosting(topUp, dispute, 'opened');
}

/** Won: everything returns to where it was. */
export function disputeWonPosting(topUp: TopUp, dispute: DisputeAmounts): LedgerPosting {
  return disputePosting(topUp, dispute, 'won');
}

function disputePosting(topUp: TopUp, dispute: DisputeAmounts, event: 'opened' | 'won'): LedgerPosting {
  const sign = event === 'opened' ? 1n : -1n;
  const credit = sign * nanoOfCents(dispute.creditCents);
  const fee = sign * nanoOfCents(dispute.amountCents - dispute.creditCents);
  return {
    kind: 'dispute',
    idempotencyKey: `dispute_${event}:${dispute.stripeDisputeId}`,
    description: event === 'opened' ? 'Disputed payment' : 'Dispute won',
    metadata: { topUpId: topUp.id, stripeDisputeId: dispute.stripeDisputeId },
    entries: [
      ...(credit === 0n
        ? []
        : [
            {
              account: { kind: 'customer_available', accountId: topUp.accountId },
              amountNano: -credit,
            } as const,
          ]),
      ...(fee === 0n ? [] : [{ account: { kind: 'fees' }, amountNano: -fee } as const]),
      { account: { kind: 'disputes' }, amountNano: credit + fee },
    ],
  };
}

/** Lost: the money went back to the card; the customer's balance was reduced when the dispute was opened. */
export function disputeLostPosting(topUp: TopUp, dispute: DisputeAmounts): LedgerPosting {
  const amount = nanoOfCents(dispute.amountCents);
  return {
    kind: 'dispute',
    idempotencyKey: `dispute_lost:${dispute.stripeDisputeId}`,
    description: 'Dispute lost',
    metadata: { topUpId: topUp.id, stripeDisputeId: dispute.stripeDisputeId },
    entries: [
      { account: { kind: 'disputes' }, amountNano: -amount },
      { account: { kind: 'stripe_clearing' }, amountNano: amount },
    ],
  };
}
