import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { PUBLIC_URL, type TestApi } from './api-fixture.ts';

export const PASSWORD = 'correct horse battery';

export interface AuthAnswer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever shape they asked for, and fail where it differs
  readonly body: any;
}

/** A browser as far as signing in is concerned: it keeps cookies and sends the origin of its page. */
export class Browser {
  readonly #api: TestApi;
  readonly #origin: string;
  readonly #cookies = new Map<string, string>();

  constructor(api: TestApi, origin: string = PUBLIC_URL) {
    this.#api = api;
    this.#origin = origin;
  }

  get cookie(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  async auth(path: string, body?: object): Promise<AuthAnswer> {
    const response = await fetch(this.#api.url.replace('/graphql', `/auth${path}`), {
      method: body === undefined ? 'GET' : 'POST',
      redirect: 'manual',
      headers: {
        origin: this.#origin,
        cookie: this.cookie,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [name = '', value = ''] = line.split(';', 1)[0]?.split(/=(.*)/s) ?? [];
      if (/max-age=0/i.test(line)) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text,
    };
  }

  /** GraphQL with the session and no token. */
  async query(document: string, variables?: object) {
    return await this.#api.call(document, {
      token: null,
      variables: variables ?? {},
      headers: { cookie: this.cookie, origin: this.#origin },
    });
  }

  async mutate(name: string, input: object, selection: string) {
    const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}Input`;
    const { data, errors } = await this.query(
      `mutation ($input: ${type}!) { ${name}(input: $input) { ${selection} userErrors { code path } } }`,
      { input },
    );
    expect(errors).toEqual([]);
    return data[name];
  }
}

/** The path below `/auth` of the link in the last mail to an address. */
export function linkTo(api: TestApi, email: string): string {
  const mail = api.mails.findLast((each) => each.to === email);
  const url = new URL(/https?:\/\/\S+/.exec(mail?.text ?? '')?.[0] ?? 'http://none');
  return `${url.pathname.replace('/auth', '')}${url.search}`;
}

/** A person who has signed up, confirmed the address and is signed in. */
export async function signUp(
  api: TestApi,
  email = `${randomUUID()}@example.com`,
): Promise<{ browser: Browser; email: string }> {
  const browser = new Browser(api);
  const { status } = await browser.auth('/sign-up/email', { name: 'Ada', email, password: PASSWORD });
  expect(status).toBe(200);
  await browser.auth(linkTo(api, email));
  expect(browser.cookie).toContain('session_token');
  return { browser, email };
}
