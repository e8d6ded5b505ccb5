import { randomUUID } from 'node:crypto';
import { TOTP, URI } from 'otpauth';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './api-fixture.ts';
import { Browser, linkTo, PASSWORD, signUp } from './sign-in-client.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const VIEWER = '{ viewer { kind email accounts { role } } }';

describe('signing up', () => {
  it('needs the confirmation of the address, which signs in', async () => {
    const email = `${randomUUID()}@example.com`;
    const browser = new Browser(api);
    await browser.auth('/sign-up/email', { name: 'Ada', email, password: PASSWORD });
    expect((await browser.auth('/sign-in/email', { email, password: PASSWORD })).status).toBe(403);
    expect((await browser.query(VIEWER)).errors[0]?.extensions?.code).toBe('UNAUTHENTICATED');
    await browser.auth(linkTo(api, email));
    expect((await browser.query(VIEWER)).data.viewer).toEqual({ kind: 'USER', email, accounts: [] });
  });

  it('keeps neither passwords nor links in tables or logs', async () => {
    const { email } = await signUp(api);
    await new Browser(api).auth('/request-password-reset', { email, redirectTo: '/' });
    const token = /reset-password\/([^?]+)/.exec(linkTo(api, email))?.[1] ?? 'none';
    const tables = await api.sql`
      select row_to_json(user_credentials)::text as row from user_credentials
      union all select row_to_json(user_verifications)::text from user_verifications`;
    const stored = JSON.stringify(tables) + api.logLines.join('');
    expect(stored).not.toContain(PASSWORD);
    expect(token.length).toBeGreaterThan(10);
    expect(stored).not.toContain(token);
  });

  it('tells nobody whether an address has an account', async () => {
    const { email } = await signUp(api);
    const again = { name: 'Eve', email, password: 'another password' };
    const fresh = { ...again, email: `${randomUUID()}@example.com` };
    const [known, unknown] = [
      await new Browser(api).auth('/sign-up/email', again),
      await new Browser(api).auth('/sign-up/email', fresh),
    ];
    expect(known.status).toBe(unknown.status);
    expect(Object.keys(known.body.user).sort()).toEqual(Object.keys(unknown.body.user).sort());
    expect(
      (await new Browser(api).auth('/sign-in/email', { email, password: 'another password' })).status,
    ).toBe(401);
  });

  it.each([
    ['a short password', { password: 'short' }],
    ['no address', { email: 'nobody' }],
    ['a name with a line break', { name: 'a\nb' }],
  ])('is refused with %s', async (_case, part) => {
    const input = { name: 'Ada', email: `${randomUUID()}@example.com`, password: PASSWORD, ...part };
    expect((await new Browser(api).auth('/sign-up/email', input)).status).toBeGreaterThanOrEqual(400);
  });
});

describe('a session', () => {
  it('lives in a cookie that scripts cannot read, and ends with signing out', async () => {
    const { email } = await signUp(api);
    const browser = new Browser(api);
    const { headers } = await browser.auth('/sign-in/email', { email, password: PASSWORD });
    const cookie = headers.getSetCookie().find((line) => line.includes('session_token'));
    expect(cookie).toMatch(/HttpOnly/i);
    expect(cookie).toMatch(/SameSite=Lax/i);
    const kept = browser.cookie;
    await browser.auth('/sign-out', {});
    const { errors } = await api.call(VIEWER, { token: null, headers: { cookie: kept } });
    expect(errors[0]?.extensions?.code).toBe('UNAUTHENTICATED');
  });

  it('is listed and can be revoked from another one', async () => {
    const { browser, email } = await signUp(api);
    const other = new Browser(api);
    await other.auth('/sign-in/email', { email, password: PASSWORD });
    const { body: sessions } = await browser.auth('/list-sessions');
    expect(sessions).toHaveLength(2);
    await browser.auth('/revoke-other-sessions', {});
    expect((await other.query(VIEWER)).errors[0]?.extensions?.code).toBe('UNAUTHENTICATED');
    expect((await browser.query(VIEWER)).errors).toEqual([]);
  });

  it('does nothing for the pages of others, nor by a link', async () => {
    const { browser } = await signUp(api);
    const status = async (headers: Record<string, string>) =>
      (await api.call(VIEWER, { token: null, headers: { cookie: browser.cookie, ...headers } })).status;
    expect(await status({ origin: 'https://evil.example' })).toBe(403);
    expect(await status({ origin: 'null' })).toBe(403);
    expect(await status({ 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await status({ origin: 'https://console.example.com' })).toBe(200);
    expect(await status({})).toBe(200);
    const link = await fetch(`${api.url}?query=${encodeURIComponent(VIEWER)}`, {
      headers: { cookie: browser.cookie },
    });
    expect(link.status).toBe(403);
    const { status: foreign } = await new Browser(api, 'https://evil.example').auth('/sign-in/email', {
      email: 'a@example.com',
      password: PASSWORD,
    });
    expect(foreign).toBe(403);
  });
});

describe('a forgotten password', () => {
  it('is replaced through a link by mail that works once, and ends all sessions', async () => {
    const { browser, email } = await signUp(api);
    await new Browser(api).auth('/request-password-reset', { email, redirectTo: '/' });
    const token = /reset-password\/([^?]+)/.exec(linkTo(api, email))?.[1];
    const reset = { newPassword: 'a whole new password', token };
    expect((await new Browser(api).auth('/reset-password', reset)).status).toBe(200);
    expect((await new Browser(api).auth('/reset-password', reset)).status).toBe(400);
    expect((await browser.query(VIEWER)).errors).toHaveLength(1);
    const signIn = (password: string) => new Browser(api).auth('/sign-in/email', { email, password });
    expect((await signIn(PASSWORD)).status).toBe(401);
    expect((await signIn('a whole new password')).status).toBe(200);
  });
});

describe('a second factor', () => {
  it('is asked for after the password once it is set up, and gives no session before', async () => {
    const { browser, email } = await signUp(api);
    const { body } = await browser.auth('/two-factor/enable', { password: PASSWORD });
    const factor = URI.parse(body.totpURI);
    if (!(factor instanceof TOTP)) throw new Error('The second factor is a TOTP');
    expect(body.backupCodes.length).toBeGreaterThan(0);
    await browser.auth('/two-factor/verify-totp', { code: factor.generate() });
    const stored = JSON.stringify(await api.sql`select * from user_two_factors`);
    expect(stored).not.toContain(factor.secret.base32);
    const next = new Browser(api);
    const first = await next.auth('/sign-in/email', { email, password: PASSWORD });
    expect(first.body.twoFactorRedirect).toBe(true);
    expect((await next.query(VIEWER)).errors).toHaveLength(1);
    expect((await next.auth('/two-factor/verify-totp', { code: '000000' })).status).toBe(401);
    expect((await next.auth('/two-factor/verify-totp', { code: factor.generate() })).status).toBe(200);
    expect((await next.query(VIEWER)).data.viewer.email).toBe(email);
  });
});

describe('a program', () => {
  it('signs up and in without the origin of a page, as it has none', async () => {
    const email = `${randomUUID()}@example.com`;
    const post = (path: string, body: object) =>
      fetch(api.url.replace('/graphql', `/auth${path}`), {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'sec-fetch-mode': 'cors' },
        body: JSON.stringify(body),
      });
    expect((await post('/sign-up/email', { name: 'Script', email, password: PASSWORD })).status).toBe(200);
    await new Browser(api).auth(linkTo(api, email));
    const { status, headers } = await post('/sign-in/email', { email, password: PASSWORD });
    expect(status).toBe(200);
    const cookie = headers
      .getSetCookie()
      .map((line) => line.split(';', 1)[0])
      .join('; ');
    expect((await api.call(VIEWER, { token: null, headers: { cookie } })).data.viewer.email).toBe(email);
  });
});

describe('guessing', () => {
  it('is slowed down per address, also over other connections', async () => {
    const strict = await startTestApi({ strictSignIn: true });
    const statuses: number[] = [];
    for (let attempt = 0; attempt < 22; attempt += 1) {
      const answer = await new Browser(strict).auth('/sign-in/email', {
        email: 'ada@example.com',
        password: `wrong password ${attempt}`,
      });
      statuses.push(answer.status);
    }
    await strict.close();
    // A window may end in between; two windows of ten cannot hold 22 guesses.
    expect(statuses).toContain(429);
    expect(statuses.slice(0, 10)).not.toContain(500);
  });

  it('stays within small bodies and known paths', async () => {
    const browser = new Browser(api);
    const large = { email: 'a@example.com', password: 'x'.repeat(100_000) };
    expect((await browser.auth('/sign-in/email', large)).status).toBe(413);
    expect((await browser.auth('/sign-in/social', { provider: 'github' })).status).toBe(404);
  });
});
