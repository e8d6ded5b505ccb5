import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import Stripe from 'stripe';
import { systemClock } from '#shared/clock.ts';
import { answerPage, type PageAnswer } from './answer-page.ts';
import { type ApiAnswer, type ApiSurroundings, invalidRequest, refusal } from './api-answer.ts';
import { type ApiRoute, findRoute } from './api-routes.ts';
import { type FormObject, readForm } from './form-body.ts';
import { NetworkTrouble, type Trouble } from './network-trouble.ts';
import { Payments } from './payments.ts';
import { StripeBook } from './stripe-book.ts';
import { eventObject, WebhookSender } from './webhook-sender.ts';

export interface FakeStripeOptions {
  readonly port: number;
  /** Requests must carry it as their bearer token. */
  readonly secretKey: string;
  readonly webhookUrl: string;
  readonly webhookSecret: string;
  /** Where the book is kept; `null`: in memory. */
  readonly bookFile: string | null;
  /** Checks by the published schema; development has no schema. */
  readonly check?: PublishedCheck;
}

export interface PublishedCheck {
  /** Says what is wrong with the parameters of a request. */
  parameters(route: ApiRoute, form: FormObject): readonly string[];
  /** Takes note of each object that is answered or sent with an event. */
  object(value: unknown): void;
}

export interface FakeStripe {
  readonly url: string;
  readonly book: StripeBook;
  readonly payments: Payments;
  readonly webhooks: WebhookSender;
  /** What is to go wrong with requests to come. */
  readonly trouble: NetworkTrouble;
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
    (event) => {
      options.check?.object(eventObject(event));
      webhooks.send(event);
    },
  );
  const trouble = new NetworkTrouble();
  const api = { book, payments, nowS, baseUrl: () => url };
  const server = createServer((request, response) => {
    void readBody(request).then(
      async (body) => {
        const place = new URL(request.url ?? '/', 'http://localhost');
        if (place.pathname.startsWith('/v1/')) {
          const answer = await answerApi(api, { ...options, trouble }, request, place, body);
          book.changed();
          return answer === undefined ? response.destroy() : sendJson(response, answer);
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
    trouble,
    close: async () => {
      webhooks.stop();
      book.save();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers a request of the API; `undefined`: the connection is to be closed without an answer. */
async function answerApi(
  api: ApiSurroundings,
  options: FakeStripeOptions & { readonly trouble: NetworkTrouble },
  request: IncomingMessage,
  place: URL,
  body: string,
): Promise<ApiAnswer | undefined> {
  const refused = checkHeaders(options, request);
  if (refused !== undefined) return refused;
  const found = findRoute(request.method, place.pathname);
  if (found === undefined)
    return refusal(404, `Unrecognized request URL (${request.method}: ${place.pathname}).`);
  const { route, id } = found;
  const form = readForm(request.method === 'GET' ? place.search.slice(1) : body);
  const unknown = Object.keys(form).find((name) => !route.accepts.includes(name));
  if (unknown !== undefined)
    return refusal(400, `Received unknown parameter: ${unknown}`, {
      code: 'parameter_unknown',
      param: unknown,
    });
  const problems = options.check?.parameters(route, form) ?? [];
  if (problems.length > 0) return invalidRequest(problems.join('; '));
  const trouble = options.trouble.next(place.pathname);
  if (trouble?.kind === 'reset') return undefined;
  if (trouble?.kind === 'status')
    return { status: trouble.status, body: { error: { type: 'api_error', message: 'Something failed.' } } };
  const key = request.headers['idempotency-key'];
  const handle = () => route.handle(api, form, id);
  const answer =
    request.method === 'GET' || typeof key !== 'string'
      ? handle()
      : await replayed(api.book, key, `${place.pathname} ${body}`, handle, trouble);
  if (answer.status === 200) options.check?.object(answer.body);
  return trouble?.kind === 'answer_lost' ? undefined : answer;
}

function checkHeaders(
  options: FakeStripeOptions,
  { headers, method }: IncomingMessage,
): ApiAnswer | undefined {
  if (headers.authorization !== `Bearer ${options.secretKey}`)
    return refusal(401, 'Invalid API Key provided.');
  if (headers['stripe-version'] !== Stripe.API_VERSION)
    return refusal(400, `Invalid Stripe API version: ${String(headers['stripe-version'])}`);
  const form = headers['content-type']?.startsWith('application/x-www-form-urlencoded') ?? false;
  return method === 'POST' && !form ? refusal(400, 'Send the parameters form-encoded.') : undefined;
}

/** Keys of requests that are being answered. */
const underWay = new Set<string>();

/** The same key gets the same answer; with other parameters, or while the first is under way, it is an error. */
async function replayed(
  book: StripeBook,
  key: string,
  request: string,
  handle: () => ApiAnswer,
  trouble: Trouble | undefined,
): Promise<ApiAnswer> {
  const digest = createHash('sha256').update(request).digest('base64url');
  const known = book.replays[key];
  if (known !== undefined && known.request !== digest) {
    const message = 'Keys for idempotent requests can only be used with the same parameters.';
    return { status: 400, body: { error: { type: 'idempotency_error', message } } };
  }
  if (known !== undefined) return { status: known.status, body: JSON.parse(known.body) };
  if (underWay.has(key)) {
    const message = 'There is currently another in-progress request using this idempotency key.';
    return {
      status: 409,
      body: { error: { type: 'idempotency_error', code: 'idempotency_key_in_use', message } },
    };
  }
  underWay.add(key);
  try {
    if (trouble?.kind === 'slow') await delay(trouble.delayMs);
    const answer = handle();
    book.replays[key] = { request: digest, status: answer.status, body: JSON.stringify(answer.body) };
    return answer;
  } finally {
    underWay.delete(key);
  }
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
