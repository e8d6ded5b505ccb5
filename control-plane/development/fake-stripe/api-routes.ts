import {
  customerObject,
  disputeObject,
  intentObject,
  methodObject,
  refundObject,
  sessionObject,
} from './api-objects.ts';
import { type FormObject, textAt, textsAt } from './form-body.ts';
import type { Payments } from './payments.ts';
import type { BookedIntent, NowS, StripeBook } from './stripe-book.ts';
import { eventObject } from './webhook-sender.ts';

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface ApiSurroundings {
  readonly book: StripeBook;
  readonly payments: Payments;
  readonly nowS: NowS;
  readonly baseUrl: () => string;
}

type Handler = (around: ApiSurroundings, form: FormObject, id: string) => ApiAnswer;

/** A route of the API: what it is called in the published types, and what it does. */
export interface ApiRoute {
  readonly method: 'GET' | 'POST';
  readonly path: RegExp;
  /** Name of the parameter type in the published schema, where there is one. */
  readonly parameters?: string;
  readonly handle: Handler;
}

const SESSION_LIFETIME_S = 86_400;
const MAX_PAGE = 100;

export const API_ROUTES: readonly ApiRoute[] = [
  { method: 'POST', path: /^\/v1\/customers$/, parameters: 'CustomerCreateParams', handle: createCustomer },
  {
    method: 'POST',
    path: /^\/v1\/checkout\/sessions$/,
    parameters: 'Checkout.Checkout.SessionCreateParams',
    handle: createSession,
  },
  { method: 'GET', path: /^\/v1\/checkout\/sessions\/(\w+)$/, handle: readSession },
  {
    method: 'POST',
    path: /^\/v1\/payment_intents$/,
    parameters: 'PaymentIntentCreateParams',
    handle: createIntent,
  },
  { method: 'GET', path: /^\/v1\/payment_intents\/(\w+)$/, handle: readIntent },
  { method: 'POST', path: /^\/v1\/payment_methods\/(\w+)\/detach$/, handle: detachMethod },
  { method: 'POST', path: /^\/v1\/refunds$/, parameters: 'RefundCreateParams', handle: createRefund },
  { method: 'GET', path: /^\/v1\/refunds\/(\w+)$/, handle: readRefund },
  { method: 'GET', path: /^\/v1\/disputes\/(\w+)$/, handle: readDispute },
  { method: 'GET', path: /^\/v1\/events$/, handle: listEvents },
];

export function invalidRequest(message: string, param?: string): ApiAnswer {
  return {
    status: 400,
    body: { error: { type: 'invalid_request_error', message, ...(param !== undefined && { param }) } },
  };
}

function missing(what: string, id: string): ApiAnswer {
  const message = `No such ${what}: '${id}'`;
  return {
    status: 404,
    body: { error: { type: 'invalid_request_error', code: 'resource_missing', message } },
  };
}

function found(body: unknown): ApiAnswer {
  return { status: 200, body };
}

function createCustomer({ book, nowS }: ApiSurroundings, form: FormObject): ApiAnswer {
  const customer = {
    id: book.mint('cus'),
    name: textAt(form, 'name') ?? null,
    createdS: nowS(),
    metadata: textsAt(form, 'metadata'),
  };
  book.customers[customer.id] = customer;
  return found(customerObject(customer));
}

function createSession({ book, nowS, baseUrl }: ApiSurroundings, form: FormObject): ApiAnswer {
  const customer = textAt(form, 'customer') ?? null;
  if (customer !== null && book.customers[customer] === undefined) return missing('customer', customer);
  const items = Array.isArray(form.line_items) ? form.line_items : [];
  const lines = items.map((item) => {
    const line = item as FormObject;
    const quantity = Number(textAt(line, 'quantity') ?? 1);
    return {
      name: textAt(line, 'price_data', 'product_data', 'name') ?? '',
      amount: quantity * Number(textAt(line, 'price_data', 'unit_amount') ?? 0),
    };
  });
  if (lines.length === 0) return invalidRequest('You must pass line_items in payment mode.', 'line_items');
  const createdS = nowS();
  const intentData = form.payment_intent_data;
  const intentForm = typeof intentData === 'object' && !Array.isArray(intentData) ? intentData : {};
  const session = {
    id: book.mint('cs_test'),
    customer,
    clientReferenceId: textAt(form, 'client_reference_id') ?? null,
    metadata: textsAt(form, 'metadata'),
    intentMetadata: textsAt(intentForm, 'metadata'),
    description: textAt(intentForm, 'description') ?? null,
    lines,
    keepsCard: textAt(form, 'payment_method_options', 'card', 'setup_future_usage') === 'off_session',
    successUrl: textAt(form, 'success_url') ?? '',
    cancelUrl: textAt(form, 'cancel_url') ?? '',
    createdS,
    expiresS: Number(textAt(form, 'expires_at') ?? createdS + SESSION_LIFETIME_S),
    status: 'open' as const,
    paymentStatus: 'unpaid' as const,
    intent: null,
  };
  book.sessions[session.id] = session;
  return found(sessionObject(session, baseUrl()));
}

function readSession(
  { book, payments, nowS, baseUrl }: ApiSurroundings,
  _form: FormObject,
  id: string,
): ApiAnswer {
  const session = book.sessions[id];
  if (session === undefined) return missing('checkout.session', id);
  if (session.expiresS <= nowS()) payments.expire(session);
  return found(sessionObject(session, baseUrl()));
}

function createIntent({ book, payments, nowS, baseUrl }: ApiSurroundings, form: FormObject): ApiAnswer {
  const customer = textAt(form, 'customer') ?? null;
  const methodId = textAt(form, 'payment_method') ?? '';
  const method = book.methods[methodId];
  if (method === undefined || method.customer === null || method.customer !== customer)
    return missing('PaymentMethod', methodId);
  const id = book.mint('pi');
  const intent: BookedIntent = {
    id,
    clientSecret: book.mint(`${id}_secret`),
    amount: Number(textAt(form, 'amount')),
    currency: textAt(form, 'currency') ?? 'usd',
    customer,
    createdS: nowS(),
    description: textAt(form, 'description') ?? null,
    metadata: textsAt(form, 'metadata'),
    keepsCard: textAt(form, 'setup_future_usage') === 'off_session',
    keepsCardByOption: false,
    returnUrl: textAt(form, 'return_url') ?? null,
    status: 'requires_payment_method',
    method: null,
    charge: null,
    lastError: null,
    amountRefunded: 0,
  };
  book.intents[id] = intent;
  if (textAt(form, 'confirm') === 'true')
    payments.chargeSavedCard(intent, method, textAt(form, 'off_session') !== 'true');
  const shown = intentObject(book, intent, baseUrl());
  if (intent.lastError === null) return found(shown);
  const { code, declineCode, message } = intent.lastError;
  return {
    status: 402,
    body: {
      error: {
        type: 'card_error',
        code,
        ...(declineCode !== null && { decline_code: declineCode }),
        message,
        payment_intent: shown,
      },
    },
  };
}

function readIntent({ book, baseUrl }: ApiSurroundings, form: FormObject, id: string): ApiAnswer {
  const intent = book.intents[id];
  if (intent === undefined) return missing('payment_intent', id);
  const expand = Array.isArray(form.expand) ? form.expand.map(String) : [];
  return found(intentObject(book, intent, baseUrl(), expand));
}

function detachMethod({ book, payments }: ApiSurroundings, _form: FormObject, id: string): ApiAnswer {
  const method = book.methods[id];
  if (method === undefined) return missing('PaymentMethod', id);
  if (method.customer !== null) payments.detach(method);
  return found(methodObject(method));
}

function createRefund({ book, payments }: ApiSurroundings, form: FormObject): ApiAnswer {
  const intentId = textAt(form, 'payment_intent') ?? '';
  const intent = book.intents[intentId];
  if (intent === undefined) return missing('payment_intent', intentId);
  const amount = Number(textAt(form, 'amount') ?? intent.amount - intent.amountRefunded);
  const refund = payments.refund(intent, amount, textsAt(form, 'metadata'));
  if (refund === undefined)
    return invalidRequest('Refund amount is greater than unrefunded amount on charge.', 'amount');
  return found(refundObject(book, refund));
}

function readRefund({ book }: ApiSurroundings, _form: FormObject, id: string): ApiAnswer {
  const refund = book.refunds[id];
  return refund === undefined ? missing('refund', id) : found(refundObject(book, refund));
}

function readDispute({ book }: ApiSurroundings, _form: FormObject, id: string): ApiAnswer {
  const dispute = book.disputes[id];
  return dispute === undefined ? missing('dispute', id) : found(disputeObject(book, dispute));
}

/** Newest first, as at Stripe. */
function listEvents({ book }: ApiSurroundings, form: FormObject): ApiAnswer {
  const since = Number(textAt(form, 'created', 'gte') ?? 0);
  const limit = Math.min(Number(textAt(form, 'limit') ?? 10), MAX_PAGE);
  const events = book.events.filter((event) => event.createdS >= since).reverse();
  const after = textAt(form, 'starting_after');
  const start = after === undefined ? 0 : events.findIndex((event) => event.id === after) + 1;
  const page = events.slice(start, start + limit);
  return found({
    object: 'list',
    url: '/v1/events',
    has_more: start + limit < events.length,
    data: page.map(eventObject),
  });
}
