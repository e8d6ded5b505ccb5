import { type SettingRow, wholeNumber } from './setting-row.ts';

/** Top-ups through Stripe, refunds and receipts. */
export const PAYMENT_ROWS: readonly SettingRow[] = [
  {
    name: 'STRIPE_SECRET_KEY',
    allowed: 'sk_… or rk_…',
    fallback: 'a stand-in for Stripe; in production no payments',
    meaning: 'Takes top-ups through Stripe',
  },
  {
    name: 'STRIPE_WEBHOOK_SECRET',
    allowed: 'whsec_…',
    fallback: 'needed with the key',
    meaning: 'Signing secret of the webhook endpoint `/webhooks/stripe` of the control plane',
  },
  {
    name: 'STRIPE_API_BASE',
    allowed: 'http:// or https://',
    fallback: 'Stripe',
    meaning: "Another place that speaks Stripe's API",
  },
  {
    name: 'TOP_UP_MIN_USD',
    allowed: 'USD in whole cents, from 0.50',
    fallback: '10.00',
    meaning: 'Smallest top-up',
  },
  {
    name: 'TOP_UP_MAX_USD',
    allowed: 'USD in whole cents',
    fallback: '5000.00',
    meaning: 'Largest top-up',
  },
  wholeNumber(
    'TOP_UP_FEE_BASIS_POINTS',
    { from: 0, to: 10_000 },
    '550',
    'Service fee on top of the credit, in hundredths of a percent',
  ),
  {
    name: 'TOP_UP_DAILY_LIMIT_USD',
    allowed: 'USD in whole cents',
    fallback: '10000.00',
    meaning: 'What one account may top up within 24 hours',
  },
  wholeNumber(
    'TOP_UP_DAILY_CARD_USES',
    { from: 1, to: 10_000 },
    '10',
    'Top-ups with one card within 24 hours, over all accounts',
  ),
  wholeNumber(
    'REFUND_WINDOW_DAYS',
    { from: 0, to: 3_650 },
    '14',
    'How long customers may ask for unused credit back',
  ),
  {
    name: 'DISPUTE_SUSPENDS_ACCOUNT',
    allowed: 'yes or no',
    fallback: 'no',
    meaning: 'Suspends an account with its disputed payment, until the dispute is won',
  },
  {
    name: 'OPERATOR_MAIL',
    allowed: 'mail addresses, separated by commas',
    fallback: 'nobody',
    meaning: 'Who hears of disputes',
  },
  {
    name: 'RECEIPT_SELLER',
    allowed: 'lines, separated by semicolons',
    fallback: 'CrossModel',
    meaning: 'Name, address and tax id of the seller on receipts and statements',
  },
  {
    name: 'RECEIPT_FONT',
    allowed: 'a TrueType or OpenType file',
    fallback: 'Latin letters only',
    meaning: 'Font of receipts and statements, for names in other scripts',
  },
];
