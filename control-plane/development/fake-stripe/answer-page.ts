import type { ApiSurroundings } from './api-answer.ts';
import { checkoutPage, confirmationPage, dashboardPage, messagePage } from './checkout-pages.ts';
import { type FormObject, textAt } from './form-body.ts';

/** A page, or where the browser goes next. */
export type PageAnswer = { readonly status: number; readonly html: string } | { readonly location: string };

/** On the page the customer need not wait long to see what a late payment does. */
const ALIPAY_SETTLES_MS = 5_000;

/** What browsers get: the Checkout page and the bank's question for customers, the dashboard for the shop. */
export function answerPage(
  around: ApiSurroundings,
  submitted: boolean,
  place: URL,
  form: FormObject,
): PageAnswer {
  const [, kind, id = ''] = place.pathname.split('/');
  if (kind === '') return answerDashboard(around, submitted, form);
  if (kind === 'checkout') return answerCheckout(around, submitted, id, form);
  if (kind === 'confirm') return answerConfirmation(around, submitted, id, form);
  return page(messagePage('Nothing here', 'This page does not exist.'), 404);
}

function page(html: string, status = 200): PageAnswer {
  return { status, html };
}

function answerCheckout(
  { book, payments, nowS, baseUrl }: ApiSurroundings,
  submitted: boolean,
  id: string,
  form: FormObject,
): PageAnswer {
  const session = book.sessions[id];
  if (session !== undefined && session.expiresS <= nowS()) payments.expire(session);
  if (session === undefined || session.status !== 'open')
    return page(messagePage('Checkout', 'This page is over.'), 410);
  if (!submitted) return page(checkoutPage(session, null));
  const choice = textAt(form, 'pay');
  if (choice === 'cancel') return { location: session.cancelUrl };
  if (choice === 'alipay') {
    const intent = payments.payByAlipay(session);
    if (intent !== undefined)
      setTimeout(() => payments.settleAlipay(intent, true), ALIPAY_SETTLES_MS).unref();
    return { location: session.successUrl };
  }
  const intent = payments.payByCard(session, textAt(form, 'card') ?? '');
  if (intent === undefined) return page(checkoutPage(session, 'This is none of the test cards.'));
  if (intent.status === 'requires_action') return { location: `${baseUrl()}/confirm/${intent.id}` };
  if (intent.lastError !== null) return page(checkoutPage(session, intent.lastError.message));
  return { location: session.successUrl };
}

function answerConfirmation(
  { book, payments }: ApiSurroundings,
  submitted: boolean,
  id: string,
  form: FormObject,
): PageAnswer {
  const intent = book.intents[id];
  if (intent === undefined || intent.status !== 'requires_action')
    return page(messagePage('Confirmation', 'There is nothing to confirm.'), 410);
  if (!submitted) return page(confirmationPage(intent));
  payments.confirm(intent, textAt(form, 'answer') === 'yes');
  if (intent.returnUrl === null) return page(messagePage('Confirmation', 'Thank you.'));
  return { location: intent.returnUrl };
}

function answerDashboard(
  { book, payments }: ApiSurroundings,
  submitted: boolean,
  form: FormObject,
): PageAnswer {
  if (!submitted) return page(dashboardPage(book));
  const refunded = book.intents[textAt(form, 'refund') ?? ''];
  if (refunded) payments.refund(refunded, refunded.amount - refunded.amountRefunded, {});
  const disputed = book.intents[textAt(form, 'dispute') ?? ''];
  if (disputed) payments.openDispute(disputed);
  payments.closeDispute(textAt(form, 'win') ?? '', 'won');
  payments.closeDispute(textAt(form, 'lose') ?? '', 'lost');
  return { location: '/' };
}
