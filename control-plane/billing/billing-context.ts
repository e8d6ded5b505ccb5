import type Stripe from 'stripe';
import type { Database } from '#db/client.ts';
import type { BillingSettings } from './billing-settings.ts';

/** What the verbs that talk to Stripe need. They commit before and after each call to it, never around one. */
export interface BillingContext {
  readonly database: Database;
  readonly stripe: Stripe;
  readonly settings: BillingSettings;
}
