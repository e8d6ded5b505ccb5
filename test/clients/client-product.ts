import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
// A package of its own has no `#` names: relative paths lead to the tests of the product.
import { type ControlApi, controlApi } from '../acceptance/control-api.ts';
import { type Customer, newCustomer } from '../acceptance/outside.ts';
import { type RunningProduct, startProduct } from '../acceptance/running-product.ts';

/** Models of the catalog by the only protocol of the provider that answers for them. */
export const MODELS = {
  chat: 'deepseek/deepseek-v4-pro',
  responses: 'x-ai/grok-4.3',
  messages: 'anthropic/claude-haiku-4-5',
  gemini: 'gemini/gemini-2.5-flash',
} as const;

/** A picture of one pixel. */
export const PIXEL_BASE64 =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** The running product with its sandbox provider, and a customer whose limits no test meets. */
export interface ClientProduct {
  readonly product: RunningProduct;
  readonly operator: ControlApi;
  readonly customer: Customer;
  /** As OpenAI's clients take it. */
  readonly v1: string;
  /** As Anthropic's clients take it. */
  readonly host: string;
  readonly apiKey: string;
  close(): Promise<void>;
}

export async function openClientProduct(): Promise<ClientProduct> {
  const product = await startProduct();
  try {
    const operator = controlApi(product.access.graphqlUrl, product.access.operatorToken);
    await serveOverResponsesOnly(product, operator);
    const customer = await newCustomer({ product, operator }, { rpmLimit: 10_000, tpmLimit: 100_000_000 });
    const host = product.access.dataPlaneUrl;
    const { apiKey } = customer;
    return { product, operator, customer, apiKey, host, v1: `${host}/v1`, close: () => product.stop() };
  } catch (error) {
    await product.stop();
    throw error;
  }
}

/** No vendor of the sandbox speaks Responses alone, as an operator's own upstream may. */
async function serveOverResponsesOnly({ home }: RunningProduct, operator: ControlApi): Promise<void> {
  const port = readFileSync(path.join(home, 'sandbox.port'), 'utf8').trim();
  const { upstreamCreate } = await operator.query(
    'mutation ($input: UpstreamCreateInput!) { upstreamCreate(input: $input) { userErrors { message } } }',
    {
      input: {
        name: 'sandbox over responses',
        vendor: 'x-ai',
        protocol: 'RESPONSES',
        baseUrl: `http://127.0.0.1:${port}/v1`,
      },
    },
    z.object({ upstreamCreate: z.object({ userErrors: z.array(z.unknown()) }) }),
  );
  if (upstreamCreate.userErrors.length > 0) throw new Error(JSON.stringify(upstreamCreate.userErrors));
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
