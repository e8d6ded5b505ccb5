import { eq } from 'drizzle-orm';
import Stripe from 'stripe';
import { savedCards, topUps } from '#db/schema/billing.ts';
import { formatId } from '#shared/identifiers.ts';
import { applyPaymentIntent, failTopUp } from './apply-payment-intent.ts';
import type { TopUp } from './begin-top-up.ts';
import type { BillingContext } from './billing-context.ts';
import { ensureStripeCustomer } from './stripe-customer.ts';

/** What the customer's browser needs to confirm the payment with the bank (3-D Secure). */
export interface RequiredAction {
  readonly clientSecret: string;
  /** A page that does it without Stripe's script. */
  readonly url: string | null;
}

/**
 * Charges the saved card of a top-up that {@link beginTopUp} wrote down, and applies the result. Repeating it is harmless:
 * Stripe answers a repetition with the first payment. Throws while Stripe cannot be reached; the row stays open, and the
 * reconciliation finds out whether it was charged.
 */
export async function payWithSavedCard(
  context: BillingContext,
  topUpId: string,
): Promise<RequiredAction | undefined> {
  const { database, stripe } = context;
  const [row] = await database
    .select({ topUp: topUps, method: savedCards.stripePaymentMethodId })
    .from(topUps)
    .innerJoin(savedCards, eq(savedCards.id, topUps.savedCardId))
    .where(eq(topUps.id, topUpId));
  if (row === undefined || !OPEN.has(row.topUp.status)) return undefined;
  const { topUp, method } = row;
  const intent = topUp.stripePaymentIntentId
    ? await stripe.paymentIntents.retrieve(topUp.stripePaymentIntentId)
    : await confirmPayment(context, topUp, method);
  if (intent === undefined) return undefined;
  await applyPaymentIntent(context, intent.id);
  if (intent.status !== 'requires_action' || !intent.client_secret) return undefined;
  return { clientSecret: intent.client_secret, url: intent.next_action?.redirect_to_url?.url ?? null };
}

const OPEN: ReadonlySet<TopUp['status']> = new Set(['pending', 'requires_action', 'processing']);

/** `undefined`: Stripe refuses this card before any charge, and the top-up has failed. */
async function confirmPayment(
  context: BillingContext,
  topUp: TopUp,
  paymentMethod: string,
): Promise<Stripe.PaymentIntent | undefined> {
  const publicId = formatId('TopUp', topUp.id);
  try {
    return await context.stripe.paymentIntents.create(
      {
        amount: topUp.creditCents + topUp.feeCents,
        currency: 'usd',
        customer: await ensureStripeCustomer(context, topUp.accountId),
        payment_method: paymentMethod,
        allowed_payment_method_types: ['card'],
        confirm: true,
        // With the customer present the bank may ask for a confirmation; without, it declines instead.
        ...(topUp.channel === 'automatic'
          ? { off_session: true }
          : { return_url: `${context.settings.publicUrl}/top-ups/${publicId}/done` }),
        description: `CrossModel credit, ${publicId}`,
        metadata: { top_up_id: topUp.id, account_id: topUp.accountId },
      },
      { idempotencyKey: `topup:${topUp.id}:confirm` },
    );
  } catch (error) {
    // A decline is an answer: the payment exists, with the reason inside.
    const declined = error instanceof Stripe.errors.StripeCardError ? error.payment_intent : undefined;
    if (declined !== undefined) return declined;
    // Such as a card that was detached on Stripe's pages.
    if (!(error instanceof Stripe.errors.StripeInvalidRequestError)) throw error;
    await failTopUp(context, topUp.id, error.code ?? 'invalid_request');
    if (error.param !== 'payment_method') throw error;
    return undefined;
  }
}
