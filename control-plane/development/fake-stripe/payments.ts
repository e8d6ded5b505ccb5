import { disputeObject, intentObject, methodObject, refundObject, sessionObject } from './api-objects.ts';
import type {
  BookedEvent,
  BookedIntent,
  BookedMethod,
  BookedRefund,
  BookedSession,
  CardConduct,
  NowS,
  StripeBook,
} from './stripe-book.ts';

/** The card numbers of Stripe's own test mode that this stand-in understands. */
export const TEST_CARDS: Readonly<Record<string, { readonly brand: string; readonly conduct: CardConduct }>> =
  {
    '4242424242424242': { brand: 'visa', conduct: 'pays' },
    '5555555555554444': { brand: 'mastercard', conduct: 'pays' },
    '378282246310005': { brand: 'amex', conduct: 'pays' },
    '4000000000000002': { brand: 'visa', conduct: 'declined' },
    '4000000000009995': { brand: 'visa', conduct: 'insufficient_funds' },
    '4000002760003184': { brand: 'visa', conduct: 'asks_for_confirmation' },
    '4000000000000341': { brand: 'visa', conduct: 'declines_after_first' },
  };

const DECLINES = {
  declined: { code: 'card_declined', declineCode: 'generic_decline', message: 'Your card was declined.' },
  insufficient_funds: {
    code: 'card_declined',
    declineCode: 'insufficient_funds',
    message: 'Your card has insufficient funds.',
  },
  unconfirmed: {
    code: 'payment_intent_authentication_failure',
    declineCode: null,
    message: 'The payment could not be confirmed.',
  },
  needs_confirmation: {
    code: 'authentication_required',
    declineCode: 'authentication_required',
    message: 'This payment requires confirmation by the customer.',
  },
  alipay_failed: {
    code: 'payment_intent_payment_attempt_failed',
    declineCode: null,
    message: 'The payment failed.',
  },
} as const;

/** What can happen to payments, and the events that tell of it. */
export class Payments {
  readonly #book: StripeBook;
  readonly #nowS: NowS;
  readonly #baseUrl: () => string;
  readonly #announce: (event: BookedEvent) => void;

  constructor(book: StripeBook, nowS: NowS, baseUrl: () => string, announce: (event: BookedEvent) => void) {
    this.#book = book;
    this.#nowS = nowS;
    this.#baseUrl = baseUrl;
    this.#announce = announce;
  }

  /** The customer enters a card on the Checkout page. False: it was declined, and the page stays open. */
  payByCard(session: BookedSession, cardNumber: string): BookedIntent | undefined {
    const card = TEST_CARDS[cardNumber.replaceAll(' ', '')];
    if (session.status !== 'open' || card === undefined) return undefined;
    const method = this.#newMethod('card', card.brand, cardNumber.replaceAll(' ', ''), card.conduct);
    const intent = this.#intentOf(session);
    intent.method = method.id;
    this.#charge(intent, method, true);
    return intent;
  }

  /** The customer pays with Alipay: the money arrives later, or not. */
  payByAlipay(session: BookedSession): BookedIntent | undefined {
    if (session.status !== 'open') return undefined;
    const method = this.#newMethod('alipay', 'alipay', '0000', 'pays');
    const intent = this.#intentOf(session);
    intent.method = method.id;
    intent.status = 'processing';
    session.status = 'complete';
    this.#tell('payment_intent.processing', this.#show(intent));
    this.#tell('checkout.session.completed', sessionObject(session, this.#baseUrl()));
    return intent;
  }

  settleAlipay(intent: BookedIntent, arrives: boolean): void {
    if (intent.status !== 'processing') return;
    if (arrives) this.#succeed(intent);
    else this.#decline(intent, DECLINES.alipay_failed);
    const session = this.#sessionOf(intent);
    if (session === undefined) return;
    const outcome = arrives ? 'succeeded' : 'failed';
    this.#tell(`checkout.session.async_payment_${outcome}`, sessionObject(session, this.#baseUrl()));
  }

  /** The shop charges a saved card. */
  chargeSavedCard(intent: BookedIntent, method: BookedMethod, customerPresent: boolean): void {
    intent.method = method.id;
    this.#charge(intent, method, customerPresent);
  }

  /** The customer answers the bank. */
  confirm(intent: BookedIntent, agreed: boolean): void {
    if (intent.status !== 'requires_action') return;
    if (agreed) this.#succeed(intent);
    else this.#decline(intent, DECLINES.unconfirmed);
  }

  /** The shop gives a payment up. False: it is too late for that. */
  cancel(intent: BookedIntent): boolean {
    if (intent.status === 'succeeded' || intent.status === 'canceled' || intent.status === 'processing')
      return false;
    intent.status = 'canceled';
    this.#tell('payment_intent.canceled', this.#show(intent));
    return true;
  }

  expire(session: BookedSession): void {
    if (session.status !== 'open') return;
    session.status = 'expired';
    const intent = session.intent === null ? undefined : this.#book.intents[session.intent];
    if (intent !== undefined) this.cancel(intent);
    this.#tell('checkout.session.expired', sessionObject(session, this.#baseUrl()));
  }

  refund(intent: BookedIntent, amount: number, metadata: Record<string, string>): BookedRefund | undefined {
    if (intent.status !== 'succeeded' || amount < 1 || intent.amountRefunded + amount > intent.amount)
      return undefined;
    intent.amountRefunded += amount;
    const refund: BookedRefund = {
      id: this.#book.mint('re'),
      intent: intent.id,
      amount,
      metadata,
      createdS: this.#nowS(),
      status: 'succeeded',
    };
    this.#book.refunds[refund.id] = refund;
    this.#tell('refund.created', refundObject(this.#book, refund));
    return refund;
  }

  /** A refund that bounces after it was made. */
  failRefund(refund: BookedRefund): void {
    const intent = this.#book.intents[refund.intent];
    if (refund.status === 'failed' || intent === undefined) return;
    refund.status = 'failed';
    intent.amountRefunded -= refund.amount;
    this.#tell('refund.failed', refundObject(this.#book, refund));
  }

  openDispute(intent: BookedIntent): string | undefined {
    if (intent.status !== 'succeeded') return undefined;
    const id = this.#book.mint('du');
    const dispute = {
      id,
      intent: intent.id,
      amount: intent.amount - intent.amountRefunded,
      createdS: this.#nowS(),
      status: 'needs_response' as const,
    };
    this.#book.disputes[id] = dispute;
    this.#tell('charge.dispute.created', disputeObject(this.#book, dispute));
    this.#tell('charge.dispute.funds_withdrawn', disputeObject(this.#book, dispute));
    return id;
  }

  closeDispute(disputeId: string, verdict: 'won' | 'lost'): void {
    const dispute = this.#book.disputes[disputeId];
    if (dispute === undefined || dispute.status !== 'needs_response') return;
    dispute.status = verdict;
    if (verdict === 'won') this.#tell('charge.dispute.funds_reinstated', disputeObject(this.#book, dispute));
    this.#tell('charge.dispute.closed', disputeObject(this.#book, dispute));
  }

  detach(method: BookedMethod): void {
    method.customer = null;
    this.#tell('payment_method.detached', methodObject(method));
  }

  #charge(intent: BookedIntent, method: BookedMethod, customerPresent: boolean): void {
    method.charges += 1;
    const conduct =
      method.conduct === 'declines_after_first' && method.charges > 1 ? 'declined' : method.conduct;
    if (conduct === 'declined' || conduct === 'insufficient_funds') this.#decline(intent, DECLINES[conduct]);
    else if (conduct !== 'asks_for_confirmation') this.#succeed(intent);
    else if (!customerPresent) this.#decline(intent, DECLINES.needs_confirmation);
    else {
      intent.status = 'requires_action';
      intent.lastError = null;
      this.#tell('payment_intent.requires_action', this.#show(intent));
    }
  }

  #succeed(intent: BookedIntent): void {
    intent.status = 'succeeded';
    intent.lastError = null;
    intent.charge = this.#book.mint('ch');
    const method = intent.method === null ? undefined : this.#book.methods[intent.method];
    if (method?.type === 'card' && (intent.keepsCard || intent.keepsCardByOption))
      method.customer = intent.customer;
    const session = this.#sessionOf(intent);
    const completes = session?.status === 'open';
    if (session !== undefined) {
      session.status = 'complete';
      session.paymentStatus = 'paid';
    }
    this.#tell('payment_intent.succeeded', this.#show(intent));
    if (session !== undefined && completes)
      this.#tell('checkout.session.completed', sessionObject(session, this.#baseUrl()));
  }

  #decline(intent: BookedIntent, error: NonNullable<BookedIntent['lastError']>): void {
    intent.status = 'requires_payment_method';
    intent.lastError = error;
    this.#tell('payment_intent.payment_failed', this.#show(intent));
  }

  #intentOf(session: BookedSession): BookedIntent {
    const known = session.intent === null ? undefined : this.#book.intents[session.intent];
    if (known !== undefined) return known;
    const id = this.#book.mint('pi');
    const intent: BookedIntent = {
      id,
      clientSecret: this.#book.mint(`${id}_secret`),
      amount: session.lines.reduce((sum, line) => sum + line.amount, 0),
      currency: 'usd',
      customer: session.customer,
      createdS: this.#nowS(),
      description: session.description,
      metadata: session.intentMetadata,
      keepsCard: false,
      keepsCardByOption: session.keepsCard,
      returnUrl: session.successUrl,
      status: 'requires_payment_method',
      method: null,
      charge: null,
      lastError: null,
      amountRefunded: 0,
    };
    this.#book.intents[id] = intent;
    session.intent = id;
    return intent;
  }

  #newMethod(type: BookedMethod['type'], brand: string, number: string, conduct: CardConduct): BookedMethod {
    const method: BookedMethod = {
      id: this.#book.mint('pm'),
      type,
      brand,
      last4: number.slice(-4),
      fingerprint: `fp_${number.slice(-4)}${number.length}`,
      conduct,
      createdS: this.#nowS(),
      customer: null,
      charges: 0,
    };
    this.#book.methods[method.id] = method;
    return method;
  }

  #sessionOf(intent: BookedIntent): BookedSession | undefined {
    return Object.values(this.#book.sessions).find((session) => session.intent === intent.id);
  }

  #show(intent: BookedIntent) {
    return intentObject(this.#book, intent, this.#baseUrl());
  }

  #tell(type: string, object: unknown): void {
    const event: BookedEvent = { id: this.#book.mint('evt'), type, createdS: this.#nowS(), object };
    this.#book.events.push(event);
    this.#book.changed();
    this.#announce(event);
  }
}
