import {
  type ApiAnswer,
  type ApiSurroundings,
  found,
  type Handler,
  invalidRequest,
  missing,
  page,
} from './api-answer.ts';
import { disputeObject, methodObject, refundObject } from './api-objects.ts';
import { createCustomer, createSession, readSession } from './checkout-routes.ts';
import { type FormObject, textAt, textsAt } from './form-body.ts';
import { cancelIntent, createIntent, listIntents, readIntent } from './payment-intent-routes.ts';
import { eventObject } from './webhook-sender.ts';

/** A route of the API: what it understands, what its parameters are called in the published types, and what it does. */
export interface ApiRoute {
  readonly method: 'GET' | 'POST';
  /** As Stripe's documents write it, with `{…}` for an id. */
  readonly path: string;
  /** Names of parameters that are understood; others are refused, as at Stripe. */
  readonly accepts: readonly string[];
  /** Name of the parameter type in the published types, where they have one. */
  readonly parameters?: string;
  readonly handle: Handler;
}

const LIST = ['limit', 'starting_after', 'created'];

export const API_ROUTES: readonly ApiRoute[] = [
  {
    method: 'POST',
    path: '/v1/customers',
    accepts: ['name', 'metadata'],
    parameters: 'CustomerCreateParams',
    handle: createCustomer,
  },
  {
    method: 'POST',
    path: '/v1/checkout/sessions',
    accepts: [
      'mode',
      'customer',
      'client_reference_id',
      'metadata',
      'payment_intent_data',
      'allowed_payment_method_types',
      'adaptive_pricing',
      'payment_method_options',
      'line_items',
      'expires_at',
      'success_url',
      'cancel_url',
    ],
    parameters: 'Checkout.Checkout.SessionCreateParams',
    handle: createSession,
  },
  { method: 'GET', path: '/v1/checkout/sessions/{session}', accepts: [], handle: readSession },
  {
    method: 'POST',
    path: '/v1/payment_intents',
    accepts: [
      'amount',
      'currency',
      'customer',
      'payment_method',
      'allowed_payment_method_types',
      'confirm',
      'off_session',
      'return_url',
      'description',
      'metadata',
      'setup_future_usage',
    ],
    parameters: 'PaymentIntentCreateParams',
    handle: createIntent,
  },
  { method: 'GET', path: '/v1/payment_intents', accepts: [...LIST, 'customer'], handle: listIntents },
  { method: 'GET', path: '/v1/payment_intents/{intent}', accepts: ['expand'], handle: readIntent },
  { method: 'POST', path: '/v1/payment_intents/{intent}/cancel', accepts: [], handle: cancelIntent },
  { method: 'POST', path: '/v1/payment_methods/{payment_method}/detach', accepts: [], handle: detachMethod },
  {
    method: 'POST',
    path: '/v1/refunds',
    accepts: ['payment_intent', 'amount', 'reason', 'metadata'],
    parameters: 'RefundCreateParams',
    handle: createRefund,
  },
  { method: 'GET', path: '/v1/refunds', accepts: [...LIST, 'payment_intent'], handle: listRefunds },
  { method: 'GET', path: '/v1/refunds/{refund}', accepts: [], handle: readRefund },
  { method: 'GET', path: '/v1/disputes/{dispute}', accepts: [], handle: readDispute },
  { method: 'GET', path: '/v1/events', accepts: [...LIST, 'types'], handle: listEvents },
];

/** The route of a request and the id in its path. */
export function findRoute(
  method: string | undefined,
  path: string,
): { readonly route: ApiRoute; readonly id: string } | undefined {
  for (const route of API_ROUTES) {
    const pattern = new RegExp(`^${route.path.replace(/\{\w+\}/, '(\\w+)')}$`);
    const matched = route.method === method ? pattern.exec(path) : null;
    if (matched) return { route, id: matched[1] ?? '' };
  }
  return undefined;
}

function detachMethod({ book, payments }: ApiSurroundings, _form: FormObject, id: string): ApiAnswer {
  const method = book.methods[id];
  if (method === undefined) return missing('PaymentMethod', id);
  if (method.customer === null)
    return invalidRequest(
      'The payment method you provided is not attached to a customer so detachment is impossible.',
    );
  payments.detach(method);
  return found(methodObject(method));
}

function createRefund({ book, payments }: ApiSurroundings, form: FormObject): ApiAnswer {
  const intentId = textAt(form, 'payment_intent') ?? '';
  const intent = book.intents[intentId];
  if (intent === undefined) return missing('payment_intent', intentId, 'payment_intent');
  const amount = Number(textAt(form, 'amount') ?? intent.amount - intent.amountRefunded);
  const refund = payments.refund(intent, amount, textsAt(form, 'metadata'));
  if (refund === undefined)
    return invalidRequest('Refund amount is greater than unrefunded amount on charge.', 'amount');
  return found(refundObject(book, refund));
}

function listRefunds({ book }: ApiSurroundings, form: FormObject): ApiAnswer {
  const intent = textAt(form, 'payment_intent');
  const refunds = Object.values(book.refunds)
    .filter((refund) => intent === undefined || refund.intent === intent)
    .reverse();
  return page('/v1/refunds', refunds, form, (refund) => refundObject(book, refund));
}

function readRefund({ book }: ApiSurroundings, _form: FormObject, id: string): ApiAnswer {
  const refund = book.refunds[id];
  return refund === undefined ? missing('refund', id) : found(refundObject(book, refund));
}

function readDispute({ book }: ApiSurroundings, _form: FormObject, id: string): ApiAnswer {
  const dispute = book.disputes[id];
  return dispute === undefined ? missing('dispute', id) : found(disputeObject(book, dispute));
}

function listEvents({ book }: ApiSurroundings, form: FormObject): ApiAnswer {
  const since = Number(textAt(form, 'created', 'gte') ?? 0);
  const types = Array.isArray(form.types) ? new Set(form.types.map(String)) : undefined;
  const events = book.events
    .filter((event) => event.createdS >= since && (types === undefined || types.has(event.type)))
    .reverse();
  return page('/v1/events', events, form, eventObject);
}
