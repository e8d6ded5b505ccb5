import type Stripe from 'stripe';
import type { TopUp } from './begin-top-up.ts';

type Status = TopUp['status'];

/** Where a payment ends; only money that arrives after all moves a top-up on from here. */
const ENDED: ReadonlySet<Status> = new Set(['succeeded', 'failed', 'expired', 'canceled']);

/**
 * The status of a top-up that Stripe shows as unpaid, from its payment and its Checkout page alone, so that the order in
 * which events arrive does not matter. `session` is `null` for saved cards, `intent` until the customer has tried to pay.
 */
export function unpaidStatus(
  known: Status,
  intent: Pick<Stripe.PaymentIntent, 'status' | 'last_payment_error'> | null,
  session: Pick<Stripe.Checkout.Session, 'status'> | null,
): Status {
  const shown = session?.status === 'expired' ? 'expired' : statusOfIntent(intent, session);
  return ENDED.has(known) ? known : shown;
}

function statusOfIntent(
  intent: Pick<Stripe.PaymentIntent, 'status' | 'last_payment_error'> | null,
  session: Pick<Stripe.Checkout.Session, 'status'> | null,
): Status {
  switch (intent?.status) {
    case 'requires_action':
      return 'requires_action';
    case 'processing':
      return 'processing';
    case 'canceled':
      // Only the end of the page cancels the payment of a page.
      return session === null ? 'canceled' : 'expired';
    default:
      // On an open page the customer may try another card; a page that is over without money was paid in vain.
      if (session !== null) return session.status === 'complete' ? 'failed' : 'pending';
      return intent?.last_payment_error ? 'failed' : 'pending';
  }
}
