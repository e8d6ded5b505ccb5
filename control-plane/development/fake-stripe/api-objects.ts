import { NO_EVIDENCE, SESSION_DEFAULTS } from './object-defaults.ts';
import type {
  BookedDispute,
  BookedIntent,
  BookedMethod,
  BookedRefund,
  BookedSession,
  StripeBook,
} from './stripe-book.ts';

/** The API objects of the version that the client library pins, with every field that its types require. */

export function methodObject(method: BookedMethod) {
  const card = method.type === 'card';
  return {
    id: method.id,
    object: 'payment_method',
    type: method.type,
    billing_details: { address: null, email: null, name: null, phone: null, tax_id: null },
    created: method.createdS,
    customer: method.customer,
    customer_account: null,
    livemode: false,
    metadata: {},
    ...(card
      ? {
          card: {
            brand: method.brand,
            checks: null,
            country: 'US',
            display_brand: method.brand,
            exp_month: 12,
            exp_year: 2034,
            fingerprint: method.fingerprint,
            funding: 'credit',
            generated_from: null,
            last4: method.last4,
            networks: null,
            regulated_status: 'unregulated',
            three_d_secure_usage: { supported: true },
            wallet: null,
          },
        }
      : { alipay: {} }),
  };
}

export function customerObject(customer: StripeBook['customers'][string]) {
  return {
    id: customer.id,
    object: 'customer',
    balance: 0,
    created: customer.createdS,
    default_source: null,
    description: null,
    email: null,
    name: customer.name,
    invoice_settings: {
      custom_fields: null,
      default_payment_method: null,
      footer: null,
      rendering_options: null,
    },
    livemode: false,
    metadata: customer.metadata,
    shipping: null,
  };
}

export function intentObject(
  book: StripeBook,
  intent: BookedIntent,
  baseUrl: string,
  expand: readonly string[] = [],
) {
  const method = intent.method === null ? undefined : book.methods[intent.method];
  return {
    id: intent.id,
    object: 'payment_intent',
    allowed_payment_method_types: ['card', 'alipay'],
    amount: intent.amount,
    amount_capturable: 0,
    amount_received: intent.status === 'succeeded' ? intent.amount : 0,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods: null,
    canceled_at: null,
    cancellation_reason: null,
    capture_method: 'automatic_async',
    client_secret: intent.clientSecret,
    confirmation_method: 'automatic',
    created: intent.createdS,
    currency: intent.currency,
    customer: intent.customer,
    customer_account: null,
    description: intent.description,
    excluded_payment_method_types: null,
    last_payment_error: lastError(intent),
    latest_charge: intent.charge,
    livemode: false,
    managed_payments: null,
    metadata: intent.metadata,
    next_action: nextAction(intent, baseUrl),
    on_behalf_of: null,
    payment_method:
      expand.includes('payment_method') && method !== undefined ? methodObject(method) : intent.method,
    payment_method_configuration_details: null,
    payment_method_options: intent.keepsCardByOption
      ? {
          card: {
            installments: null,
            mandate_options: null,
            network: null,
            request_three_d_secure: 'automatic',
            setup_future_usage: 'off_session',
          },
        }
      : {},
    payment_method_types: ['card', 'alipay'],
    payment_record: null,
    processing: null,
    receipt_email: null,
    review: null,
    setup_future_usage: intent.keepsCard ? 'off_session' : null,
    shipping: null,
    source: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: intent.status,
    transfer_data: null,
    transfer_group: null,
  };
}

function lastError({ lastError: error }: BookedIntent) {
  if (error === null) return null;
  const { code, declineCode, message } = error;
  return { type: 'card_error', code, ...(declineCode !== null && { decline_code: declineCode }), message };
}

function nextAction(intent: BookedIntent, baseUrl: string) {
  if (intent.status !== 'requires_action') return null;
  return {
    type: 'redirect_to_url',
    redirect_to_url: { url: `${baseUrl}/confirm/${intent.id}`, return_url: intent.returnUrl },
  };
}

export function sessionObject(session: BookedSession, baseUrl: string) {
  const total = session.lines.reduce((sum, line) => sum + line.amount, 0);
  return {
    ...SESSION_DEFAULTS,
    id: session.id,
    object: 'checkout.session',
    adaptive_pricing: { enabled: true },
    allowed_payment_method_types: ['card', 'alipay'],
    amount_subtotal: total,
    amount_total: total,
    automatic_tax: { enabled: false, liability: null, provider: null, status: null },
    cancel_url: session.cancelUrl,
    client_reference_id: session.clientReferenceId,
    created: session.createdS,
    currency: 'usd',
    customer: session.customer,
    expires_at: session.expiresS,
    livemode: false,
    metadata: session.metadata,
    mode: 'payment',
    payment_intent: session.intent,
    payment_method_options: session.keepsCard
      ? { card: { request_three_d_secure: 'automatic', setup_future_usage: 'off_session' } }
      : {},
    payment_method_types: ['card', 'alipay'],
    payment_status: session.paymentStatus,
    status: session.status,
    success_url: session.successUrl,
    ui_mode: 'hosted_page',
    url: session.status === 'open' ? `${baseUrl}/checkout/${session.id}` : null,
  };
}

export function refundObject(book: StripeBook, refund: BookedRefund) {
  const intent = book.intents[refund.intent];
  return {
    id: refund.id,
    object: 'refund',
    amount: refund.amount,
    balance_transaction: null,
    charge: intent?.charge ?? null,
    created: refund.createdS,
    currency: 'usd',
    customer: intent?.customer ?? null,
    customer_account: null,
    metadata: refund.metadata,
    payment_intent: refund.intent,
    payment_method: intent?.method ?? null,
    reason: 'requested_by_customer',
    receipt_number: null,
    source_transfer_reversal: null,
    status: refund.status,
    transfer_reversal: null,
  };
}

export function disputeObject(book: StripeBook, dispute: BookedDispute) {
  return {
    id: dispute.id,
    object: 'dispute',
    amount: dispute.amount,
    balance_transactions: [],
    charge: book.intents[dispute.intent]?.charge ?? '',
    created: dispute.createdS,
    currency: 'usd',
    enhanced_eligibility_types: [],
    evidence: NO_EVIDENCE,
    evidence_details: {
      due_by: null,
      enhanced_eligibility: {},
      has_evidence: false,
      past_due: false,
      submission_count: 0,
      submission_method: 'not_submitted',
    },
    intended_submission_method: 'manual',
    is_charge_refundable: false,
    livemode: false,
    metadata: {},
    payment_intent: dispute.intent,
    reason: 'fraudulent',
    status: dispute.status,
  };
}
