import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { nanoUsd } from './control-api.ts';
import { bearer, type Customer, callV1, MOCK_MODEL, newCustomer, type Outside } from './outside.ts';

const POLL = { timeout: 5_000, interval: 50 };
const refusal = z.object({ error: z.object({ code: z.string(), type: z.string(), message: z.string() }) });

/** What bounds a key and its account, with cases that only the running product as a whole can show. */
export function limitCases(outside: () => Outside): void {
  const chat = (customer: Customer, script: object, extra: object = {}) =>
    callV1(outside().product, {
      path: '/v1/chat/completions',
      headers: bearer(customer.apiKey),
      body: {
        model: MOCK_MODEL,
        messages: [{ role: 'user', content: `mock:${JSON.stringify(script)}` }],
        ...extra,
      },
    });
  const inParallel = (count: number, send: () => ReturnType<typeof chat>) =>
    Promise.all(Array.from({ length: count }, send));
  const countOf = (answers: readonly { status: number }[], status: number): number =>
    answers.filter((answer) => answer.status === status).length;

  describe('a balance', () => {
    it('is never overdrawn by parallel requests that state their output, each as dear as it can be', async () => {
      const customer = await newCustomer(outside(), {
        creditUsd: '0.11',
        rpmLimit: 1_000,
        tpmLimit: 10_000_000,
      });
      const usage = { promptTokens: 20, cachedTokens: 0, completionTokens: 10_000, reasoningTokens: 0 };
      const answers = await inParallel(40, () =>
        chat(customer, { latencyMs: 200, usage }, { max_tokens: 10_000 }),
      );
      const served = countOf(answers, 200);
      expect(served).toBeGreaterThan(3);
      expect(countOf(answers, 402)).toBe(40 - served);
      const { operator } = outside();
      await expect
        .poll(async () => (await operator.usageRecords(customer.accountId)).length, POLL)
        .toBeGreaterThanOrEqual(served);
      expect(nanoUsd(await operator.availableUsd(customer.accountId))).toBeGreaterThanOrEqual(0n);
    });

    it('is overrun by one answer at most where the output is not stated', async () => {
      const customer = await newCustomer(outside(), {
        creditUsd: '0.009',
        rpmLimit: 1_000,
        tpmLimit: 10_000_000,
      });
      const usage = { promptTokens: 20, cachedTokens: 0, completionTokens: 16_000, reasoningTokens: 0 };
      const answers = await inParallel(10, () => chat(customer, { latencyMs: 500, usage }));
      expect([countOf(answers, 200), countOf(answers, 402)]).toEqual([1, 9]);
    });
  });

  describe('the budget of a key', () => {
    it('ends the key and not its account, and a raised one holds within a second', async () => {
      const { operator } = outside();
      const customer = await newCustomer(outside(), { budgetUsd: '0.021', budgetPeriod: 'DAY' });
      const usage = { promptTokens: 20, cachedTokens: 0, completionTokens: 5_000, reasoningTokens: 0 };
      const send = () => chat(customer, { usage }, { max_tokens: 5_000 });
      const statuses: number[] = [];
      for (let sent = 0; sent < 4; sent += 1) statuses.push((await send()).status);
      expect(statuses).toEqual([200, 200, 402, 402]);
      const { error } = refusal.parse((await send()).json);
      expect(error).toMatchObject({ code: 'insufficient_balance', type: 'billing_error' });
      expect(error.message).toContain(customer.apiKeyId);
      const other = await operator.createKey(customer.accountId);
      await expect
        .poll(async () => (await chat({ ...customer, apiKey: other.secret }, {})).status, POLL)
        .toBe(200);
      await operator.query(
        `mutation ($input: ApiKeyUpdateInput!) { apiKeyUpdate(input: $input) { userErrors { code } } }`,
        { input: { apiKeyId: customer.apiKeyId, budgetUsd: '0.04', idempotencyKey: randomUUID() } },
        z.unknown(),
      );
      await expect.poll(async () => (await send()).status, POLL).toBe(200);
    });
  });

  describe('a key', () => {
    it('has no more requests in flight than it may, over all processes', async () => {
      const customer = await newCustomer(outside(), { concurrencyLimit: 2 });
      const answers = await inParallel(8, () => chat(customer, { latencyMs: 600 }, { max_tokens: 10 }));
      expect([countOf(answers, 200), countOf(answers, 429)]).toEqual([2, 6]);
      const refused = answers.find(({ status }) => status === 429);
      expect(refusal.parse(refused?.json).error.code).toBe('rate_limit_exceeded');
      expect(refused?.headers['retry-after']).toBe('1');
      await expect.poll(async () => (await chat(customer, {}, { max_tokens: 10 })).status, POLL).toBe(200);
    });

    it('gets its requests per minute, and is told where it stands', async () => {
      const customer = await newCustomer(outside(), { rpmLimit: 20, tpmLimit: 1_000_000 });
      const left: number[] = [];
      for (let sent = 0; sent < 20; sent += 1) {
        const answer = await chat(customer, {}, { max_tokens: 10 });
        expect(answer.status, answer.text).toBe(200);
        expect(answer.headers['x-ratelimit-limit-requests']).toBe('20');
        left.push(Number(answer.headers['x-ratelimit-remaining-requests']));
      }
      expect(left).toEqual(Array.from({ length: 20 }, (_, index) => 19 - index));
      const refused = await chat(customer, {}, { max_tokens: 10 });
      expect(refused.status).toBe(429);
      expect(refusal.parse(refused.json).error.message).toBe(
        'Rate limit exceeded: max 20 requests per minute.',
      );
      expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(61);
      expect(refused.headers['x-ratelimit-remaining-requests']).toBe('0');
      const anthropic = await callV1(outside().product, {
        path: '/v1/messages',
        headers: { 'x-api-key': customer.apiKey },
        body: { model: MOCK_MODEL, max_tokens: 10, messages: [{ role: 'user', content: 'hello' }] },
      });
      expect(anthropic.status).toBe(429);
      expect(anthropic.headers['anthropic-ratelimit-requests-limit']).toBe('20');
      expect(anthropic.headers['anthropic-ratelimit-requests-remaining']).toBe('0');
    });
  });
}
