import type { FormObject } from './form-body.ts';
import { textAt } from './form-body.ts';
import type { Payments } from './payments.ts';
import type { NowS, StripeBook } from './stripe-book.ts';

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

export type Handler = (around: ApiSurroundings, form: FormObject, id: string) => ApiAnswer;

const MAX_PAGE = 100;

export function found(body: unknown): ApiAnswer {
  return { status: 200, body };
}

export function missing(what: string, id: string, param?: string): ApiAnswer {
  return refusal(404, `No such ${what}: '${id}'`, { code: 'resource_missing', ...(param && { param }) });
}

export function invalidRequest(message: string, param?: string): ApiAnswer {
  return refusal(400, message, param === undefined ? {} : { param });
}

export function refusal(
  status: number,
  message: string,
  more: Readonly<Record<string, string>> = {},
): ApiAnswer {
  return { status, body: { error: { type: 'invalid_request_error', message, ...more } } };
}

/** A page of a list that is sorted newest first, by Stripe's cursor. */
export function page<Item extends { readonly id: string }>(
  url: string,
  items: readonly Item[],
  form: FormObject,
  show: (item: Item) => unknown,
): ApiAnswer {
  const limit = Math.min(Number(textAt(form, 'limit') ?? 10), MAX_PAGE);
  const after = textAt(form, 'starting_after');
  const start = after === undefined ? 0 : items.findIndex((item) => item.id === after) + 1;
  return found({
    object: 'list',
    url,
    has_more: start + limit < items.length,
    data: items.slice(start, start + limit).map(show),
  });
}
