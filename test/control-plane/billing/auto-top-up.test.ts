import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type BillingFixture, CARD_THAT_FAILS_LATER, startBilling } from './billing-fixture.ts';

let billing: BillingFixture;
beforeAll(async () => {
  billing = await startBilling();
});
afterAll(() => billing.close());

async function switchOn(accountId: string, monthlyCapUsd = '60.00'): Promise<void> {
  await billing.api.mutate(
    'autoTopUpUpdate',
    { accountId, enabled: true, thresholdUsd: '15.00', amountUsd: '20.00', monthlyCapUsd },
    'account { autoTopUp { enabled } }',
  );
}

async function autoTopUpOf(accountId: string) {
  const { data } = await billing.api.call(
    'query ($id: ID!) { account(id: $id) { autoTopUp { enabled declines nextAttemptAt disabledReason } } }',
    { variables: { id: accountId } },
  );
  return data.account.autoTopUp;
}

describe('automatic top-up', () => {
  it('fills the balance up once when it falls below the threshold', async () => {
    const accountId = await billing.accountWithCard();
    await switchOn(accountId);
    await vi.waitFor(async () => expect(await billing.balanceOf(accountId)).toBe('30.00'), {
      timeout: 15_000,
    });
    await billing.settled();
    expect(await billing.balanceOf(accountId)).toBe('30.00');
  });

  it('pauses after a decline and says why', async () => {
    const accountId = await billing.accountWithCard(CARD_THAT_FAILS_LATER);
    await switchOn(accountId);
    await vi.waitFor(async () => expect((await autoTopUpOf(accountId)).declines).toBe(1), {
      timeout: 15_000,
    });
    await billing.settled();
    const state = await autoTopUpOf(accountId);
    expect(state.enabled).toBe(true);
    expect(Date.parse(state.nextAttemptAt)).toBeGreaterThan(Date.now());
    expect(await billing.balanceOf(accountId)).toBe('10.00');
  });

  it('switches itself off after the third decline in a row', async () => {
    const accountId = await billing.accountWithCard(CARD_THAT_FAILS_LATER);
    await switchOn(accountId);
    for (let declines = 1; declines <= 3; declines += 1) {
      await vi.waitFor(async () => expect((await autoTopUpOf(accountId)).declines).toBe(declines), {
        timeout: 15_000,
      });
      await billing.api.sql`update billing_profiles set auto_next_attempt_at = null where auto_declines > 0`;
    }
    expect(await autoTopUpOf(accountId)).toMatchObject({
      enabled: false,
      disabledReason: expect.stringMatching(/declined/),
    });
  }, 60_000);

  it('needs a saved card', async () => {
    const accountId = await billing.openAccount();
    const input = { accountId, enabled: true, thresholdUsd: '5', amountUsd: '20.00', monthlyCapUsd: '60' };
    expect(await billing.api.refusal('autoTopUpUpdate', input)).toMatchObject([{ code: 'NOT_FOUND' }]);
  });
});
