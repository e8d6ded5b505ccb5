import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SpendingWatch } from '#control-plane/alerts/watch-spending.ts';
import { MAX_SUBSCRIPTIONS_PER_CALLER } from '#control-plane/live/live-feed.ts';
import { ingestUsage } from '#control-plane/usage/ingest-usage.ts';
import { systemClock } from '#shared/clock.ts';
import { parseIdOf } from '#shared/identifiers.ts';
import { billedRecord, createBillableAccount, mintTestId } from '#test/setup/billing-fixtures.ts';
import { PUBLIC_URL, startTestApi, type TestApi } from './api-fixture.ts';
import { type EventReader, subscribe } from './read-events.ts';
import { signUp } from './sign-in-client.ts';

let api: TestApi;
let watch: SpendingWatch;
const readers: EventReader[] = [];
beforeAll(async () => {
  api = await startTestApi();
  const { database, sql, redis } = api;
  watch = new SpendingWatch({ database, sql, redis, clock: systemClock, logger: pino({ level: 'silent' }) });
});
afterAll(async () => {
  for (const reader of readers) reader.leave();
  await watch.close();
  await api.close();
});

async function open(document: string, token: string | null, url = api.url): Promise<EventReader> {
  const reader = await subscribe(url, document, token === null ? {} : { authorization: `Bearer ${token}` });
  readers.push(reader);
  return reader;
}

const balanceOf = (accountId: string) =>
  `subscription { balanceChanged(accountId: "${accountId}") { account { id name } balance { ledgerUsd } } }`;
const usageOf = (accountId: string) =>
  `subscription { usageRecorded(accountId: "${accountId}") { more usageRecords { id status costUsd account { name } } } }`;

/** A subscription to usage that has taken its first look, before which nothing is new to it. */
async function openLooking(accountId: string, token: string): Promise<EventReader> {
  const looks = () => api.statements.filter((statement) => statement.includes('"usage_records"')).length;
  const before = looks();
  const reader = await open(usageOf(accountId), token);
  await vi.waitFor(() => expect(looks()).toBeGreaterThan(before), { timeout: 5_000 });
  return reader;
}

async function grant(accountId: string, amountUsd: string): Promise<void> {
  const input = { accountId, amountUsd, reason: 'Test', idempotencyKey: randomUUID() };
  await api.mutate('creditGrant', input, '');
}

/** Books requests as the workers do; returns their public ids. */
async function use(accountId: string, requests: number): Promise<string[]> {
  const account = {
    ...(await createBillableAccount(api.sql)),
    accountId: parseIdOf('Account', accountId) ?? '',
  };
  const records = Array.from({ length: requests }, () => billedRecord(account));
  const lines = records.map((record) => JSON.stringify(record)).join('\n');
  const { accountIds } = await ingestUsage(api.sql, { spool: mintTestId(), from: 1, to: requests, lines });
  watch.noteBooked({ accountIds, wallets: [], refusedKeyIds: [] });
  return records.map((record) => `req_cm_${record.requestId.replaceAll('-', '')}`);
}

describe('a live subscription', () => {
  it('tells the balance at once and after each change, in every process of the API', async () => {
    const { accountId, managementToken } = await api.openAccount('Live');
    const second = await startTestApi();
    const here = await open(balanceOf(accountId), managementToken);
    const there = await open(balanceOf(accountId), managementToken, second.url);
    const told = (ledgerUsd: string) => ({
      data: { balanceChanged: { account: { id: accountId, name: 'Live' }, balance: { ledgerUsd } } },
    });
    expect([here.status, here.contentType]).toEqual([200, 'text/event-stream']);
    expect(await here.next()).toEqual(told('0.00'));
    expect(await there.next()).toEqual(told('0.00'));
    await grant(accountId, '5');
    expect(await here.next()).toEqual(told('5.00'));
    expect(await there.next()).toEqual(told('5.00'));
    await use(accountId, 1);
    expect((await here.next()).data.balanceChanged.balance.ledgerUsd).toMatch(/^4\.99/);
    // A process that ends completes its streams, so that clients go elsewhere.
    const closing = second.close();
    await vi.waitFor(async () => expect(await there.next()).toBeUndefined());
    await closing;
    here.leave();
  });

  it('tells of the requests of its account, each once, and of nobody else', async () => {
    const { accountId, managementToken } = await api.openAccount('Live');
    const other = await api.openAccount('Other');
    await grant(accountId, '5');
    await use(accountId, 1);
    const reader = await openLooking(accountId, managementToken);
    await use(other.accountId, 3);
    const ids = [...(await use(accountId, 2)), ...(await use(accountId, 3))];
    const told: { id: string; status: string; account: { name: string } }[] = [];
    while (told.length < ids.length) {
      const { data } = await reader.next();
      expect(data.usageRecorded.more).toBe(false);
      told.push(...data.usageRecorded.usageRecords);
    }
    expect(told.map((record) => record.id)).toEqual(ids);
    expect(told[0]).toMatchObject({ status: 'SUCCESS', account: { name: 'Live' } });
    reader.leave();
  });

  it('says where it leaves something out', async () => {
    const { accountId, managementToken } = await api.openAccount();
    await grant(accountId, '5');
    const reader = await openLooking(accountId, managementToken);
    await use(accountId, 150);
    const { data } = await reader.next();
    expect([data.usageRecorded.more, data.usageRecorded.usageRecords.length]).toEqual([true, 100]);
    reader.leave();
  });

  it('is refused to whoever may not read that, without saying whether the account exists', async () => {
    const { accountId } = await api.openAccount();
    const stranger = await api.openAccount();
    const { secret: scopeless } = await api.mutate(
      'managementTokenCreate',
      { accountId, name: 'keys', scopes: ['KEYS_READ'] },
      'secret',
    );
    const code = async (document: string, token: string | null) => {
      const answer = await (await open(document, token)).next();
      return answer.errors[0].extensions.code;
    };
    for (const document of [balanceOf(accountId), usageOf(accountId)]) {
      expect(await code(document, null)).toBe('UNAUTHENTICATED');
      expect(await code(document, stranger.managementToken)).toBe('NOT_FOUND');
      expect(await code(document, scopeless)).toBe('FORBIDDEN');
    }
    expect(await code(balanceOf(`acct_${'0'.repeat(32)}`), stranger.managementToken)).toBe('NOT_FOUND');
  });

  it('ends when its token is revoked', async () => {
    const { accountId } = await api.openAccount();
    const { managementToken, secret } = await api.mutate(
      'managementTokenCreate',
      { accountId, name: 'short' },
      'managementToken { id } secret',
    );
    const reader = await open(balanceOf(accountId), secret);
    await reader.next();
    await api.mutate('managementTokenRevoke', { managementTokenId: managementToken.id }, '');
    expect(await reader.next()).toBeUndefined();
  });

  it('ends when its person loses the right to it, and when the session ends', async () => {
    const owner = await signUp(api);
    const { account } = await owner.browser.mutate('accountCreate', { name: 'Ours' }, 'account { id }');
    const member = await signUp(api);
    await owner.browser.mutate(
      'memberInvite',
      { accountId: account.id, email: member.email, role: 'BILLING' },
      '',
    );
    const token = /cmi_\w+/.exec(api.mails.findLast((mail) => mail.to === member.email)?.text ?? '')?.[0];
    const accepted = await member.browser.mutate('invitationAccept', { token }, 'member { id }');
    const openAs = async (cookie: string) => {
      const reader = await subscribe(api.url, balanceOf(account.id), { cookie, origin: PUBLIC_URL });
      readers.push(reader);
      expect((await reader.next()).data.balanceChanged.account.id).toBe(account.id);
      return reader;
    };
    const ofMember = await openAs(member.browser.cookie);
    const ofOwner = await openAs(owner.browser.cookie);
    await owner.browser.mutate('memberRoleSet', { memberId: accepted.member.id, role: 'VIEWER' }, '');
    expect(await ofMember.next()).toBeUndefined();
    await owner.browser.auth('/sign-out', {});
    expect(await ofOwner.next()).toBeUndefined();
  });

  it('leaves nothing behind when its client goes away, and is kept alive until then', async () => {
    await vi.waitFor(() => expect(api.liveFeed.count).toBe(0), { timeout: 5_000 });
    const { accountId, managementToken } = await api.openAccount();
    const reader = await open(balanceOf(accountId), managementToken);
    await reader.next();
    expect(api.liveFeed.count).toBe(1);
    void reader.next().catch(() => undefined);
    await vi.waitFor(() => expect(reader.comments()).toBeGreaterThan(1), { timeout: 5_000 });
    reader.leave();
    await vi.waitFor(() => expect(api.liveFeed.count).toBe(0), { timeout: 5_000 });
  });

  it('is one of a limited number per caller, and does not run as a plain answer', async () => {
    const { accountId, managementToken } = await api.openAccount();
    const opened = [];
    for (let count = 0; count < MAX_SUBSCRIPTIONS_PER_CALLER; count += 1)
      opened.push(await open(balanceOf(accountId), managementToken));
    const refused = await (await open(balanceOf(accountId), managementToken)).next();
    expect(refused.errors[0].extensions.code).toBe('RATE_LIMITED');
    opened.pop()?.leave();
    await vi.waitFor(() => expect(api.liveFeed.count).toBe(MAX_SUBSCRIPTIONS_PER_CALLER - 1), {
      timeout: 5_000,
    });
    expect((await (await open(balanceOf(accountId), managementToken)).next()).data).toBeDefined();
    for (const reader of opened) reader.leave();
    const plain = await fetch(api.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        authorization: `Bearer ${managementToken}`,
      },
      body: JSON.stringify({ query: balanceOf(accountId) }),
    });
    expect(plain.status).toBe(406);
  });
});
