import { eq } from 'drizzle-orm';
import type Stripe from 'stripe';
import { topUps } from '#db/schema/billing.ts';
import { systemClock } from '#shared/clock.ts';
import { formatId } from '#shared/identifiers.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { applyCheckoutSession } from './apply-payment-intent.ts';
import { findUntouchedPage, type TopUp } from './begin-top-up.ts';
import type { BillingContext } from './billing-context.ts';
import { ensureStripeCustomer } from './stripe-customer.ts';
import { readTopUpAmount } from './top-up-amount.ts';

const CURRENCY = 'usd';
const SESSION_LIFETIME_S = 3_600;
/** Stripe wants at least 30 minutes between the opening of a page and its end. */
const LATEST_OPENING_S = 1_500;

/**
 * The Checkout page of a top-up: card or Alipay, the fee as a line of its own. The card is kept only where the customer
 * agreed to it. Asked again, the same page, as long as it is open.
 */
export async function openCheckout(
  context: BillingContext,
  topUpId: string,
): Promise<Outcome<{ topUpId: string; url: string }>> {
  const { database, stripe } = context;
  const [topUp] = await database.select().from(topUps).where(eq(topUps.id, topUpId));
  if (topUp === undefined) return refused([userError('NOT_FOUND', 'No such top-up.')]);
  const ageS = (systemClock.nowMs() - topUp.createdAt.getTime()) / 1000;
  if (topUp.status !== 'pending' || (topUp.stripeSessionId === null && ageS > LATEST_OPENING_S))
    return PAGE_OVER;
  const customer = await ensureStripeCustomer(context, topUp.accountId);
  const session = topUp.stripeSessionId
    ? await stripe.checkout.sessions.retrieve(topUp.stripeSessionId)
    : await stripe.checkout.sessions.create(describeSession(context, topUp, customer), {
        idempotencyKey: `topup:${topUp.id}:session`,
      });
  await database.update(topUps).set({ stripeSessionId: session.id }).where(eq(topUps.id, topUp.id));
  return session.url ? succeeded({ topUpId, url: session.url }) : PAGE_OVER;
}

const PAGE_OVER = refused([
  userError('CHECKOUT_OVER', 'This Checkout page is over. Begin a new top-up with a new idempotency key.'),
]);

/**
 * Before a top-up begins: where the page that would be handed out again was paid a moment ago and its webhook is still under
 * way, the page's state is fetched, so that the new top-up gets a page of its own.
 */
export async function settleTwinPage(
  context: BillingContext,
  wished: { readonly accountId: string; readonly amountUsd: string; readonly saveCard: boolean },
): Promise<void> {
  const amount = readTopUpAmount(wished.amountUsd, context.settings, 'amountUsd');
  if (!amount.ok) return;
  const { creditCents } = amount.value;
  const page = await findUntouchedPage(context.database, { ...wished, creditCents });
  if (page?.stripeSessionId) await applyCheckoutSession(context, page.stripeSessionId);
}

function describeSession(
  { settings }: BillingContext,
  topUp: TopUp,
  customer: string,
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
    ...(topUp.saveCard && { payment_method_options: { card: { setup_future_usage: 'off_session' } } }),
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
