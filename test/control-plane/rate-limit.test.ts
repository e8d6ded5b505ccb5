import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RateLimiter } from '#control-plane/rate-limit.ts';
import { systemClock } from '#shared/clock.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

const COST_PER_MINUTE = 130;

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ costPerMinute: COST_PER_MINUTE });
});
afterAll(() => api.close());

const VIEWER = '{ viewer { kind } }';

/** So that the requests of a test fall into one window. */
async function beginningOfWindow(): Promise<void> {
  const intoMs = Date.now() % 60_000;
  if (intoMs > 45_000) await new Promise((resolve) => setTimeout(resolve, 60_050 - intoMs));
}

describe('the cost of a request', () => {
  it('is told with every answer, and counts pages by their size', async () => {
    await beginningOfWindow();
    const { accountId, managementToken: token } = await tenant();
    const costOf = async (document: string) => {
      const response = await fetch(api.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({ query: document }),
      });
      return (await response.json()).extensions.cost;
    };
    const plain = await costOf(VIEWER);
    expect(plain).toMatchObject({ requested: 10, limitPerMinute: COST_PER_MINUTE });
    const page = await costOf(`{ apiKeys(first: 30, accountId: "${accountId}") { nodes { id } } }`);
    expect(page.requested).toBe(40);
    expect(page.actual).toBe(10);
    expect(page.remaining).toBe(plain.remaining - 10);
  }, 40_000);

  it('is in the end that of the objects it returned, and nothing where it was refused', async () => {
    await beginningOfWindow();
    const { accountId, managementToken: token } = await tenant();
    await api.sql`
      insert into api_keys (id, account_id, name, digest, start, last4, rpm_limit, tpm_limit)
      select uuidv7(), ${accountId.slice(5)}::uuid, 'Key', gen_random_uuid()::text, 'cm-abc', 'wxyz', 1, 1
      from generate_series(1, 3)`;
    const page = (first: number) =>
      `{ apiKeys(first: ${first}, accountId: "${accountId}") { nodes { id } } }`;
    expect((await api.call(page(100), { token })).status).toBe(200);
    expect((await api.call(page(120), { token })).status).toBe(429);
    expect((await api.call(page(100), { token })).status).toBe(200);
  }, 40_000);

  it('is refused with 429 when the minute is spent, to this caller alone', async () => {
    await beginningOfWindow();
    const one = await tenant();
    const other = await tenant();
    const call = (token: string) => api.call(VIEWER, { token });
    const statuses: number[] = [];
    for (let request = 0; request < 14; request += 1) statuses.push((await call(one.managementToken)).status);
    expect(statuses.slice(0, 13)).toEqual(Array(13).fill(200));
    const refused = await call(one.managementToken);
    expect(refused.status).toBe(429);
    expect(refused.errors[0]?.extensions?.code).toBe('RATE_LIMITED');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await call(other.managementToken)).status).toBe(200);
  }, 40_000);

  it('is limited while Redis is away too', async () => {
    const { Redis } = await import('ioredis');
    const away = new Redis({ lazyConnect: true });
    const limiter = new RateLimiter(away, systemClock);
    await beginningOfWindow();
    const spend = async () => (await limiter.spend('caller', { max: 2, windowSeconds: 60 })).allowed;
    expect([await spend(), await spend(), await spend()]).toEqual([true, true, false]);
    away.disconnect();
  }, 40_000);
});

/** Straight in the tables: the operator of this file has a small minute too. */
async function tenant(): Promise<{ accountId: string; managementToken: string }> {
  const { mintAccessToken } = await import('#control-plane/accounts/access-token.ts');
  const { secret, digest } = mintAccessToken('management');
  const [account] = await api.sql<{ id: string }[]>`
    insert into accounts (id, name) values (uuidv7(), 'Tenant') returning id`;
  await api.sql`
    insert into access_tokens (id, kind, account_id, name, digest, scopes)
    values (uuidv7(), 'management', ${account?.id ?? ''}, 'token', ${digest}, array['keys:read'])`;
  return { accountId: `acct_${account?.id.replaceAll('-', '')}`, managementToken: secret };
}
