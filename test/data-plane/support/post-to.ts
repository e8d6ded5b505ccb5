import type { Dialect } from '#shared/usage-record.ts';
import type { GatewayUnderTest } from './gateway-under-test.ts';

export interface PostedAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The connection broke before the answer was complete. */
  readonly cut: boolean;
}

const PATHS: Readonly<Record<Dialect, string>> = {
  chat: '/v1/chat/completions',
  responses: '/v1/responses',
  messages: '/v1/messages',
};

const SMALLEST: Readonly<Record<Dialect, object>> = {
  chat: { messages: [{ role: 'user', content: 'hello' }] },
  responses: { input: 'hello' },
  messages: { max_tokens: 100, messages: [{ role: 'user', content: 'hello' }] },
};

/** The smallest request of a dialect, under the test's own fields. */
export function requestOf(dialect: Dialect, model: string, extra: object = {}): object {
  return { model, ...SMALLEST[dialect], ...extra };
}

/** Sends a request as a plain HTTP client of the dialect does. */
export function sendTo(
  gateway: GatewayUnderTest,
  dialect: Dialect,
  body: object | string | Buffer,
  init: { readonly headers?: Record<string, string>; readonly signal?: AbortSignal } = {},
): Promise<Response> {
  return fetch(gateway.url + PATHS[dialect], {
    method: 'POST',
    headers: {
      authorization: `Bearer ${gateway.secret}`,
      'content-type': 'application/json',
      ...init.headers,
    },
    body: typeof body === 'string' || Buffer.isBuffer(body) ? (body as string) : JSON.stringify(body),
    ...(init.signal === undefined ? {} : { signal: init.signal }),
  });
}

/** Asks for the smallest answer, and reads as much as comes. */
export async function postTo(
  gateway: GatewayUnderTest,
  dialect: Dialect,
  model: string,
  extra: object = {},
): Promise<PostedAnswer> {
  const answer = await sendTo(gateway, dialect, requestOf(dialect, model, extra));
  let text = '';
  let cut = false;
  try {
    for await (const piece of answer.body ?? []) text += Buffer.from(piece).toString();
  } catch {
    cut = true;
  }
  return { status: answer.status, headers: answer.headers, text, cut };
}
