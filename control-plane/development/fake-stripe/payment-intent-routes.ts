import { type ApiAnswer, type ApiSurroundings, found, missing, page, refusal } from './api-answer.ts';
import { intentObject } from './api-objects.ts';
import { type FormObject, textAt, textsAt } from './form-body.ts';
import type { BookedIntent } from './stripe-book.ts';

export function createIntent(
  { book, payments, nowS, baseUrl }: ApiSurroundings,
  form: FormObject,
): ApiAnswer {
  const customer = textAt(form, 'customer') ?? null;
  const methodId = textAt(form, 'payment_method') ?? '';
  const method = book.methods[methodId];
  if (method === undefined || method.customer === null || method.customer !== customer)
    return missing('PaymentMethod', methodId, 'payment_method');
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

export function readIntent({ book, baseUrl }: ApiSurroundings, form: FormObject, id: string): ApiAnswer {
  const intent = book.intents[id];
  if (intent === undefined) return missing('payment_intent', id);
  const expand = Array.isArray(form.expand) ? form.expand.map(String) : [];
  return found(intentObject(book, intent, baseUrl(), expand));
}

export function listIntents({ book, baseUrl }: ApiSurroundings, form: FormObject): ApiAnswer {
  const customer = textAt(form, 'customer');
  const since = Number(textAt(form, 'created', 'gte') ?? 0);
  const intents = Object.values(book.intents)
    .filter((intent) => (customer === undefined || intent.customer === customer) && intent.createdS >= since)
    .reverse();
  return page('/v1/payment_intents', intents, form, (intent) => intentObject(book, intent, baseUrl()));
}

export function cancelIntent(
  { book, payments, baseUrl }: ApiSurroundings,
  _form: FormObject,
  id: string,
): ApiAnswer {
  const intent = book.intents[id];
  if (intent === undefined) return missing('payment_intent', id);
  if (!payments.cancel(intent))
    return refusal(400, `You cannot cancel this PaymentIntent because it is ${intent.status}.`, {
      code: 'payment_intent_unexpected_state',
    });
  return found(intentObject(book, intent, baseUrl()));
}
