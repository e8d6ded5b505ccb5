import Stripe from 'stripe';
import type { BillingSettings } from './billing-settings.ts';

const REQUEST_TIMEOUT_MS = 20_000;
const MAX_RETRIES = 2;

/** Stripe's own client, at the API version that it was made for. Its retries repeat the idempotency key. */
export function openStripe({ stripeSecretKey, stripeApiBase }: BillingSettings): Stripe {
  const place = stripeApiBase === null ? undefined : new URL(stripeApiBase);
  return new Stripe(stripeSecretKey, {
    maxNetworkRetries: MAX_RETRIES,
    timeout: REQUEST_TIMEOUT_MS,
    telemetry: false,
    ...(place && {
      host: place.hostname,
      port: place.port,
      protocol: place.protocol === 'http:' ? 'http' : 'https',
    }),
  });
}

/** For calls that may fail at Stripe without harm. Anything else that goes wrong is a bug and goes on. */
export function ignoreStripeFailure(error: unknown): undefined {
  if (error instanceof Stripe.errors.StripeError) return undefined;
  throw error;
}

/** For calls whose refusal by Stripe means that there is nothing left to do; that Stripe is away goes on. */
export function ignoreStripeRefusal(error: unknown): undefined {
  if (error instanceof Stripe.errors.StripeInvalidRequestError) return undefined;
  throw error;
}

/** An expandable field's id, whether Stripe sent the id or the object. */
export function idOf(reference: string | { readonly id: string } | null | undefined): string | null {
  if (reference === null || reference === undefined) return null;
  return typeof reference === 'string' ? reference : reference.id;
}
