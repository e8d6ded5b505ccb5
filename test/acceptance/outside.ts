import { randomBytes } from 'node:crypto';
import OpenAI from 'openai';
import { Agent, request } from 'undici';
import { type MockProvider, startMockProvider } from '#test/fakes/mock-provider.ts';
import { type ControlApi, controlApi, type KeyLimits } from './control-api.ts';
import { type RunningProduct, startProduct } from './running-product.ts';

/** Routed to the mock provider, by OPENAI_BASE_URL and OPENAI_API_KEY. */
export const MOCK_MODEL = 'openai/gpt-5-mini';
/** No credential is set for its vendor, so the sandbox answers. */
export const SANDBOX_MODEL = 'deepseek/deepseek-v4-pro';
/** In the catalog without a price, so that it cannot be called. */
export const UNPRICED_MODEL = 'anthropic/claude-sonnet-5-5';
const CREDIT_USD = '50.00';

/** All that a test has of the product: its addresses and tokens, and a provider of the test's own behind it. */
export interface Outside {
  readonly product: RunningProduct;
  readonly provider: MockProvider;
  readonly operator: ControlApi;
  /** The credential of ours that the provider must see and nobody else. */
  readonly providerKey: string;
  close(): Promise<void>;
}

/** `settings`: environment variables of the README, besides those that put the mock provider behind the product. */
export async function openOutside(settings: Readonly<Record<string, string>> = {}): Promise<Outside> {
  const providerKey = `sk-provider-${randomBytes(12).toString('hex')}`;
  const provider = await startMockProvider({ requiredKey: providerKey });
  try {
    const product = await startProduct({
      OPENAI_API_KEY: providerKey,
      OPENAI_BASE_URL: provider.baseUrl,
      ...settings,
    });
    return {
      product,
      provider,
      operator: controlApi(product.access.graphqlUrl, product.access.operatorToken),
      providerKey,
      close: async () => {
        await product.stop();
        await provider.close();
      },
    };
  } catch (error) {
    await provider.close();
    throw error;
  }
}

export interface Customer {
  readonly accountId: string;
  readonly apiKeyId: string;
  readonly apiKey: string;
}

/** A new account with credit and one key, so that no two tests share limits, balances or records. */
export async function newCustomer(
  { operator, product }: Pick<Outside, 'operator' | 'product'>,
  options: KeyLimits & { creditUsd?: string | null } = {},
): Promise<Customer> {
  const { creditUsd = CREDIT_USD, ...limits } = options;
  const accountId = await operator.createAccount('Acceptance');
  if (creditUsd !== null) await operator.grantCredit(accountId, creditUsd);
  const key = await operator.createKey(accountId, limits);
  await untilKeyKnown(product, key.secret);
  return { accountId, apiKeyId: key.id, apiKey: key.secret };
}

/** A new key reaches every data plane within a second; each request below takes a connection of its own. */
async function untilKeyKnown(product: RunningProduct, apiKey: string): Promise<void> {
  let known = 0;
  for (let attempt = 0; attempt < 200 && known < 6; attempt += 1) {
    const { status } = await callV1(product, { path: '/v1/models/none', headers: bearer(apiKey) });
    known = status === 401 ? 0 : known + 1;
  }
  if (known < 6) throw new Error('A new key is not known to every data plane after 200 requests');
}

export function bearer(apiKey: string): Record<string, string> {
  return { authorization: `Bearer ${apiKey}` };
}

export interface V1Call {
  readonly path: string;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Record<string, string>;
  /** Text is sent as it is, anything else as JSON. */
  readonly body?: unknown;
}

export interface V1Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly json: unknown;
}

/** One request on a connection of its own, so that repeated calls reach all processes behind the port. */
export async function callV1({ access }: RunningProduct, call: V1Call): Promise<V1Answer> {
  const agent = new Agent({ pipelining: 0 });
  try {
    const isText = typeof call.body === 'string';
    const response = await request(`${access.dataPlaneUrl}${call.path}`, {
      dispatcher: agent,
      method: call.method ?? (call.body === undefined ? 'GET' : 'POST'),
      headers: { 'content-type': 'application/json', ...call.headers },
      body: call.body === undefined ? null : isText ? (call.body as string) : JSON.stringify(call.body),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await textUntilEnd(response.body);
    return { status: response.statusCode, headers: response.headers, text, json: parsed(text) };
  } finally {
    await agent.close();
  }
}

/** What arrives, also when the connection breaks after it: a stream that fails may end that way. */
async function textUntilEnd(body: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of body) pieces.push(piece);
  } catch (error) {
    if (pieces.length === 0) throw error;
  }
  return Buffer.concat(pieces).toString('utf8');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The official client, without retries so that one call is one request. */
export function sdkFor({ access }: RunningProduct, apiKey: string): OpenAI {
  return new OpenAI({ baseURL: `${access.dataPlaneUrl}/v1`, apiKey, maxRetries: 0 });
}
