import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SpendingWatch } from '#control-plane/alerts/watch-spending.ts';
import { ingestUsage } from '#control-plane/usage/ingest-usage.ts';
import { budgetPeriodAt } from '#shared/budget-period.ts';
import { systemClock } from '#shared/clock.ts';
import { parseIdOf } from '#shared/identifiers.ts';
import { NO_TOKENS } from '#shared/token-usage.ts';
import type { UsageRecord } from '#shared/usage-record.ts';
import {
  type BillableAccount,
  billedRecord,
  createBillableAccount,
  mintTestId,
} from '#test/setup/billing-fixtures.ts';
import { verified } from '../fakes/webhook-receiver.ts';
import { type Browser, signUp } from './sign-in-client.ts';
import { type MadeEndpoint, startWebhooks, type WebhookFixture } from './webhook-fixture.ts';

let hooks: WebhookFixture;
let jobs: { close(): Promise<void> };
let watch: SpendingWatch;
let priced: BillableAccount;
beforeAll(async () => {
  hooks = await startWebhooks();
  jobs = await hooks.startJobs();
  watch = startWatch();
  priced = await createBillableAccount(hooks.api.sql);
});
afterAll(async () => {
  await watch.close();
  await jobs.close();
  await hooks.close();
});

function startWatch(): SpendingWatch {
  const { database, sql, redis } = hooks.api;
  return new SpendingWatch({ database, sql, redis, clock: systemClock, logger: pino({ level: 'silent' }) });
}

interface Team {
  readonly accountId: string;
  readonly owner: { browser: Browser; email: string };
  /** Address of the member with the role. */
  readonly emails: Readonly<Record<string, string>>;
}

async function openTeam(...roles: string[]): Promise<Team> {
  const owner = await signUp(hooks.api);
  const { account } = await owner.browser.mutate('accountCreate', { name: 'Team' }, 'account { id }');
  const emails: Record<string, string> = { OWNER: owner.email };
  for (const role of roles) {
    const { browser, email } = await signUp(hooks.api);
    await owner.browser.mutate('memberInvite', { accountId: account.id, email, role }, '');
    const token = /cmi_\w+/.exec(hooks.api.mails.findLast((mail) => mail.to === email)?.text ?? '')?.[0];
    await browser.mutate('invitationAccept', { token }, '');
    emails[role] = email;
  }
  return { accountId: account.id, owner, emails };
}

async function grant(accountId: string, amountUsd: string): Promise<void> {
  const input = { accountId, amountUsd, reason: 'Test', idempotencyKey: randomUUID() };
  await hooks.api.mutate('creditGrant', input, '');
}

/** Books requests of 0.00045 USD each, as the workers do. */
async function spend(
  accountId: string,
  requests: number,
  apiKeyId?: string,
  more: Partial<UsageRecord> = {},
): Promise<void> {
  const account = {
    ...priced,
    accountId: parseIdOf('Account', accountId) ?? '',
    apiKeyId: apiKeyId === undefined ? mintTestId() : (parseIdOf('ApiKey', apiKeyId) ?? ''),
  };
  const budgetPeriod = budgetPeriodAt('month', systemClock.nowMs()).label;
  const changes = { ...(apiKeyId === undefined ? {} : { budgetPeriod }), ...more };
  const lines = Array.from({ length: requests }, () =>
    JSON.stringify(billedRecord(account, undefined, changes)),
  );
  const batch = { spool: mintTestId(), from: 1, to: requests, lines: lines.join('\n') };
  const { accountIds, budgets, refusedKeyIds } = await ingestUsage(hooks.api.sql, batch);
  watch.noteBooked({ accountIds, wallets: budgets.map((budget) => budget.wallet), refusedKeyIds });
}

const mailsAbout = (words: string) =>
  hooks.api.mails.filter((mail) => mail.subject.includes(words) || mail.text.includes(words));

async function told(endpoint: MadeEndpoint, count: number) {
  const messages = await hooks.receiver.heard(endpoint.path, count);
  return messages.map((message) => verified(message, endpoint.secret));
}

/** Lets whatever would still come, come: a second event that is known to follow everything before it. */
async function flush(endpoint: MadeEndpoint, before: number): Promise<void> {
  await vi.waitFor(
    async () => {
      const [row] = await hooks.api.sql<{ count: number }[]>`
        select count(*)::int as count from queued_mails where status = 'waiting'`;
      expect(row?.count).toBe(0);
    },
    { timeout: 15_000, interval: 50 },
  );
  await hooks.api.mutate('webhookEndpointTest', { webhookEndpointId: endpoint.id }, '');
  await hooks.receiver.heard(endpoint.path, before + 1);
}

describe('a low balance', () => {
  it('is told once per fall, to endpoints and to the members whom it concerns', async () => {
    const team = await openTeam('BILLING', 'DEVELOPER');
    const { accountId } = team;
    const endpoint = await hooks.endpoint(accountId, ['BALANCE_LOW']);
    await grant(accountId, '1.0005');
    const set = { accountId, lowBalanceUsd: '1' };
    const { account } = await team.owner.browser.mutate(
      'alertsUpdate',
      set,
      'account { alerts { lowBalanceUsd lowBalanceSince } }',
    );
    expect(account.alerts).toEqual({ lowBalanceUsd: '1.00', lowBalanceSince: null });
    await spend(accountId, 2);
    const [first] = await told(endpoint, 1);
    expect(first).toMatchObject({
      type: 'balance.low',
      data: { accountId, balanceNano: '999600000', thresholdNano: '1000000000' },
    });
    await spend(accountId, 2);
    await flush(endpoint, 1);
    const mails = mailsAbout('The balance of the account "Team" is 0.9996 USD');
    expect(mails.map((mail) => mail.to).toSorted()).toEqual(
      [team.emails.OWNER, team.emails.BILLING].toSorted(),
    );
    expect(hooks.receiver.on(endpoint.path)).toHaveLength(2);

    await grant(accountId, '0.0014');
    await vi.waitFor(async () => {
      const { data } = await hooks.api.call(`{ account(id: "${accountId}") { alerts { lowBalanceSince } } }`);
      expect(data.account.alerts.lowBalanceSince).toBeNull();
    });
    await spend(accountId, 1);
    const again = await told(endpoint, 3);
    expect(again.at(-1)).toMatchObject({ data: { balanceNano: '999650000' } });
  });

  it('is told at once when the threshold is put above it, and found after a crash', async () => {
    const { accountId } = await hooks.api.openAccount();
    const endpoint = await hooks.endpoint(accountId, ['BALANCE_LOW']);
    await hooks.api.mutate('alertsUpdate', { accountId, lowBalanceUsd: '5' }, '');
    const [first] = await told(endpoint, 1);
    expect(first?.data).toMatchObject({ balanceNano: '0' });
    // As if the worker had died after booking what brought the balance down.
    await hooks.api.sql`
      update account_alerts set low_balance_since = null where account_id = ${parseIdOf('Account', accountId) ?? ''}`;
    await watch.close();
    watch = startWatch();
    expect(await told(endpoint, 2)).toHaveLength(2);
  });

  it.each(['0', '-1', 'much'])('has no threshold of %s', async (lowBalanceUsd) => {
    const { accountId } = await hooks.api.openAccount();
    expect(await hooks.api.refusal('alertsUpdate', { accountId, lowBalanceUsd })).toEqual([
      { code: 'INVALID_INPUT', path: ['input', 'lowBalanceUsd'] },
    ]);
  });
});

describe('a budget', () => {
  it('is told at 80 % and when it is spent, once each, and again after it was raised', async () => {
    const { accountId, emails } = await openTeam('DEVELOPER', 'BILLING');
    await grant(accountId, '10');
    const endpoint = await hooks.endpoint(accountId, ['SPEND_LIMIT_APPROACHED', 'SPEND_LIMIT_REACHED']);
    const name = `Key ${randomUUID()}`;
    const apiKeyId = await hooks.makeKey(accountId, { name, budgetUsd: '0.001', budgetPeriod: 'MONTH' });
    await spend(accountId, 1, apiKeyId);
    await spend(accountId, 1, apiKeyId);
    const [early] = await told(endpoint, 1);
    expect(early).toMatchObject({
      type: 'spend_limit.approached',
      data: {
        accountId,
        apiKeyId,
        percent: 80,
        period: expect.stringMatching(/^month-\d{4}-\d\d$/),
        spentNano: '900000',
        limitNano: '1000000',
      },
    });
    await spend(accountId, 1, apiKeyId);
    expect((await told(endpoint, 2)).at(-1)).toMatchObject({
      type: 'spend_limit.reached',
      data: { percent: 100 },
    });
    await spend(accountId, 1, apiKeyId);
    await flush(endpoint, 2);
    expect(hooks.receiver.on(endpoint.path)).toHaveLength(3);
    const mails = mailsAbout(name);
    expect(mails.map((mail) => mail.to).toSorted()).toEqual(
      [emails.OWNER, emails.OWNER, emails.DEVELOPER, emails.DEVELOPER].toSorted(),
    );
    await hooks.api.mutate('apiKeyUpdate', { apiKeyId, budgetUsd: '0.01' }, '');
    await spend(accountId, 1, apiKeyId);
    await spend(accountId, 30, apiKeyId);
    expect((await told(endpoint, 4)).at(-1)).toMatchObject({ data: { percent: 100, limitNano: '10000000' } });
  });

  it('is reached too when a request is refused because what is left does not cover it', async () => {
    const { accountId } = await openTeam();
    const refusal: Partial<UsageRecord> = {
      status: 'error',
      httpStatus: 402,
      errorCode: 'insufficient_balance',
      costNano: '0',
      usage: NO_TOKENS,
      priceVersionId: null,
    };
    const endpoint = await hooks.endpoint(accountId, ['SPEND_LIMIT_REACHED']);
    const budget = { budgetUsd: '0.001', budgetPeriod: 'MONTH' };
    const apiKeyId = await hooks.makeKey(accountId, budget);
    await spend(accountId, 1, apiKeyId);
    // Without money in the account it is the balance that refuses.
    await spend(accountId, 1, apiKeyId, refusal);
    await flush(endpoint, 0);
    await grant(accountId, '10');
    await spend(accountId, 1, apiKeyId, refusal);
    const told100 = (await told(endpoint, 2)).at(-1);
    expect(told100).toMatchObject({
      type: 'spend_limit.reached',
      data: { spentNano: '450000', percent: 100 },
    });
    await spend(accountId, 1, apiKeyId, refusal);
    await flush(endpoint, 2);
    expect(hooks.receiver.on(endpoint.path)).toHaveLength(3);
  });
});

describe('mail about an account', () => {
  it('is not sent to members who do not want it, and each decides for itself', async () => {
    const team = await openTeam();
    const { accountId, owner } = team;
    const { data } = await owner.browser.query(
      `{ account(id: "${accountId}") { members { nodes { id alertMail } } } }`,
    );
    const [member] = data.account.members.nodes;
    expect(member.alertMail).toBe(true);
    const off = { memberId: member.id, enabled: false };
    const stranger = (await signUp(hooks.api)).browser;
    expect((await stranger.mutate('alertMailSet', off, '')).userErrors).toMatchObject([
      { code: 'NOT_FOUND' },
    ]);
    const set = await owner.browser.mutate('alertMailSet', off, 'member { alertMail }');
    expect(set.member.alertMail).toBe(false);
    const endpoint = await hooks.endpoint(accountId, ['BALANCE_LOW']);
    await hooks.api.mutate('alertsUpdate', { accountId, lowBalanceUsd: '5' }, '');
    await flush(endpoint, 1);
    expect(hooks.api.mails.filter((mail) => mail.to === owner.email && mail.subject.includes('low'))).toEqual(
      [],
    );
  });
});
