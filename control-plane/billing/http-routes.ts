import type { IncomingMessage, ServerResponse } from 'node:http';
import { eq } from 'drizzle-orm';
import type { Logger } from 'pino';
import type { Database } from '#db/client.ts';
import { topUps } from '#db/schema/billing.ts';
import { systemClock } from '#shared/clock.ts';
import { parseIdOf } from '#shared/identifiers.ts';
import type { SealingKey } from '#shared/sealed-secret.ts';
import { describeFault } from '../describe-fault.ts';
import type { HttpRoute } from '../http-route.ts';
import type { JobQueues } from '../jobs/job-queues.ts';
import type { TopUp } from './begin-top-up.ts';
import type { BillingContext } from './billing-context.ts';
import { receiptPdf, statementPdf } from './billing-documents.ts';
import { isValidDocumentLink } from './document-link.ts';
import { receiveStripeEvent } from './receive-stripe-event.ts';
import { usdOfCents } from './top-up-amount.ts';

const MAX_EVENT_BYTES = 512 * 1024;

export interface BillingRoutes {
  readonly billing: BillingContext;
  readonly queues: JobQueues;
  readonly sealingKey: SealingKey;
  readonly logger: Logger;
}

/** What billing serves beside GraphQL: Stripe's webhooks, the pages after Checkout, receipts and statements. */
export function billingRoutes(around: BillingRoutes): HttpRoute[] {
  const { billing, sealingKey } = around;
  return [
    {
      method: 'POST',
      path: /^\/webhooks\/stripe$/,
      handle: (request, response) => takeWebhook(around, request, response),
    },
    {
      method: 'GET',
      path: /^\/top-ups\/(topup_[0-9a-f]{32})\/(done|canceled)$/,
      handle: (_request, response, [, id = '', ending]) =>
        showTopUp(billing.database, response, parseIdOf('TopUp', id) ?? '', ending === 'canceled'),
    },
    {
      method: 'GET',
      path: /^\/(receipts|statements)\/([0-9a-f-]{36})\.pdf$/,
      handle: async (request, response, [, kind, id = '']) => {
        const document = { kind: kind === 'receipts' ? 'receipts' : 'statements', id } as const;
        const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
        if (!isValidDocumentLink(sealingKey, document, searchParams, systemClock.nowMs()))
          return sendPage(response, 403, {
            title: 'This link has expired',
            text: 'Ask for a new one where you found it.',
          });
        const make = document.kind === 'receipts' ? receiptPdf : statementPdf;
        const pdf = await make(billing, id);
        if (pdf === undefined)
          return sendPage(response, 404, { title: 'Nothing here', text: 'There is no such document.' });
        response.writeHead(200, {
          'content-type': 'application/pdf',
          'content-disposition': `inline; filename="crossmodel-${document.kind.slice(0, -1)}.pdf"`,
        });
        response.end(pdf);
      },
    },
  ];
}

/** Answers once the event is stored; everything else is a job. */
async function takeWebhook(
  { billing, queues, logger }: BillingRoutes,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MAX_EVENT_BYTES) chunks.push(chunk);
  }
  // Read to its end but not kept: a sender that is cut off would never see the answer.
  if (size > MAX_EVENT_BYTES) return sendJson(response, 413, { error: 'The event is too large.' });
  const signature = request.headers['stripe-signature'];
  try {
    const body = Buffer.concat(chunks);
    const received = await receiveStripeEvent(billing, queues, body, String(signature ?? ''));
    if (received === 'stored') return sendJson(response, 200, { received: true });
    if (received === 'other_mode') {
      logger.warn('A webhook of the other mode (test or live) than STRIPE_SECRET_KEY was ignored');
      return sendJson(response, 200, { received: true, ignored: 'other mode' });
    }
    sendJson(response, 400, { error: 'The signature does not match.' });
  } catch (error) {
    logger.error({ fault: describeFault(error) }, 'A webhook could not be stored; Stripe will send it again');
    sendJson(response, 500, { error: 'The event could not be stored. Send it again.' });
  }
}

/** Where Stripe sends the customer back to. What it shows comes from webhooks; it changes nothing. */
async function showTopUp(
  database: Database,
  response: ServerResponse,
  topUpId: string,
  canceled: boolean,
): Promise<void> {
  const [topUp] = await database.select().from(topUps).where(eq(topUps.id, topUpId));
  if (topUp === undefined)
    return sendPage(response, 404, { title: 'Nothing here', text: 'There is no such top-up.' });
  const [title, text] = describeState(topUp, canceled);
  const refreshes = !canceled && ['pending', 'requires_action', 'processing'].includes(topUp.status);
  const usd = (cents: number) => `USD ${usdOfCents(cents)}`;
  const facts = [
    ['Credit', usd(topUp.creditCents)],
    ['Service fee', usd(topUp.feeCents)],
    ['Total', usd(topUp.creditCents + topUp.feeCents)],
    ...(topUp.receiptNumber === null ? [] : [['Receipt', topUp.receiptNumber] as const]),
  ] as const;
  sendPage(response, 200, { title, text, facts, refreshes });
}

function describeState(
  { status, failureMessage }: Pick<TopUp, 'status' | 'failureMessage'>,
  canceled: boolean,
): readonly [title: string, text: string] {
  switch (status) {
    case 'succeeded':
      return ['Thank you', 'Your credit has arrived and can be used now.'];
    case 'failed':
      return ['The payment failed', failureMessage ?? 'Try again or use another way to pay.'];
    case 'expired':
      return ['The page was over', 'Nothing was charged. Begin a new top-up when you like.'];
    case 'canceled':
      return ['Canceled', 'Nothing was charged.'];
    case 'requires_action':
      return ['One moment', 'Your bank has not confirmed the payment yet. Nothing is charged until it does.'];
    case 'processing':
      return [
        'The payment is on its way',
        'Your credit arrives as soon as the money has. You may close this page.',
      ];
    default:
      if (canceled) return ['Canceled', 'Nothing was charged. You can begin a new top-up at any time.'];
      return ['One moment', 'The payment is on its way. Your credit arrives as soon as it is confirmed.'];
  }
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}

const PAGE_STYLE =
  ':root{color-scheme:light dark;--back:#f6f7f9;--card:#fff;--text:#1a1f36}@media(prefers-color-scheme:dark){:root{--back:#14161a;--card:#1f2329;--text:#eceff4}}*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;background:var(--back);color:var(--text);margin:0}main{max-width:26rem;margin:4rem auto;padding:2rem;background:var(--card);border-radius:.75rem;box-shadow:0 1px 4px #0002}@media(max-width:32rem){main{max-width:none;margin:0;border-radius:0;min-height:100vh}}h1{font-size:1.25rem;margin:0 0 .5rem}p{margin:0 0 .5rem}dl{display:grid;grid-template-columns:1fr auto;gap:.25rem 1rem;margin:1.25rem 0}dd{margin:0;text-align:right}a{color:inherit}';

interface Page {
  readonly title: string;
  readonly text: string;
  /** What was paid or wanted, label and value. */
  readonly facts?: readonly (readonly [label: string, value: string])[];
  /** Looks again every few seconds. */
  readonly refreshes?: boolean;
}

/** All texts and facts are ours, so nothing needs escaping. */
function sendPage(
  response: ServerResponse,
  status: number,
  { title, text, facts = [], refreshes }: Page,
): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy':
      "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    ...(refreshes && { refresh: '3' }),
  });
  const list = facts.map(([label, value]) => `<dt>${label}</dt><dd>${value}</dd>`).join('');
  response.end(
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title><link rel="icon" href="data:,"><style>${PAGE_STYLE}</style><main><h1>${title}</h1><p role="status">${text}</p>${list && `<dl>${list}</dl>`}</main></html>`,
  );
}
