import { describe, expect, it } from 'vitest';
import { systemClock } from '#shared/clock.ts';
import { controlApi } from './control-api.ts';
import { bearer, callV1, MOCK_MODEL, newCustomer, type Outside } from './outside.ts';
import { within } from './running-product.ts';

const RESTART_MS = 5_000;

export function outageCases(outside: () => Outside): void {
  describe('while a part is away', () => {
    it('goes on serving /v1 without the control plane, which is back within 5 s', async () => {
      const { product } = outside();
      const customer = await newCustomer(outside(), { rpmLimit: 5_000, tpmLimit: 100_000_000 });
      const killed = product.processes()['control-plane'] ?? 0;
      process.kill(killed, 'SIGKILL');
      const killedAtMs = systemClock.monotonicMs();
      for (let sent = 0; sent < 30; sent += 1) {
        const answer = await callV1(product, {
          path: '/v1/chat/completions',
          headers: bearer(customer.apiKey),
          body: { model: MOCK_MODEL, stream: sent % 2 === 0, messages: [{ role: 'user', content: 'hello' }] },
        });
        expect(answer.status, answer.text).toBe(200);
      }
      const api = controlApi(product.access.graphqlUrl, product.access.operatorToken);
      const isBack = () =>
        api.availableUsd(customer.accountId).then(
          () => true,
          () => false,
        );
      expect(await within(RESTART_MS + killedAtMs - systemClock.monotonicMs(), isBack)).toBe(true);
      await expect.poll(() => api.usageRecords(customer.accountId), { timeout: 5_000 }).toHaveLength(30);
    });

    it('answers db_error where it can neither ask Redis nor remember, and recovers', async () => {
      const { product } = outside();
      const customer = await newCustomer(outside());
      const redis = product.processes().redis ?? 0;
      process.kill(redis, 'SIGSTOP');
      try {
        for (const path of ['/v1/usage', '/v1/credits']) {
          const openai = await callV1(product, { path, headers: bearer(customer.apiKey) });
          expect([openai.status, openai.json]).toMatchObject([
            500,
            { error: { type: 'api_error', code: 'db_error', param: null } },
          ]);
          const anthropic = await callV1(product, { path, headers: { 'x-api-key': customer.apiKey } });
          expect([anthropic.status, anthropic.json]).toMatchObject([
            500,
            { type: 'error', error: { type: 'api_error' } },
          ]);
        }
      } finally {
        process.kill(redis, 'SIGCONT');
      }
      const isBack = async () =>
        (await callV1(product, { path: '/v1/credits', headers: bearer(customer.apiKey) })).status === 200;
      expect(await within(RESTART_MS, isBack)).toBe(true);
    });
  });
}
