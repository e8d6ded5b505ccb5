import { type ApiAnswer, type ApiSurroundings, found, invalidRequest, missing } from './api-answer.ts';
import { customerObject, sessionObject } from './api-objects.ts';
import { type FormObject, textAt, textsAt } from './form-body.ts';

const SESSION_LIFETIME_S = 86_400;
/** As at Stripe: a page lives from half an hour to a day. */
const SHORTEST_LIFETIME_S = 1_800;
const CLOCK_TOLERANCE_S = 60;

export function createCustomer({ book, nowS }: ApiSurroundings, form: FormObject): ApiAnswer {
  const customer = {
    id: book.mint('cus'),
    name: textAt(form, 'name') ?? null,
    createdS: nowS(),
    metadata: textsAt(form, 'metadata'),
  };
  book.customers[customer.id] = customer;
  return found(customerObject(customer));
}

export function createSession({ book, nowS, baseUrl }: ApiSurroundings, form: FormObject): ApiAnswer {
  const customer = textAt(form, 'customer') ?? null;
  if (customer !== null && book.customers[customer] === undefined)
    return missing('customer', customer, 'customer');
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
  const expiresS = Number(textAt(form, 'expires_at') ?? createdS + SESSION_LIFETIME_S);
  const shortest = createdS + SHORTEST_LIFETIME_S - CLOCK_TOLERANCE_S;
  if (expiresS < shortest || expiresS > createdS + SESSION_LIFETIME_S + CLOCK_TOLERANCE_S)
    return invalidRequest(
      'The `expires_at` timestamp must be between 30 minutes and 24 hours from now.',
      'expires_at',
    );
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
    expiresS,
    status: 'open' as const,
    paymentStatus: 'unpaid' as const,
    intent: null,
  };
  book.sessions[session.id] = session;
  return found(sessionObject(session, baseUrl()));
}

export function readSession(
  { book, payments, nowS, baseUrl }: ApiSurroundings,
  _form: FormObject,
  id: string,
): ApiAnswer {
  const session = book.sessions[id];
  if (session === undefined) return missing('checkout.session', id);
  if (session.expiresS <= nowS()) payments.expire(session);
  return found(sessionObject(session, baseUrl()));
}
