import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { MockScript } from '#test/fakes/mock-script.ts';
import { AdmissionTrial, mostInAMinute, outcomesOf, servedOf, type Trial } from './admission-trial.ts';
import { nanoUsd } from './control-api.ts';
import { type Customer, newCustomer, type Outside, openOutside } from './outside.ts';

const START_TIMEOUT_MS = 180_000;
const TRIAL_TIMEOUT_MS = 240_000;
const POLL = { timeout: 30_000, interval: 250 };
const WIDE = { rpmLimit: 100_000, tpmLimit: 1_000_000_000 };
const RATE_TRIAL_MS = 80_000;

const spending = (completionTokens: number, latencyMs = 300): MockScript => ({
  latencyMs,
  usage: { promptTokens: 20, cachedTokens: 0, completionTokens, reasoningTokens: 0 },
});

describe.each([1, 2, 4])('on %i data-plane processes', (processes) => {
  let outside: Outside;
  beforeAll(async () => {
    outside = await openOutside({ DATA_PLANE_PROCESSES: String(processes) });
  }, START_TIMEOUT_MS);
  afterAll(() => outside?.close(), START_TIMEOUT_MS);

  const run = async <Result>(
    trial: Trial,
    work: (running: AdmissionTrial) => Promise<Result>,
  ): Promise<Result> => {
    const running = new AdmissionTrial(outside, trial);
    try {
      return await work(running);
    } finally {
      await running.close();
    }
  };
  const say = (what: string, figures: object): void =>
    void process.stdout.write(`${processes} processes, ${what}: ${JSON.stringify(figures)}\n`);
  /** The balance once everything is settled and nothing is held. */
  const settledBalance = async ({ accountId }: Customer): Promise<bigint> => {
    const shape = z.object({
      account: z.object({ balance: z.object({ ledgerUsd: z.string(), heldUsd: z.string() }) }),
    });
    const document = 'query ($id: ID!) { account(id: $id) { balance { ledgerUsd heldUsd } } }';
    const read = async () =>
      (await outside.operator.query(document, { id: accountId }, shape)).account.balance;
    await expect.poll(async () => nanoUsd((await read()).heldUsd), POLL).toBe(0n);
    return nanoUsd((await read()).ledgerUsd);
  };
  const excesses = async ({ accountId }: Customer): Promise<bigint> => {
    const shape = z.object({
      usageExcesses: z.object({ nodes: z.array(z.object({ excessUsd: z.string() })) }),
    });
    const document = 'query ($id: ID!) { usageExcesses(accountId: $id, first: 100) { nodes { excessUsd } } }';
    const { usageExcesses } = await outside.operator.query(document, { id: accountId }, shape);
    return usageExcesses.nodes.reduce((sum, { excessUsd }) => sum + nanoUsd(excessUsd), 0n);
  };

  describe('a balance', () => {
    it.each([
      { creditUsd: '0.000001', parallel: 50, tokens: 10_000, most: 0 },
      { creditUsd: '0.021', parallel: 200, tokens: 10_000, most: 1 },
      { creditUsd: '0.11', parallel: 400, tokens: 10_000, most: 5 },
      { creditUsd: '0.5', parallel: 300, tokens: 1_000, most: 249 },
    ])(
      'of $creditUsd USD is never overdrawn by $parallel requests at once',
      async (row) => {
        const customer = await newCustomer(outside, { creditUsd: row.creditUsd, ...WIDE });
        const trial = {
          apiKeys: [customer.apiKey],
          script: spending(row.tokens),
          body: { max_tokens: row.tokens },
        };
        const answers = await run(trial, (running) => running.burst(row.parallel));
        say(`${row.creditUsd} USD, ${row.parallel} at once`, outcomesOf(answers));
        expect(servedOf(answers).length).toBeLessThanOrEqual(row.most);
        expect(servedOf(answers).length).toBeGreaterThanOrEqual(Math.floor(row.most * 0.9));
        expect(await settledBalance(customer)).toBeGreaterThanOrEqual(0n);
      },
      TRIAL_TIMEOUT_MS,
    );

    it(
      'of one account is shared by many keys, with a budget and a rate limit among them',
      async () => {
        const customer = await newCustomer(outside, { creditUsd: '0.21', ...WIDE });
        const keys = [customer.apiKey];
        for (const limits of [
          { budgetUsd: '0.045', budgetPeriod: 'DAY' as const, ...WIDE },
          { rpmLimit: 3, tpmLimit: 1_000_000 },
          { concurrencyLimit: 2, ...WIDE },
        ])
          keys.push((await outside.operator.createKey(customer.accountId, limits)).secret);
        // A key reaches every process within a second.
        await new Promise((resolve) => setTimeout(resolve, 2_000));
        const trial = { apiKeys: keys, script: spending(10_000), body: { max_tokens: 10_000 } };
        const answers = await run(trial, async (running) => [
          ...(await running.burst(120)),
          ...(await running.burst(120)),
        ]);
        say('four keys of one account', outcomesOf(answers));
        expect(servedOf(answers).length).toBe(10);
        expect(await settledBalance(customer)).toBeGreaterThanOrEqual(0n);
      },
      TRIAL_TIMEOUT_MS,
    );

    it.each([true, false])(
      'is overrun by one answer at most where none is limited (stream: %s), and each excess is listed',
      async (stream) => {
        const creditUsd = '0.05';
        const customer = await newCustomer(outside, { creditUsd, ...WIDE });
        const trial = { apiKeys: [customer.apiKey], script: spending(60_000), body: { stream } };
        const answers = await run(trial, (running) => running.burst(60));
        say(`unlimited answers, stream ${stream}`, outcomesOf(answers));
        const balance = await settledBalance(customer);
        expect(servedOf(answers).length).toBeGreaterThanOrEqual(1);
        expect(balance).toBeGreaterThanOrEqual(nanoUsd(creditUsd) - 120_005_000n);
        if (balance < 0n) expect(await excesses(customer)).toBeGreaterThanOrEqual(-balance);
      },
      TRIAL_TIMEOUT_MS,
    );

    it(
      'is overrun only by what a provider counts beyond the stated limit, and each excess is listed',
      async () => {
        const customer = await newCustomer(outside, { creditUsd: '0.01', ...WIDE });
        const trial = { apiKeys: [customer.apiKey], script: spending(20_000), body: { max_tokens: 100 } };
        const answers = await run(trial, (running) => running.burst(30));
        const balance = await settledBalance(customer);
        const listed = await excesses(customer);
        say('a provider beyond the limit', {
          ...outcomesOf(answers),
          balance: String(balance),
          listed: String(listed),
        });
        expect(listed).toBeGreaterThanOrEqual(-balance);
        expect((await run(trial, (running) => running.send())).code).toBe('insufficient_balance');
      },
      TRIAL_TIMEOUT_MS,
    );
  });

  describe('in any 60 s', () => {
    it(
      'no more requests and tokens are admitted than the limits, and a sole client gets them',
      async () => {
        const rated = (limits: object) => newCustomer(outside, { ...WIDE, ...limits });
        const drive = async (limits: object, script: MockScript, maxTokens: number, rate: number) => {
          const { apiKey } = await rated(limits);
          const trial = { apiKeys: [apiKey], script, body: { max_tokens: maxTokens } };
          return await run(trial, (running) =>
            rate === 0 ? running.driveObediently(RATE_TRIAL_MS) : running.drive(rate, RATE_TRIAL_MS),
          );
        };
        const [sole, few, many, tokens, manyTokens] = await Promise.all([
          drive({ rpmLimit: 60 }, spending(5, 20), 10, 0),
          drive({ rpmLimit: 60 }, spending(5, 20), 10, 4),
          drive({ rpmLimit: 1_200 }, spending(5, 20), 10, 30),
          drive({ tpmLimit: 20_000 }, spending(1_000, 20), 1_000, 2),
          drive({ tpmLimit: 300_000 }, spending(1_000, 20), 1_000, 15),
        ]);
        const most = [sole, few, many, tokens, manyTokens].map((answers) => mostInAMinute(servedOf(answers)));
        say('most in a minute', most);
        expect(most[0]).toBeGreaterThanOrEqual(59);
        expect(most[0]).toBeLessThanOrEqual(60);
        expect(most[1]).toBeGreaterThanOrEqual(59);
        expect(most[1]).toBeLessThanOrEqual(60);
        expect(most[2]).toBeGreaterThanOrEqual(1_100);
        expect(most[2]).toBeLessThanOrEqual(1_200);
        // Each costs 1,020 tokens by the provider's counts.
        expect(most[3]).toBeGreaterThanOrEqual(17);
        expect(most[3]).toBeLessThanOrEqual(19);
        expect(most[4]).toBeGreaterThanOrEqual(270);
        expect(most[4]).toBeLessThanOrEqual(294);
        const refused = [...few, ...tokens].filter(({ status }) => status !== 200);
        expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['rate_limit_exceeded']));
        expect(refused.every(({ retryAfterSeconds: after = 0 }) => after >= 1 && after <= 61)).toBe(true);
      },
      TRIAL_TIMEOUT_MS,
    );

    it(
      'a prompt larger than the limit is admitted alone, on an empty window',
      async () => {
        const { apiKey } = await newCustomer(outside, { rpmLimit: 1_000, tpmLimit: 1_000 });
        const trial = {
          ...{ apiKeys: [apiKey], script: spending(5, 20), body: { max_tokens: 10 } },
          system: 'a long story '.repeat(3_000),
        };
        const answers = await run(trial, (running) => running.burst(20));
        say('oversize prompts', outcomesOf(answers));
        expect(servedOf(answers)).toHaveLength(1);
      },
      TRIAL_TIMEOUT_MS,
    );
  });
});
