import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { redisKeys } from '#shared/redis-keys.ts';
import type { MockScript } from '#test/fakes/mock-script.ts';
import { type Admission, AdmissionTrial, outcomesOf, servedOf } from './admission-trial.ts';
import { nanoUsd } from './control-api.ts';
import { type Customer, newCustomer, type Outside, openOutside } from './outside.ts';

const START_TIMEOUT_MS = 180_000;
const TEST_TIMEOUT_MS = 300_000;
const MINUTE_MS = 60_000;
const WARM_UP_MS = 8_000;
const ADDED_MS = 5;
const POLL = { timeout: 30_000, interval: 250 };
const WIDE = { rpmLimit: 100_000, tpmLimit: 1_000_000_000 };
/** Of the README; per account and process. */
const ALLOWANCE_USD = 0.1;
const DEAR_TOKENS = 10_000;
const DEAR_USD = 0.02;

const spending = (completionTokens: number, latencyMs: number): MockScript => ({
  latencyMs,
  usage: { promptTokens: 20, cachedTokens: 0, completionTokens, reasoningTokens: 0 },
});

describe.each([1, 2, 4])('Redis frozen or lost, on %i data-plane processes', (processes) => {
  let outside: Outside;
  beforeAll(async () => {
    outside = await openOutside({ DATA_PLANE_PROCESSES: String(processes) });
  }, START_TIMEOUT_MS);
  afterAll(() => outside?.close(), START_TIMEOUT_MS);

  const trialOf = ({ apiKey }: Customer, script: MockScript, maxTokens: number) =>
    new AdmissionTrial(outside, { apiKeys: [apiKey], script, body: { max_tokens: maxTokens } });
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
  const say = (what: string, figures: object): void =>
    void process.stdout.write(`${processes} processes, ${what}: ${JSON.stringify(figures)}\n`);

  it(
    'frozen for a minute: what slices and allowance cover is served as fast as before, the rest gets 503',
    async () => {
      const [busy, rare, dear, crowd] = [
        await newCustomer(outside, WIDE),
        await newCustomer(outside, WIDE),
        await newCustomer(outside, WIDE),
        await newCustomer(outside, WIDE),
      ];
      const trials = {
        busy: trialOf(busy, spending(5, 5), 10),
        rare: trialOf(rare, spending(5, 5), 10),
        dear: trialOf(dear, spending(DEAR_TOKENS, 5), DEAR_TOKENS),
        crowd: trialOf(crowd, spending(DEAR_TOKENS, 5), DEAR_TOKENS),
      };
      // The minute before has as many at once: what differs is Redis alone.
      const crowdAmid = (trial: AdmissionTrial) => delay(2_000).then(() => trial.burst(30 * processes));
      const drive = async (forMs: number): Promise<Admission[]> =>
        (await Promise.all([trials.busy.drive(40, forMs), trials.rare.drive(3, forMs)])).flat();
      const warmedUp = [...(await drive(WARM_UP_MS)), ...(await trials.dear.burst(8))];
      const [before] = await Promise.all([drive(MINUTE_MS), crowdAmid(trials.crowd)]);
      const redis = outside.product.processes().redis ?? 0;
      process.kill(redis, 'SIGSTOP');
      const [frozen, beyond] = await Promise.all([drive(MINUTE_MS), crowdAmid(trials.dear)]).finally(() =>
        process.kill(redis, 'SIGCONT'),
      );
      const [p99Before, p99Frozen] = [p99Of(before), p99Of(frozen)];
      say('frozen for a minute', {
        ...{ served: servedOf(frozen).length, p99Before, p99Frozen },
        ...{ beyond: outcomesOf(beyond) },
      });
      expect(outcomesOf(frozen)).toEqual({ 200: frozen.length });
      const refused = beyond.filter(({ status }) => status !== 200);
      expect(new Set(refused.map(({ status, code }) => `${status} ${code}`))).toEqual(
        new Set(['503 model_unavailable']),
      );
      expect(refused.every(({ retryAfterSeconds: after = 0 }) => after >= 1)).toBe(true);
      expect(servedOf(beyond).length * DEAR_USD).toBeLessThanOrEqual(ALLOWANCE_USD * processes);
      const cost = (answers: readonly Admission[], nano: bigint) => BigInt(servedOf(answers).length) * nano;
      const all = [...warmedUp.slice(0, -8), ...before, ...frozen];
      // Redis itself knows of nothing held in that minute until it has been told.
      await expect
        .poll(async () => (await settledBalance(busy)) + (await settledBalance(rare)), POLL)
        .toBe(100_000_000_000n - cost(all, 15_000n));
      await expect
        .poll(() => settledBalance(dear), POLL)
        .toBe(50_000_000_000n - cost([...warmedUp.slice(-8), ...beyond], 20_005_000n));
      for (const trial of Object.values(trials)) await trial.close();
      expect(p99Frozen - p99Before).toBeLessThan(ADDED_MS);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'killed and wiped: figures are seeded again, and no held money is lent twice',
    async () => {
      const customer = await newCustomer(outside, { creditUsd: '0.11', ...WIDE });
      const slow = trialOf(customer, spending(DEAR_TOKENS, 15_000), DEAR_TOKENS);
      const quick = trialOf(customer, spending(DEAR_TOKENS, 5), DEAR_TOKENS);
      const holding = slow.burst(4);
      await delay(1_000);
      const { redisUrl } = outside.product;
      const redis = new Redis(redisUrl);
      redis.on('error', () => undefined);
      await redis.flushall();
      process.kill(outside.product.processes().redis ?? 0, 'SIGKILL');
      await expect.poll(() => redis.exists(redisKeys.quotaOpen).catch(() => 0), POLL).toBe(1);
      redis.disconnect();
      // Until a process has noticed, it may serve from its outage allowance, which is no loan.
      await delay(2_000);
      const after: Admission[] = [];
      for (let sent = 0; sent < 4 * processes; sent += 1) after.push(await quick.send());
      const held = await holding;
      say('killed and wiped', { held: outcomesOf(held), after: outcomesOf(after) });
      expect(servedOf(held)).toHaveLength(4);
      expect(servedOf(after)).toHaveLength(1);
      expect(await settledBalance(customer)).toBe(110_000_000n - 5n * 20_005_000n);
      await slow.close();
      await quick.close();
    },
    TEST_TIMEOUT_MS,
  );
});

function p99Of(answers: readonly Admission[]): number {
  const took = answers.map(({ tookMs }) => tookMs).sort((left, right) => left - right);
  return took[Math.floor(took.length * 0.99)] ?? 0;
}
