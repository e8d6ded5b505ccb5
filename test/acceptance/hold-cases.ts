import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { redisKeys } from '#shared/redis-keys.ts';
import { type MockProvider, startMockProvider } from '#test/fakes/mock-provider.ts';
import { type MockScript, scriptInMessage } from '#test/fakes/mock-script.ts';
import { nanoUsd } from './control-api.ts';
import { bearer, type Customer, callV1, MOCK_MODEL, newCustomer, type Outside } from './outside.ts';

const POLL = { timeout: 10_000, interval: 100 };
/** Processes look once in 250 ms whether their figures are still there. */
const NOTICE_MS = 1_500;
/** Each answer costs about 0.02 USD, so that five fit. */
const CREDIT_USD = '0.11';
const OUTPUT_TOKENS = 10_000;
const USAGE = { promptTokens: 20, cachedTokens: 0, completionTokens: OUTPUT_TOKENS, reasoningTokens: 0 };
const LIMITS = { rpmLimit: 1_000, tpmLimit: 10_000_000 };
/** A model of a vendor without a credential, to be answered by upstreams of the test's own. */
const ROUTED_MODEL = 'minimax/minimax-m3';

type Dialect = 'chat' | 'responses' | 'messages';

/** Holds that must be neither lent twice nor billed twice, whatever happens while a request runs. */
export function holdCases(outside: () => Outside): void {
  const ask = (
    customer: Customer,
    script: MockScript,
    model = MOCK_MODEL,
    dialect: Dialect = 'chat',
    stream = false,
  ) => {
    const content = scriptInMessage({ usage: USAGE, ...script });
    const messages = [{ role: 'user', content }];
    const bodies = {
      chat: { messages, max_completion_tokens: OUTPUT_TOKENS },
      responses: { input: content, max_output_tokens: OUTPUT_TOKENS },
      messages: { messages, max_tokens: OUTPUT_TOKENS },
    };
    const paths = { chat: 'chat/completions', responses: 'responses', messages: 'messages' };
    return callV1(outside().product, {
      path: `/v1/${paths[dialect]}`,
      headers: bearer(customer.apiKey),
      body: { model, stream, ...bodies[dialect] },
    });
  };
  const served = (answers: readonly { status: number }[]) =>
    answers.filter(({ status }) => status === 200).length;
  const billed = async (customer: Customer) =>
    (await outside().operator.usageRecords(customer.accountId)).filter(
      ({ costUsd }) => nanoUsd(costUsd) > 0n,
    );
  const balance = async (customer: Customer) =>
    nanoUsd(await outside().operator.availableUsd(customer.accountId));

  describe('a balance that five answers use up', () => {
    const manners = (['chat', 'messages'] as const).flatMap((dialect) =>
      [false, true].map((stream) => ({ dialect, stream })),
    );
    it.each(manners)(
      'admits five of twenty at once ($dialect, stream: $stream)',
      async ({ dialect, stream }) => {
        const customer = await newCustomer(outside(), { creditUsd: CREDIT_USD, ...LIMITS });
        const asked = Array.from({ length: 20 }, () =>
          ask(customer, { latencyMs: 400 }, MOCK_MODEL, dialect, stream),
        );
        expect(served(await Promise.all(asked))).toBe(5);
        await expect.poll(async () => (await billed(customer)).length, POLL).toBe(5);
        expect(await balance(customer)).toBeGreaterThanOrEqual(0n);
      },
    );

    it('lends no held money again after Redis was wiped', async () => {
      const customer = await newCustomer(outside(), { creditUsd: CREDIT_USD, ...LIMITS });
      const holding = Promise.all(Array.from({ length: 4 }, () => ask(customer, { latencyMs: 8_000 })));
      const { access, redisUrl } = outside().product;
      const credits = z.object({ uncollected_micro: z.int() });
      const held = async () => {
        const answer = await fetch(`${access.dataPlaneUrl}/v1/credits`, { headers: bearer(customer.apiKey) });
        return credits.parse(await answer.json()).uncollected_micro;
      };
      await expect.poll(held, POLL).toBeGreaterThan(80_000);
      const redis = new Redis(redisUrl);
      await redis.flushall();
      await expect.poll(() => redis.exists(redisKeys.quotaOpen), POLL).toBe(1);
      redis.disconnect();
      // Until a process has noticed, it may serve from its outage allowance, which is no loan.
      await delay(NOTICE_MS);
      const statuses: number[] = [];
      for (let sent = 0; sent < 8; sent += 1) statuses.push((await ask(customer, {})).status);
      expect(served(await holding)).toBe(4);
      expect(statuses.filter((status) => status === 200)).toHaveLength(1);
      await expect.poll(async () => (await billed(customer)).length, POLL).toBe(5);
      expect(await balance(customer)).toBeGreaterThanOrEqual(0n);
    });
  });

  describe('a model with two routes', () => {
    it('bills a request once when its first route fails', async () => {
      const { operator, provider, providerKey } = outside();
      const failing = await startMockProvider({ script: { status: 500 } });
      const addUpstream = async (to: MockProvider, name: string, priority: number) => {
        const { upstreamCreate } = await operator.query(
          `mutation ($input: UpstreamCreateInput!) { upstreamCreate(input: $input) { userErrors { message } } }`,
          {
            input: {
              ...{ name, vendor: 'minimax', protocol: 'CHAT', baseUrl: to.baseUrl, credential: providerKey },
              routes: [{ model: ROUTED_MODEL, priority }],
            },
          },
          z.object({ upstreamCreate: z.object({ userErrors: z.array(z.unknown()) }) }),
        );
        expect(upstreamCreate.userErrors).toEqual([]);
      };
      try {
        await addUpstream(provider, 'answers second', 1);
        await addUpstream(failing, 'fails first', 0);
        const customer = await newCustomer(outside(), { creditUsd: '1.00' });
        const asked = async () => {
          const before = failing.calls.length;
          const answer = await callV1(outside().product, {
            path: '/v1/chat/completions',
            headers: bearer(customer.apiKey),
            body: { model: ROUTED_MODEL, messages: [{ role: 'user', content: 'hello' }] },
          });
          return { answer, failed: failing.calls.length - before };
        };
        let sent = 0;
        await expect
          .poll(async () => {
            sent += 1;
            const { answer, failed } = await asked();
            return [answer.status, failed, answer.text.includes('chatcmpl-mock-')];
          }, POLL)
          .toEqual([200, 1, true]);
        await expect
          .poll(async () => (await operator.usageRecords(customer.accountId)).length, POLL)
          .toBe(sent);
        const rows = await billed(customer);
        expect(new Set(rows.map(({ requestId }) => requestId)).size).toBe(sent);
        const cost = rows.reduce((sum, { costUsd }) => sum + nanoUsd(costUsd), 0n);
        await expect.poll(() => balance(customer), POLL).toBe(1_000_000_000n - cost);
      } finally {
        await failing.close();
      }
    });
  });
}
