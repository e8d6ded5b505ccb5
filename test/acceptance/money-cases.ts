import postgres from 'postgres';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { nanoUsd, type UsageRow } from './control-api.ts';
import { countsOf, handPrice, type PublishedTier, publishedPrices, type TokenCounts } from './hand-price.ts';
import {
  bearer,
  type Customer,
  callV1,
  MOCK_MODEL,
  newCustomer,
  type Outside,
  SANDBOX_MODEL,
} from './outside.ts';

const RECORD_DEADLINE_MS = 2_000;
const POLL = { timeout: RECORD_DEADLINE_MS, interval: 50 };
/** `/v1/credits` may lag behind by its publishing interval. */
const CREDITS_POLL = { timeout: 5_000, interval: 100 };
const MICRO_PER_NANO = 1_000n;
const perMillion = z.string().transform((usd) => nanoUsd(usd) / MICRO_PER_NANO);

const usageShape = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }),
});
const creditsShape = z.object({
  currency: z.literal('USD'),
  balance_micro: z.int(),
  uncollected_micro: z.int(),
});

async function graphqlPrices({ operator }: Outside): Promise<Map<string, PublishedTier[]>> {
  const shape = z.object({
    models: z.object({
      edges: z.array(
        z.object({
          node: z.object({
            id: z.string(),
            price: z
              .object({
                tiers: z.array(
                  z.object({
                    aboveTokens: z.int(),
                    inputUsdPerMillion: perMillion,
                    outputUsdPerMillion: perMillion,
                    cacheReadUsdPerMillion: perMillion.nullable(),
                  }),
                ),
              })
              .nullable(),
          }),
        }),
      ),
    }),
  });
  const document = `query ($first: Int!) { models(first: $first) { edges { node { id price { tiers {
    aboveTokens inputUsdPerMillion outputUsdPerMillion cacheReadUsdPerMillion } } } } } }`;
  const { models } = await operator.query(document, { first: 100 }, shape);
  return new Map(
    models.edges.map(({ node }) => [
      node.id,
      (node.price?.tiers ?? []).map((tier) => ({
        threshold: tier.aboveTokens,
        input: tier.inputUsdPerMillion,
        output: tier.outputUsdPerMillion,
        cacheRead: tier.cacheReadUsdPerMillion,
      })),
    ]),
  );
}

export function moneyCases(outside: () => Outside): void {
  describe('what a request costs', () => {
    let prices: Map<string, PublishedTier[]>;
    beforeAll(async () => {
      prices = await graphqlPrices(outside());
    });

    const chat = async (customer: Customer, model: string, stream: boolean, content: string) => {
      const answer = await callV1(outside().product, {
        path: '/v1/chat/completions',
        headers: bearer(customer.apiKey),
        body: {
          ...{ model, stream, messages: [{ role: 'user', content }] },
          ...(stream ? { stream_options: { include_usage: true } } : {}),
        },
      });
      expect(answer.status, answer.text).toBe(200);
      return answer;
    };
    const onlyRecord = async (customer: Customer): Promise<UsageRow | undefined> => {
      const records = await outside().operator.usageRecords(customer.accountId);
      return records.length === 1 ? records[0] : undefined;
    };

    for (const model of [SANDBOX_MODEL, MOCK_MODEL]) {
      for (const stream of [false, true]) {
        const manner = stream ? 'streamed' : 'plain';
        it(`is one record and one ledger movement within 2 s, exact to the nano-dollar (${manner}, ${model})`, async () => {
          const { operator, provider } = outside();
          const customer = await newCustomer(outside());
          const before = nanoUsd(await operator.availableUsd(customer.accountId));
          const answer = await chat(customer, model, stream, 'Explain ledgers');
          await expect.poll(() => onlyRecord(customer), POLL).toBeDefined();
          const record = await onlyRecord(customer);
          const counts = countsInAnswer(answer.text);
          const entry = provider.book.get(/"id":"([^"]+)"/.exec(answer.text)?.[1] ?? '');
          if (model === MOCK_MODEL) expect(entry && countsOf(entry)).toEqual(counts);
          const cost = handPrice(counts, prices.get(model) ?? []);
          expect(cost).toBeGreaterThan(0n);
          expect(record).toMatchObject({
            requestId: answer.headers['x-request-id'],
            model,
            estimated: false,
            inputTokens: counts.input,
            outputTokens: counts.output,
            cacheReadTokens: counts.cacheRead,
            cacheWriteTokens: 0,
          });
          expect(record?.status.toLowerCase()).toBe('success');
          expect(nanoUsd(record?.costUsd ?? '')).toBe(cost);
          await expect
            .poll(async () => nanoUsd(await operator.availableUsd(customer.accountId)), POLL)
            .toBe(before - cost);
          expect(await ledgerAmounts(outside(), customer)).toEqual([before, -cost]);
        });
      }
    }

    it('takes the dearer tier for the whole request when the prompt is longer than its threshold', async () => {
      const [model, tiers] =
        [...prices].find(([id, all]) => id.startsWith('openai/') && all.length > 1) ?? [];
      const threshold = tiers?.[1]?.threshold;
      if (model === undefined || tiers === undefined || threshold === undefined)
        throw new Error('No OpenAI model has tiers');
      const usage = { cachedTokens: 1_000, completionTokens: 7, reasoningTokens: 0 };
      for (const promptTokens of [threshold, threshold + 1]) {
        const customer = await newCustomer(outside(), { tpmLimit: 10_000_000 });
        await chat(customer, model, false, `mock:${JSON.stringify({ usage: { ...usage, promptTokens } })}`);
        await expect.poll(() => onlyRecord(customer), POLL).toBeDefined();
        const counts = { input: promptTokens - 1_000, cacheRead: 1_000, output: 7 };
        expect(nanoUsd((await onlyRecord(customer))?.costUsd ?? '')).toBe(handPrice(counts, tiers));
      }
    });

    it('is nothing when the request fails, and the failure is recorded', async () => {
      const { operator } = outside();
      const customer = await newCustomer(outside());
      const before = await operator.availableUsd(customer.accountId);
      const answer = await callV1(outside().product, {
        path: '/v1/chat/completions',
        headers: bearer(customer.apiKey),
        body: { model: MOCK_MODEL, messages: [{ role: 'user', content: 'mock:{"status":500}' }] },
      });
      expect(answer.status).toBe(502);
      await expect
        .poll(() => onlyRecord(customer), POLL)
        .toMatchObject({ model: MOCK_MODEL, inputTokens: 0, outputTokens: 0 });
      const record = await onlyRecord(customer);
      expect(record?.status.toLowerCase()).toBe('error');
      expect(nanoUsd(record?.costUsd ?? '')).toBe(0n);
      await expect.poll(() => operator.availableUsd(customer.accountId), POLL).toBe(before);
    });

    it('is estimated and marked when the client leaves before the counts arrive', async () => {
      const customer = await newCustomer(outside());
      const { dataPlaneUrl } = outside().product.access;
      const response = await fetch(`${dataPlaneUrl}/v1/chat/completions`, {
        method: 'POST',
        headers: { ...bearer(customer.apiKey), 'content-type': 'application/json' },
        body: JSON.stringify({
          ...{ model: MOCK_MODEL, stream: true },
          messages: [{ role: 'user', content: 'mock:{"chunks":500,"chunkDelayMs":10}' }],
        }),
      });
      const reader = response.body?.getReader();
      for (let read = 0; read < 5; read += 1) await reader?.read();
      await reader?.cancel();
      await expect.poll(() => onlyRecord(customer), POLL).toMatchObject({ estimated: true });
      const record = await onlyRecord(customer);
      expect(record?.status.toLowerCase()).toBe('aborted');
      expect(record?.outputTokens).toBeGreaterThan(0);
      const counts = { input: record?.inputTokens ?? 0, output: record?.outputTokens ?? 0, cacheRead: 0 };
      expect(nanoUsd(record?.costUsd ?? '')).toBe(handPrice(counts, prices.get(MOCK_MODEL) ?? []));
    });

    it('is the same on the public price list', async () => {
      const published = await publishedPrices(outside().product.access.dataPlaneUrl);
      expect(published.size).toBeGreaterThan(60);
      for (const [model, tiers] of published) expect([model, tiers]).toEqual([model, prices.get(model)]);
    });
  });

  describe('what is left', () => {
    it('is the same in /v1/credits and GraphQL, in both header styles', async () => {
      const { operator, product } = outside();
      const customer = await newCustomer(outside(), { creditUsd: '1.23' });
      await callV1(product, {
        path: '/v1/chat/completions',
        headers: bearer(customer.apiKey),
        body: { model: MOCK_MODEL, messages: [{ role: 'user', content: 'hello' }] },
      });
      await expect.poll(() => operator.usageRecords(customer.accountId), POLL).toHaveLength(1);
      const exactMicro = async (): Promise<bigint> =>
        nanoUsd(await operator.availableUsd(customer.accountId)) / MICRO_PER_NANO;
      for (const headers of [bearer(customer.apiKey), { 'x-api-key': customer.apiKey }]) {
        const credits = async () =>
          creditsShape.parse((await callV1(product, { path: '/v1/credits', headers })).json);
        await expect
          .poll(async () => BigInt((await credits()).balance_micro) - (await exactMicro()), CREDITS_POLL)
          .toBe(0n);
        expect((await credits()).uncollected_micro).toBe(0);
      }
      expect(await exactMicro()).toBeLessThan(1_230_000n);
    });

    it('is zero for an account that was never credited', async () => {
      const customer = await newCustomer(outside(), { creditUsd: null });
      const answer = await callV1(outside().product, {
        path: '/v1/credits',
        headers: bearer(customer.apiKey),
      });
      expect(answer.json).toEqual({ currency: 'USD', balance_micro: 0, uncollected_micro: 0 });
    });

    it('is held while a request is in flight', async () => {
      const { product } = outside();
      const customer = await newCustomer(outside(), { creditUsd: '2.00' });
      const credits = async () =>
        creditsShape.parse(
          (await callV1(product, { path: '/v1/credits', headers: bearer(customer.apiKey) })).json,
        );
      const running = callV1(product, {
        path: '/v1/chat/completions',
        headers: bearer(customer.apiKey),
        body: {
          model: MOCK_MODEL,
          max_tokens: 1_000,
          messages: [{ role: 'user', content: 'mock:{"latencyMs":1500}' }],
        },
      });
      await expect
        .poll(async () => (await credits()).uncollected_micro, { timeout: 1_200, interval: 30 })
        .toBeGreaterThan(0);
      expect((await credits()).balance_micro).toBeLessThan(2_000_000);
      await running;
      await expect.poll(async () => (await credits()).uncollected_micro, CREDITS_POLL).toBe(0);
    });

    it('is told per day, week and month by /v1/usage', async () => {
      const { product, operator } = outside();
      const customer = await newCustomer(outside());
      const ask = (content: string) =>
        callV1(product, {
          path: '/v1/chat/completions',
          headers: bearer(customer.apiKey),
          body: { model: MOCK_MODEL, messages: [{ role: 'user', content }] },
        });
      await ask('mock:{"usage":{"promptTokens":192,"cachedTokens":40,"completionTokens":30}}');
      await ask('mock:{"status":500}');
      await expect.poll(() => operator.usageRecords(customer.accountId), POLL).toHaveLength(2);
      const cost = handPrice(
        { input: 152, output: 30, cacheRead: 40 },
        (await graphqlPrices(outside())).get(MOCK_MODEL) ?? [],
      );
      const window = {
        // Chosen to cost a whole number of micro-USD: how a fraction is shown is not documented.
        cost_micro: Number(cost / MICRO_PER_NANO),
        ...{
          prompt_tokens: 192,
          completion_tokens: 30,
          total_tokens: 222,
          request_count: 2,
          success_count: 1,
        },
      };
      const usage = async () =>
        (await callV1(product, { path: '/v1/usage', headers: bearer(customer.apiKey) })).json;
      await expect
        .poll(usage, { timeout: 65_000, interval: 500 })
        .toEqual({ currency: 'USD', daily: window, weekly: window, monthly: window });
    }, 90_000);
  });

  it('leaves a ledger whose every transaction, and so the whole, sums to zero', async () => {
    const sql = postgres(outside().product.databaseUrl, { max: 1 });
    const unbalanced = await sql`
      select transaction_id from ledger_entries group by transaction_id having sum(amount_nano) <> 0`;
    const [total] = await sql<
      { sum: string; entries: string }[]
    >`select sum(amount_nano) as sum, count(*) as entries from ledger_entries`;
    const drifted = await sql`
      select b.ledger_account_id from ledger_balances b
      where b.balance_nano <> (select coalesce(sum(e.amount_nano), 0) from ledger_entries e where e.ledger_account_id = b.ledger_account_id)`;
    await sql.end();
    expect(Number(total?.entries)).toBeGreaterThan(10);
    expect(total?.sum).toBe('0');
    expect(unbalanced).toHaveLength(0);
    expect(drifted).toHaveLength(0);
  });
}

/** The counts that the client was told, in a plain body or in the last chunk of a stream. */
function countsInAnswer(text: string): TokenCounts {
  const usage = usageShape.parse(JSON.parse(/"usage":(\{(?:[^{}]|\{[^{}]*\})*\})/.exec(text)?.[1] ?? 'null'));
  const cacheRead = usage.prompt_tokens_details.cached_tokens;
  return { input: usage.prompt_tokens - cacheRead, output: usage.completion_tokens, cacheRead };
}

/** The entries of the customer's own ledger account, oldest first, nano-USD. */
async function ledgerAmounts({ operator }: Outside, customer: Customer): Promise<bigint[]> {
  const shape = z.object({
    account: z.object({
      ledgerEntries: z.object({ edges: z.array(z.object({ node: z.object({ amountUsd: z.string() }) })) }),
    }),
  });
  const document =
    'query ($id: ID!) { account(id: $id) { ledgerEntries(first: 50) { edges { node { amountUsd } } } } }';
  const { account } = await operator.query(document, { id: customer.accountId }, shape);
  return account.ledgerEntries.edges.map(({ node }) => nanoUsd(node.amountUsd)).reverse();
}
