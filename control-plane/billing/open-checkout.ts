import { eq } from 'drizzle-orm';
import type Stripe from 'stripe';
import { topUps } from '#db/schema/billing.ts';
import { formatId } from '#shared/identifiers.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import type { TopUp } from './begin-top-up.ts';
import type { BillingContext } from './billing-context.ts';
import { ensureStripeCustomer } from './stripe-customer.ts';

const CURRENCY = 'usd';
/** Stripe's shortest is 30 minutes. */
const SESSION_LIFETIME_S = 3_600;

/**
 * The Checkout page of a top-up: card or Alipay, the fee as a line of its own. The card is kept only where the customer
 * agreed to it. Asked again, the same page.
 */
export async function openCheckout(
  context: BillingContext,
  topUpId: string,
  { saveCard }: { readonly saveCard: boolean },
): Promise<Outcome<{ topUpId: string; url: string }>> {
  const { database, stripe } = context;
  const [topUp] = await database.select().from(topUps).where(eq(topUps.id, topUpId));
  if (topUp === undefined) return refused([userError('NOT_FOUND', 'No such top-up.')]);
  const customer = await ensureStripeCustomer(context, topUp.accountId);
  const session = topUp.stripeSessionId
    ? await stripe.checkout.sessions.retrieve(topUp.stripeSessionId)
    : await stripe.checkout.sessions.create(describeSession(context, topUp, customer, saveCard), {
        idempotencyKey: `topup:${topUp.id}:session`,
      });
  await database.update(topUps).set({ stripeSessionId: session.id }).where(eq(topUps.id, topUp.id));
  if (session.url) return succeeded({ topUpId, url: session.url });
  return refused([userError('NOT_FOUND', 'This Checkout page is over. Begin a new top-up.')]);
}

function describeSession(
  { settings }: BillingContext,
  topUp: TopUp,
  customer: string,
  saveCard: boolean,
): Stripe.Checkout.SessionCreateParams {
  const metadata = { top_up_id: topUp.id, account_id: topUp.accountId };
  const publicId = formatId('TopUp', topUp.id);
  return {
    mode: 'payment',
    customer,
    client_reference_id: topUp.accountId,
    metadata,
    payment_intent_data: { metadata, description: `CrossModel credit, ${publicId}` },
    // A filter on what the Stripe account has enabled; the currency choice stays the customer's.
    allowed_payment_method_types: ['card', 'alipay'],
    adaptive_pricing: { enabled: true },
    // On the card only: set for the whole payment it would hide Alipay, which cannot be kept.
    ...(saveCard && { payment_method_options: { card: { setup_future_usage: 'off_session' } } }),
    line_items: [
      line('CrossModel credit', topUp.creditCents),
      ...(topUp.feeCents > 0 ? [line('Service fee', topUp.feeCents)] : []),
    ],
    // From the row, not from now: a repeated call must send the same under its idempotency key.
    expires_at: Math.floor(topUp.createdAt.getTime() / 1000) + SESSION_LIFETIME_S,
    success_url: `${settings.publicUrl}/top-ups/${publicId}/done`,
    cancel_url: `${settings.publicUrl}/top-ups/${publicId}/canceled`,
  };
}

function line(name: string, cents: number): Stripe.Checkout.SessionCreateParams.LineItem {
  return { quantity: 1, price_data: { currency: CURRENCY, unit_amount: cents, product_data: { name } } };
}
