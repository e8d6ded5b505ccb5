import { randomUUID } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { bearer, type Customer, callV1, newCustomer, type Outside, SANDBOX_MODEL } from './outside.ts';

const GOOD_CARD = '4242424242424242';
const POLL = { timeout: 10_000, interval: 20 };
/** Answers in a row: requests take turns with the data planes. */
const ANSWERS = 4;

const opened = z.object({
  topUpCheckoutCreate: z.object({ topUp: z.object({ id: z.string() }), checkoutUrl: z.string() }),
});
const refunded = z.object({ refundCreate: z.object({ refundStatus: z.literal('SUCCEEDED') }) });

/** Money from the stand-in for Stripe that development starts, up to requests of `/v1` and back. */
export function paymentCases(current: () => Outside): void {
  const spends = async (apiKey: string, status: number): Promise<void> => {
    await vi.waitFor(async () => {
      for (let count = 0; count < ANSWERS; count += 1) {
        const answer = await callV1(current().product, {
          path: '/v1/chat/completions',
          headers: bearer(apiKey),
          body: { model: SANDBOX_MODEL, max_tokens: 1, messages: [{ role: 'user', content: 'hi' }] },
        });
        expect(answer.status).toBe(status);
      }
    }, POLL);
  };
  const submit = (url: string, form: Record<string, string>) =>
    fetch(url, { method: 'POST', body: new URLSearchParams(form), redirect: 'manual' });
  const topUp = async ({ accountId }: Customer): Promise<{ id: string; checkoutUrl: string }> => {
    const { topUpCheckoutCreate } = await current().operator.query(
      `mutation ($input: TopUpCheckoutCreateInput!) {
        topUpCheckoutCreate(input: $input) { topUp { id } checkoutUrl userErrors { code } } }`,
      { input: { accountId, amountUsd: '10.00', idempotencyKey: randomUUID() } },
      opened,
    );
    const { checkoutUrl } = topUpCheckoutCreate;
    expect((await submit(checkoutUrl, { pay: 'card', card: GOOD_CARD })).status).toBe(303);
    return { id: topUpCheckoutCreate.topUp.id, checkoutUrl };
  };

  describe('a payment', () => {
    it('can be used at once, and what is refunded cannot be used any more', async () => {
      const customer = await newCustomer(current(), { creditUsd: null, rpmLimit: 100_000 });
      await spends(customer.apiKey, 402);
      const { id } = await topUp(customer);
      await spends(customer.apiKey, 200);
      const { operator } = current();
      await operator.query(
        'mutation ($input: RefundCreateInput!) { refundCreate(input: $input) { refundStatus userErrors { code } } }',
        { input: { topUpId: id, amountUsd: '9.99', idempotencyKey: randomUUID() } },
        refunded,
      );
      await vi.waitFor(async () => {
        const { json } = await callV1(current().product, {
          path: '/v1/credits',
          headers: bearer(customer.apiKey),
        });
        expect(json).toMatchObject({ balance_micro: expect.toSatisfy((micro: number) => micro < 10_000) });
      }, POLL);
    });

    it('that is disputed stops requests until the dispute is won', async () => {
      const customer = await newCustomer(current(), { creditUsd: null, rpmLimit: 100_000 });
      const { checkoutUrl } = await topUp(customer);
      await spends(customer.apiKey, 200);
      const dashboard = new URL('/', checkoutUrl).href;
      const choice = async (name: string) => {
        const html = await (await fetch(dashboard)).text();
        return { [name]: new RegExp(`name="${name}" value="(\\w+)"`).exec(html)?.[1] ?? '' };
      };
      // The dashboard shows the youngest payment first.
      await submit(dashboard, await choice('dispute'));
      await spends(customer.apiKey, 402);
      await submit(dashboard, await choice('win'));
      await spends(customer.apiKey, 200);
    });
  });
}
