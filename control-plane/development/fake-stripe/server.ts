import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '#shared/clock.ts';
import { answerPage, type PageAnswer } from './answer-page.ts';
import {
  API_ROUTES,
  type ApiAnswer,
  type ApiRoute,
  type ApiSurroundings,
  invalidRequest,
} from './api-routes.ts';
import { type FormObject, readForm } from './form-body.ts';
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
          const answer = answerApi(api, options, request, place, body);
          book.changed();
          return sendJson(response, answer);
        }
        sendPage(response, answerPage(api, request.method === 'POST', place, readForm(body)));
        book.changed();
      },
      () => sendJson(response, invalidRequest('The body is too large.')),
    );
  });

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

function answerApi(
  api: ApiSurroundings,
  options: FakeStripeOptions,
  request: IncomingMessage,
  place: URL,
  body: string,
): ApiAnswer {
  if (request.headers.authorization !== `Bearer ${options.secretKey}`)
    return { status: 401, body: { error: { type: 'invalid_request_error', message: 'Invalid API Key.' } } };
  const matches = (route: ApiRoute) => route.method === request.method && route.path.test(place.pathname);
  const route = API_ROUTES.find(matches);
  if (route === undefined)
    return { status: 404, body: { error: { type: 'invalid_request_error', message: 'Unrecognized URL.' } } };
  const form = readForm(request.method === 'GET' ? place.search.slice(1) : body);
  const problems = route.parameters ? (options.checkParameters?.(route.parameters, form) ?? []) : [];
  if (problems.length > 0) return invalidRequest(problems.join('; '));
  const id = route.path.exec(place.pathname)?.[1] ?? '';
  const key = request.headers['idempotency-key'];
  if (request.method === 'GET' || typeof key !== 'string') return route.handle(api, form, id);
  return replayed(api.book, key, `${place.pathname} ${body}`, () => route.handle(api, form, id));
}

/** The same key gets the same answer; with other parameters it is an error. */
function replayed(book: StripeBook, key: string, request: string, handle: () => ApiAnswer): ApiAnswer {
  const digest = createHash('sha256').update(request).digest('base64url');
  const known = book.replays[key];
  if (known !== undefined && known.request !== digest) {
    const message = 'Keys for idempotent requests can only be used with the same parameters.';
    return { status: 400, body: { error: { type: 'idempotency_error', message } } };
  }
  if (known !== undefined) return { status: known.status, body: JSON.parse(known.body) };
  const answer = handle();
  book.replays[key] = { request: digest, status: answer.status, body: JSON.stringify(answer.body) };
  return answer;
}

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

function sendPage(response: ServerResponse, page: PageAnswer): void {
  if ('location' in page) {
    response.writeHead(303, { location: page.location }).end();
    return;
  }
  response.writeHead(page.status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
  });
  response.end(page.html);
}
