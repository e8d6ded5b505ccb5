import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '#shared/clock.ts';
import { API_ROUTES, type ApiAnswer, type ApiRoute, invalidRequest } from './api-routes.ts';
import { checkoutPage, confirmationPage, messagePage } from './checkout-pages.ts';
import { type FormObject, readForm, textAt } from './form-body.ts';
import { Payments } from './payments.ts';
import { StripeBook } from './stripe-book.ts';
import { WebhookSender } from './webhook-sender.ts';

export interface FakeStripeOptions {
  readonly port: number;
  /** Requests must carry it as their bearer token. */
  readonly secretKey: string;
  readonly webhookUrl: string;
  readonly webhookSecret: string;
  /** Where the book is kept; `null`: in memory. */
  readonly bookFile: string | null;
  /** Says what is wrong with the parameters of a request, by the published schema; development has no schema. */
  readonly checkParameters?: (typeName: string, form: FormObject) => readonly string[];
}

export interface FakeStripe {
  readonly url: string;
  readonly book: StripeBook;
  readonly payments: Payments;
  readonly webhooks: WebhookSender;
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 256 * 1024;

/** A stand-in for Stripe: the part of its API that this product uses, the pages that customers see, and its webhooks. */
export async function startFakeStripe(options: FakeStripeOptions): Promise<FakeStripe> {
  const book = new StripeBook(options.bookFile);
  const webhooks = new WebhookSender(options.webhookUrl, options.webhookSecret);
  let url = '';
  const nowS = () => Math.floor(systemClock.nowMs() / 1000);
  const payments = new Payments(
    book,
    nowS,
    () => url,
    (event) => webhooks.send(event),
  );
  const api = { book, payments, nowS, baseUrl: () => url };
  const server = createServer((request, response) => {
    void readBody(request).then(
      (body) => {
        const place = new URL(request.url ?? '/', 'http://localhost');
        if (place.pathname.startsWith('/v1/')) {
          const answer = answerApi(request, place, body);
          book.changed();
          return sendJson(response, answer);
        }
        servePage(request, response, place, body);
        book.changed();
      },
      () => sendJson(response, invalidRequest('The body is too large.')),
    );
  });

  function answerApi(request: IncomingMessage, place: URL, body: string): ApiAnswer {
    if (request.headers.authorization !== `Bearer ${options.secretKey}`)
      return { status: 401, body: { error: { type: 'invalid_request_error', message: 'Invalid API Key.' } } };
    const matches = (route: ApiRoute) => route.method === request.method && route.path.test(place.pathname);
    const route = API_ROUTES.find(matches);
    if (route === undefined)
      return {
        status: 404,
        body: { error: { type: 'invalid_request_error', message: 'Unrecognized URL.' } },
      };
    const form = readForm(request.method === 'GET' ? place.search.slice(1) : body);
    const problems = route.parameters ? (options.checkParameters?.(route.parameters, form) ?? []) : [];
    if (problems.length > 0) return invalidRequest(problems.join('; '));
    const id = route.path.exec(place.pathname)?.[1] ?? '';
    const key = request.headers['idempotency-key'];
    if (request.method === 'GET' || typeof key !== 'string') return route.handle(api, form, id);
    return replayed(key, `${place.pathname} ${body}`, () => route.handle(api, form, id));
  }

  /** The same key gets the same answer; with other parameters it is an error. */
  function replayed(key: string, request: string, handle: () => ApiAnswer): ApiAnswer {
    const digest = createHash('sha256').update(request).digest('base64url');
    const known = book.replays[key];
    if (known !== undefined && known.request !== digest)
      return {
        status: 400,
        body: {
          error: {
            type: 'idempotency_error',
            message: 'Keys for idempotent requests can only be used with the same parameters.',
          },
        },
      };
    if (known !== undefined) return { status: known.status, body: JSON.parse(known.body) };
    const answer = handle();
    book.replays[key] = { request: digest, status: answer.status, body: JSON.stringify(answer.body) };
    return answer;
  }

  function servePage(request: IncomingMessage, response: ServerResponse, place: URL, body: string): void {
    const [, kind, id = ''] = place.pathname.split('/');
    const form = readForm(body);
    if (kind === 'checkout') return serveCheckout(request, response, id, form);
    if (kind === 'confirm') return serveConfirmation(request, response, id, form);
    if (kind === 'alipay') {
      const intent = book.intents[id];
      if (intent !== undefined) payments.settleAlipay(intent, place.searchParams.get('arrives') !== 'no');
      return sendPage(
        response,
        messagePage('Alipay', intent === undefined ? 'No such payment.' : 'Settled.'),
      );
    }
    sendPage(response, messagePage('Nothing here', 'This page does not exist.'), 404);
  }

  function serveCheckout(
    request: IncomingMessage,
    response: ServerResponse,
    id: string,
    form: FormObject,
  ): void {
    const session = book.sessions[id];
    if (session !== undefined && session.expiresS <= nowS()) payments.expire(session);
    if (session === undefined || session.status !== 'open')
      return sendPage(response, messagePage('Checkout', 'This page is over.'), 410);
    if (request.method !== 'POST') return sendPage(response, checkoutPage(session, null));
    const choice = textAt(form, 'pay');
    if (choice === 'cancel') return redirect(response, session.cancelUrl);
    if (choice === 'alipay') {
      const intent = payments.payByAlipay(session);
      if (intent !== undefined)
        setTimeout(() => payments.settleAlipay(intent, true), ALIPAY_SETTLES_MS).unref();
      return redirect(response, session.successUrl);
    }
    const intent = payments.payByCard(session, textAt(form, 'card') ?? '');
    if (intent === undefined)
      return sendPage(response, checkoutPage(session, 'This is none of the test cards.'));
    if (intent.status === 'requires_action') return redirect(response, `${url}/confirm/${intent.id}`);
    if (intent.lastError !== null) return sendPage(response, checkoutPage(session, intent.lastError.message));
    redirect(response, session.successUrl);
  }

  function serveConfirmation(
    request: IncomingMessage,
    response: ServerResponse,
    id: string,
    form: FormObject,
  ): void {
    const intent = book.intents[id];
    if (intent === undefined || intent.status !== 'requires_action')
      return sendPage(response, messagePage('Confirmation', 'There is nothing to confirm.'), 410);
    if (request.method !== 'POST') return sendPage(response, confirmationPage(intent));
    payments.confirm(intent, textAt(form, 'answer') === 'yes');
    if (intent.returnUrl === null) return sendPage(response, messagePage('Confirmation', 'Thank you.'));
    redirect(response, intent.returnUrl);
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', resolve);
  });
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    book,
    payments,
    webhooks,
    close: async () => {
      webhooks.stop();
      book.save();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** On the page the customer need not wait long to see what a late payment does. */
const ALIPAY_SETTLES_MS = 5_000;

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error('Too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function sendJson(response: ServerResponse, { status, body }: ApiAnswer): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function sendPage(response: ServerResponse, html: string, status = 200): void {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
  response.end(html);
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(303, { location });
  response.end();
}
