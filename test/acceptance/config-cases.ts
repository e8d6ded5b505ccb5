import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { systemClock } from '#shared/clock.ts';
import {
  bearer,
  type Customer,
  callV1,
  MOCK_MODEL,
  newCustomer,
  type Outside,
  SANDBOX_MODEL,
  type V1Answer,
} from './outside.ts';

const PROPAGATION_MS = 1_000;
/** Consecutive answers, each on a connection of its own, after which every process behind the port has surely spoken. */
const AGREEING_ANSWERS = 12;

const modelList = z.object({
  object: z.literal('list'),
  has_more: z.literal(false),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  data: z.array(
    z.looseObject({
      id: z.string(),
      root: z.string().optional(),
      object: z.literal('model'),
      type: z.literal('model'),
    }),
  ),
});

export function configCases(outside: () => Outside): void {
  const chat = (customer: Customer, model: string): Promise<V1Answer> =>
    callV1(outside().product, {
      path: '/v1/chat/completions',
      headers: bearer(customer.apiKey),
      body: { model, messages: [{ role: 'user', content: 'hello' }] },
    });
  /** How long it took until all processes agreed, ms, counted to the first of the agreeing answers. */
  const untilAllAnswer = async (
    isNew: (answer: V1Answer) => boolean,
    ask: () => Promise<V1Answer>,
  ): Promise<number> => {
    const startedAtMs = systemClock.monotonicMs();
    let agreeing = 0;
    let agreedAtMs = 0;
    while (agreeing < AGREEING_ANSWERS) {
      const askedAtMs = systemClock.monotonicMs();
      if (askedAtMs - startedAtMs > 10 * PROPAGATION_MS) return Number.POSITIVE_INFINITY;
      const agrees = isNew(await ask());
      if (agrees && agreeing === 0) agreedAtMs = askedAtMs;
      agreeing = agrees ? agreeing + 1 : 0;
    }
    return agreedAtMs - startedAtMs;
  };

  describe('aliases', () => {
    let customer: Customer;
    beforeAll(async () => {
      customer = await newCustomer(outside(), { rpmLimit: 5_000, tpmLimit: 100_000_000 });
    });

    it('work on every data plane within a second of the mutation, and are billed as the real model', async () => {
      await outside().operator.setAlias(customer.apiKeyId, 'cross-model-basic', 'EXACT', MOCK_MODEL);
      const tookMs = await untilAllAnswer(
        ({ status }) => status === 200,
        () => chat(customer, 'cross-model-basic'),
      );
      expect(tookMs).toBeLessThan(PROPAGATION_MS);
      const answer = await chat(customer, 'cross-model-basic');
      expect(answer.headers['x-crossmodel-model']).toBe(MOCK_MODEL);
      expect(answer.json).toMatchObject({ model: MOCK_MODEL });
      await expect
        .poll(async () => (await outside().operator.usageRecords(customer.accountId))[0]?.model, {
          timeout: 2_000,
        })
        .toBe(MOCK_MODEL);
    });

    it('resolve exactly first, then by the longest prefix, and win over a real name', async () => {
      const { operator } = outside();
      await operator.setAlias(customer.apiKeyId, 'claude', 'PREFIX', MOCK_MODEL);
      await operator.setAlias(customer.apiKeyId, 'claude-opus', 'PREFIX', 'deepseek/deepseek-chat');
      await operator.setAlias(customer.apiKeyId, 'claude-opus-4-8', 'EXACT', SANDBOX_MODEL);
      await operator.setAlias(customer.apiKeyId, 'openai/gpt-4o-mini', 'EXACT', SANDBOX_MODEL);
      await untilAllAnswer(
        ({ headers }) => headers['x-crossmodel-model'] === SANDBOX_MODEL,
        () => chat(customer, 'openai/gpt-4o-mini'),
      );
      const served = async (model: string) => (await chat(customer, model)).headers['x-crossmodel-model'];
      expect(await served('claude-opus-4-8')).toBe(SANDBOX_MODEL);
      expect(await served('claude-opus-4-9')).toBe('deepseek/deepseek-chat');
      expect(await served('claude-haiku')).toBe(MOCK_MODEL);
      expect(await served(MOCK_MODEL)).toBe(MOCK_MODEL);
    });

    it('come first in the model list, with the model behind them as root', async () => {
      const { product } = outside();
      const list = modelList.parse(
        (await callV1(product, { path: '/v1/models', headers: bearer(customer.apiKey) })).json,
      );
      const aliases = list.data.filter((model) => model.root !== undefined);
      expect(list.data.slice(0, aliases.length)).toEqual(aliases);
      expect(Object.fromEntries(aliases.map(({ id, root }) => [id, root]))).toMatchObject({
        'cross-model-basic': MOCK_MODEL,
        'claude-opus': 'deepseek/deepseek-chat',
        'claude-opus-4-8': SANDBOX_MODEL,
      });
      expect(list.data.some(({ id, root }) => id === SANDBOX_MODEL && root === undefined)).toBe(true);
      expect([list.first_id, list.last_id]).toEqual([list.data[0]?.id, list.data.at(-1)?.id]);
      const one = await callV1(product, {
        path: '/v1/models/claude-opus-4-9',
        headers: bearer(customer.apiKey),
      });
      expect(one.json).toMatchObject({ id: 'claude-opus-4-9', root: 'deepseek/deepseek-chat' });
      const encoded = encodeURIComponent(SANDBOX_MODEL);
      for (const path of [`/v1/models/${encoded}`, `/v1/models/${SANDBOX_MODEL}`]) {
        const answer = await callV1(product, { path, headers: { 'x-api-key': customer.apiKey } });
        expect(answer.json).toMatchObject({ id: SANDBOX_MODEL });
        expect(answer.json).not.toHaveProperty('root');
      }
    });

    it('are gone from every data plane within a second of their deletion', async () => {
      await outside().operator.deleteAlias(customer.apiKeyId, 'cross-model-basic');
      const tookMs = await untilAllAnswer(
        ({ status }) => status === 404,
        () => chat(customer, 'cross-model-basic'),
      );
      expect(tookMs).toBeLessThan(PROPAGATION_MS);
    });

    it('belong to one key only', async () => {
      const other = await newCustomer(outside());
      expect((await chat(other, 'claude-opus-4-8')).status).toBe(404);
    });
  });

  describe('keys', () => {
    it('are refused everywhere within a second of being disabled, work again when enabled, and end when deleted', async () => {
      const { operator, product } = outside();
      const customer = await newCustomer(outside());
      const ask = () => callV1(product, { path: '/v1/models', headers: bearer(customer.apiKey) });
      const codeIs = (code: string) => (answer: V1Answer) =>
        answer.status === 401 && answer.text.includes(`"${code}"`);
      await operator.disableKey(customer.apiKeyId);
      expect(await untilAllAnswer(codeIs('api_key_inactive'), ask)).toBeLessThan(PROPAGATION_MS);
      await operator.enableKey(customer.apiKeyId);
      expect(await untilAllAnswer(({ status }) => status === 200, ask)).toBeLessThan(PROPAGATION_MS);
      await operator.deleteKey(customer.apiKeyId);
      expect(await untilAllAnswer(codeIs('invalid_api_key'), ask)).toBeLessThan(PROPAGATION_MS);
    });
  });
}
