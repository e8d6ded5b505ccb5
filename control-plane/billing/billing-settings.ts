/** How this installation takes payments. */
export interface BillingSettings {
  /** `sk_…`. */
  readonly stripeSecretKey: string;
  /** `whsec_…`, of the endpoint `/webhooks/stripe`. */
  readonly stripeWebhookSecret: string;
  /** Where Stripe's API is; `null`: at Stripe. Development has a stand-in of its own. */
  readonly stripeApiBase: string | null;
  /** Where customers' browsers reach the control plane; no trailing slash. */
  readonly publicUrl: string;
  /** Cents of credit. */
  readonly minTopUpCents: number;
  readonly maxTopUpCents: number;
  /** Service fee on top of the credit, in hundredths of a percent: 550 is 5.5 %. */
  readonly feeBasisPoints: number;
  /** How long after a top-up a customer may ask for its unused credit back. An operator may at any time. */
  readonly refundWindowDays: number;
  /** What one account may top up within 24 h, cents of credit. */
  readonly dailyAccountLimitCents: number;
  /** Whether a disputed payment suspends its account until the dispute is won or an operator lifts it. */
  readonly disputeSuspendsAccount: boolean;
  /** Who hears of disputes. */
  readonly operatorMail: readonly string[];
  /** Who sells, printed on receipts and statements: lines with name, address and tax id. */
  readonly seller: readonly string[];
  /** A TrueType or OpenType file for names that Latin letters cannot write; `null`: the fonts that every PDF has. */
  readonly receiptFont: string | null;
  /** Top-ups begun with one card within 24 h, over all accounts. */
  readonly dailyCardLimit: number;
}
