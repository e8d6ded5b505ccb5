import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '#shared/clock.ts';
import { scriptInMessage } from '#test/fakes/mock-script.ts';
import {
  bearer,
  type Customer,
  callV1,
  MOCK_MODEL,
  newCustomer,
  type Outside,
  UNPRICED_MODEL,
  type V1Answer,
  type V1Call,
} from './outside.ts';

const CHAT = '/v1/chat/completions';
const user = (content: string): object => ({ role: 'user', content });
const chatBody = (extra: object): object => ({ model: MOCK_MODEL, messages: [user('hello')], ...extra });
const withMessages = (...messages: unknown[]): object => ({ model: MOCK_MODEL, messages });
const scripted = (script: object, extra: object = {}): object =>
  chatBody({ messages: [user(scriptInMessage(script))], ...extra });

/** The documented answer of one row. `message` is checked where the documents quote it. */
interface Documented {
  readonly status: number;
  readonly type: string;
  readonly code: string;
  readonly param?: string | null;
  readonly message?: RegExp;
}

export interface ErrorRow {
  readonly name: string;
  readonly documented: Documented;
  /** `customer` has credit and a working key. */
  provoke(outside: Outside, customer: Customer): Promise<V1Answer>;
}

const row = (name: string, documented: Documented, provoke: ErrorRow['provoke']): ErrorRow => ({
  name,
  documented,
  provoke,
});
/** The working key sends this body to chat. */
const chatRow = (name: string, documented: Documented, body: unknown): ErrorRow =>
  row(name, documented, ({ product }, { apiKey }) =>
    callV1(product, { path: CHAT, headers: bearer(apiKey), body }),
  );
/** Somebody sends this call without any other header. */
const callRow = (name: string, documented: Documented, call: V1Call): ErrorRow =>
  row(name, documented, ({ product }) => callV1(product, call));
/** A customer of a kind of its own asks for a chat. */
const customerRow = (
  name: string,
  documented: Documented,
  prepare: (outside: Outside) => Promise<Customer>,
): ErrorRow =>
  row(name, documented, async (outside) => {
    const { apiKey } = await prepare(outside);
    return lastOf(outside, documented.status, { path: CHAT, headers: bearer(apiKey), body: chatBody({}) });
  });

/** Repeats a call until it has the awaited status or a second has passed: configuration changes take that long. */
async function lastOf({ product }: Outside, status: number, call: V1Call): Promise<V1Answer> {
  const deadlineMs = systemClock.monotonicMs() + 1_000;
  for (;;) {
    const answer = await callV1(product, call);
    if (answer.status === status || systemClock.monotonicMs() > deadlineMs) return answer;
  }
}

const badRequest = (code: string, param?: string): Documented => ({
  ...{ status: 400, type: 'invalid_request_error', code },
  ...(param === undefined ? {} : { param }),
});
const unauthorized = (code: string, message?: RegExp): Documented => ({
  ...{ status: 401, type: 'authentication_error', code, param: null },
  ...(message === undefined ? {} : { message }),
});
const missingKey = unauthorized('missing_api_key', /^Missing Bearer token in Authorization header\.$/);
const noModel = (param: string | null): Documented => ({
  ...{ status: 404, type: 'invalid_request_error', code: 'model_not_found', param },
  message: /^Model 'foo\/bar' was not found or is unavailable\.$/,
});
const assistantCalls = (...ids: string[]): object => ({
  role: 'assistant',
  content: null,
  tool_calls: ids.map((id) => ({ id, type: 'function', function: { name: 'f', arguments: '{}' } })),
});
const toolResult = (id: string): object => ({ role: 'tool', tool_call_id: id, content: '{}' });

const keyRows: ErrorRow[] = [
  ...['/v1/models', '/v1/models/foo', '/v1/credits', '/v1/usage'].map((path) =>
    callRow(`no key on GET ${path}`, missingKey, { path }),
  ),
  callRow('no key on chat', missingKey, { path: CHAT, body: chatBody({}) }),
  callRow('a key without the word Bearer', missingKey, {
    path: CHAT,
    headers: { authorization: 'Basic cm-x' },
    body: chatBody({}),
  }),
  ...['/v1/models', '/v1/credits', '/v1/usage'].map((path) =>
    callRow(`an unknown key on GET ${path}`, unauthorized('invalid_api_key', /^Invalid API key\.$/), {
      path,
      headers: bearer('cm-unknown'),
    }),
  ),
  callRow('an unknown key on chat', unauthorized('invalid_api_key'), {
    path: CHAT,
    headers: bearer('cm-unknown'),
    body: chatBody({}),
  }),
  customerRow('a deleted key', unauthorized('invalid_api_key'), async (outside) => {
    const customer = await newCustomer(outside);
    await outside.operator.deleteKey(customer.apiKeyId);
    return customer;
  }),
  customerRow('a disabled key', unauthorized('api_key_inactive'), async (outside) => {
    const customer = await newCustomer(outside);
    await outside.operator.disableKey(customer.apiKeyId);
    return customer;
  }),
  customerRow('an expired key', unauthorized('api_key_inactive'), async (outside) => {
    const expiresAtMs = systemClock.nowMs() + 2_500;
    const customer = await newCustomer(outside, { expiresAt: new Date(expiresAtMs).toISOString() });
    await delay(Math.max(0, expiresAtMs - systemClock.nowMs()) + 100);
    return customer;
  }),
  customerRow('a suspended account', unauthorized('user_inactive'), async (outside) => {
    const customer = await newCustomer(outside);
    await outside.operator.suspendAccount(customer.accountId);
    return customer;
  }),
];

const requestRows: ErrorRow[] = [
  chatRow('a body that is no JSON', badRequest('invalid_json'), '{"model":'),
  chatRow('an empty body', badRequest('invalid_json'), ''),
  chatRow('a body that is no object', badRequest('invalid_json'), '[1]'),
  chatRow('no messages', badRequest('invalid_messages'), { model: MOCK_MODEL }),
  chatRow('an empty list of messages', badRequest('invalid_messages'), withMessages()),
  chatRow('messages that are no list', badRequest('invalid_messages'), {
    model: MOCK_MODEL,
    messages: 'hello',
  }),
  chatRow(
    'a tool message without tool_call_id',
    badRequest('invalid_messages'),
    withMessages(user('x'), assistantCalls('a'), { role: 'tool', content: 'y' }),
  ),
  chatRow(
    'an unknown role',
    badRequest('unsupported_message_role'),
    withMessages({ role: 'robot', content: 'x' }),
  ),
  chatRow(
    'a reasoning_effort outside the list',
    badRequest('unsupported_parameter', 'reasoning_effort'),
    chatBody({ reasoning_effort: 'enormous' }),
  ),
  chatRow(
    'a tool result for a call nobody made',
    badRequest('tool_call_id_mismatch'),
    withMessages(user('x'), toolResult('a')),
  ),
  chatRow(
    'a tool result for another call',
    badRequest('tool_call_id_mismatch'),
    withMessages(user('x'), assistantCalls('a', 'b'), toolResult('a'), toolResult('c')),
  ),
  chatRow(
    'a tool result for a call of an earlier assistant message',
    badRequest('tool_call_id_mismatch'),
    withMessages(user('x'), assistantCalls('a'), toolResult('a'), assistantCalls('b'), toolResult('a')),
  ),
  chatRow('an unknown model on chat', noModel('model'), chatBody({ model: 'foo/bar' })),
  row('an unknown model on GET /v1/models/{model}', noModel(null), ({ product }, { apiKey }) =>
    callV1(product, { path: '/v1/models/foo%2Fbar', headers: bearer(apiKey) }),
  ),
];

const moneyRows: ErrorRow[] = [
  customerRow(
    'an account that was never credited',
    { status: 402, type: 'billing_error', code: 'no_wallet', param: null },
    (outside) => newCustomer(outside, { creditUsd: null }),
  ),
  customerRow(
    'an account whose credit does not cover the request',
    {
      status: 402,
      type: 'billing_error',
      code: 'insufficient_balance',
      param: null,
      message: /^Insufficient balance\. Please recharge your w/,
    },
    (outside) => newCustomer(outside, { creditUsd: '0.000001' }),
  ),
  row(
    'more requests than the key may make in a minute',
    {
      status: 429,
      type: 'rate_limit_error',
      code: 'rate_limit_exceeded',
      param: null,
      message: /^Rate limit exceeded: max 60 requests per minute\.$/,
    },
    async (outside) => {
      const { apiKey } = await newCustomer(outside);
      let answer = await callV1(outside.product, { path: CHAT, headers: bearer(apiKey), body: chatBody({}) });
      let served = 0;
      for (; answer.status === 200 && served < 70; served += 1)
        answer = await callV1(outside.product, { path: CHAT, headers: bearer(apiKey), body: chatBody({}) });
      if (served !== 60) throw new Error(`${served} requests were served before the refusal`);
      return answer;
    },
  ),
  row(
    'more tokens than the key may use in a minute',
    {
      status: 429,
      type: 'rate_limit_error',
      code: 'rate_limit_exceeded',
      param: null,
      message: /^Rate limit exceeded: max 100000 tokens per minute\.$/,
    },
    async (outside) => {
      const { apiKey } = await newCustomer(outside);
      const usage = { promptTokens: 99_990, cachedTokens: 0, completionTokens: 9 };
      const first = await callV1(outside.product, {
        path: CHAT,
        headers: bearer(apiKey),
        body: scripted({ usage }),
      });
      if (first.status !== 200) throw new Error(`The first request was refused: ${first.text}`);
      return lastOf(outside, 429, { path: CHAT, headers: bearer(apiKey), body: chatBody({}) });
    },
  ),
];

const providerFailed: Documented = {
  status: 502,
  type: 'provider_error',
  code: 'provider_error',
  param: null,
};
const providerRows: ErrorRow[] = [
  chatRow(
    'a provider that limits us',
    { status: 429, type: 'rate_limit_error', code: 'provider_rate_limited', param: null },
    scripted({ status: 429 }),
  ),
  ...[500, 503, 529].map((status) =>
    chatRow(`a provider that answers ${status}`, providerFailed, scripted({ status })),
  ),
  ...(['reset', 'end', 'garbage', 'error_event'] as const).flatMap((kind) =>
    [false, true].map((stream) =>
      chatRow(
        `a provider whose ${stream ? 'stream' : 'answer'} breaks by ${kind} before any content`,
        providerFailed,
        scripted({ fault: { kind, afterChunks: 0 } }, { stream }),
      ),
    ),
  ),
  ...[401, 403].map((status) =>
    chatRow(
      `a provider that refuses our credential with ${status}`,
      providerFailed,
      scripted({
        status,
        errorBody:
          '{"error":{"message":"Incorrect API key provided: sk-ours","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}',
      }),
    ),
  ),
  chatRow(
    'a provider that names a mistake of the client',
    {
      status: 400,
      type: 'invalid_request_error',
      code: 'unsupported_value',
      param: 'temperature',
      message: /^Unsupported value: 'temperature'/,
    },
    scripted({
      status: 400,
      errorBody: `{"error":{"message":"Unsupported value: 'temperature' does not support 9.","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}`,
    }),
  ),
  chatRow(
    'a model that has no price',
    { status: 503, type: 'api_error', code: 'model_unavailable' },
    chatBody({ model: UNPRICED_MODEL }),
  ),
];

/** Every row of the public documents that a client can provoke; `internal_error` and `db_error` need a fault of ours. */
export const ERROR_ROWS: readonly ErrorRow[] = [...keyRows, ...requestRows, ...moneyRows, ...providerRows];

/** What the shared GET endpoints answer to a non-empty `x-api-key`. */
export const ANTHROPIC_ROWS: readonly {
  name: string;
  path: string;
  status: number;
  type: string;
  goodKey: boolean;
  message?: RegExp;
}[] = [
  ...['/v1/models', '/v1/models/foo%2Fbar', '/v1/credits', '/v1/usage'].map((path) => ({
    ...{
      name: `an unknown key on GET ${path}`,
      path,
      status: 401,
      type: 'authentication_error',
      goodKey: false,
    },
  })),
  {
    ...{
      name: 'an unknown model',
      path: '/v1/models/foo%2Fbar',
      status: 404,
      type: 'not_found_error',
      goodKey: true,
    },
    message: /^Model 'foo\/bar' was not found or is unavailable\.$/,
  },
];
