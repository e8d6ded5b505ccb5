import { randomBytes, randomUUID } from 'node:crypto';
import { drizzle } from 'drizzle-orm/postgres-js';
import { pino } from 'pino';
import postgres from 'postgres';
import { expect } from 'vitest';
import { z } from 'zod';
import { mintAccessToken } from '#control-plane/accounts/access-token.ts';
import { ensureOperatorToken } from '#control-plane/accounts/ensure-operator-token.ts';
import type { BillingSettings } from '#control-plane/billing/billing-settings.ts';
import { openPayments } from '#control-plane/billing/open-payments.ts';
import { seedCatalog } from '#control-plane/catalog/seed-catalog.ts';
import { exportRoute } from '#control-plane/exports/serve-export.ts';
import { startApiServer } from '#control-plane/http-server.ts';
import { LiveFeed } from '#control-plane/live/live-feed.ts';
import type { Mail, Mailbox } from '#control-plane/mail/open-mailbox.ts';
import { openSignIn } from '#control-plane/people/open-sign-in.ts';
import { RateLimiter } from '#control-plane/rate-limit.ts';
import type { Database, Sql } from '#db/client.ts';
import { systemClock } from '#shared/clock.ts';
import { GuardedFetcher } from '#shared/guarded-fetch.ts';
import { openRedisLink } from '#shared/redis-link.ts';
import { parseSealingKey, type SealingKey } from '#shared/sealed-secret.ts';
import { testDatabaseUrl, testRedisUrl } from '#test/setup/test-backends.ts';

const errorShape = z.object({
  message: z.string(),
  path: z.array(z.union([z.string(), z.number()])).optional(),
  extensions: z.object({ code: z.string(), requestId: z.string() }).partial().optional(),
});

/** Where browsers would find the API; links in mails begin with it. */
export const PUBLIC_URL = 'http://api.example.com';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever shape they asked for, and fail where it differs
  readonly data: any;
  readonly errors: readonly z.infer<typeof errorShape>[];
}

export interface TestApi {
  readonly url: string;
  readonly mailbox: Mailbox;
  /** Lets webhook endpoints be on this machine. */
  readonly webhookFetcher: GuardedFetcher;
  readonly liveFeed: LiveFeed;
  readonly sql: Sql;
  readonly database: Database;
  readonly redis: ReturnType<typeof openRedisLink>['client'];
  readonly sealingKey: SealingKey;
  readonly operatorToken: string;
  /** SQL statements sent through the API's own connection so far. */
  readonly statements: string[];
  /** Mail that has left, oldest first. */
  readonly mails: Mail[];
  /** Everything the API has logged. */
  readonly logLines: string[];
  call(
    document: string,
    options?: { token?: string | null; variables?: object; headers?: Record<string, string> },
  ): Promise<Answer>;
  /** As the operator; fails the test on top-level errors and on user errors. Returns the payload of the only mutation. */
  // biome-ignore lint/suspicious/noExplicitAny: as Answer.data
  mutate(name: string, input: object, selection: string, token?: string): Promise<any>;
  /** Codes of the top-level errors of a call. */
  codes(document: string, options?: Parameters<TestApi['call']>[1]): Promise<unknown[]>;
  /** As {@link mutate}, but expects a refusal and returns its user errors. */
  refusal(name: string, input: object, token?: string): Promise<readonly { code: string; path: string[] }[]>;
  openAccount(name?: string): Promise<{ accountId: string; managementToken: string }>;
  close(): Promise<void>;
}

/** The JSON of an answer; of a stream that was refused, its only event. */
async function bodyOf(response: Response): Promise<unknown> {
  if (!response.headers.get('content-type')?.includes('text/event-stream')) return await response.json();
  return JSON.parse(/^data: (.+)$/m.exec(await response.text())?.[1] ?? '{}');
}

/** The real API on a port of its own, with the test file's Postgres and Redis, the seeded catalog and an operator. */
export async function startTestApi(
  options: {
    development?: boolean;
    strictSignIn?: boolean;
    costPerMinute?: number;
    apiTimeoutMs?: number;
    billing?: BillingSettings;
  } = {},
): Promise<TestApi> {
  const statements: string[] = [];
  const logLines: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void logLines.push(line) });
  const client = postgres(await testDatabaseUrl(), { max: 5, onnotice: () => undefined });
  const sql = postgres(await testDatabaseUrl(), { max: 5, onnotice: () => undefined });
  const database = drizzle(client, { logger: { logQuery: (query) => void statements.push(query) } });
  const link = openRedisLink(await testRedisUrl(), 'test-api', logger);
  const sealingKey = parseSealingKey(randomBytes(32).toString('hex'));
  if (!sealingKey) throw new Error('A random key is a key');
  const operatorToken = mintAccessToken('operator').secret;
  await database.transaction((tx) =>
    ensureOperatorToken(tx, { name: `test-${randomUUID()}`, secret: operatorToken }),
  );
  await seedCatalog(database);
  const mails: Mail[] = [];
  const mailbox: Mailbox = {
    post: (mail) => void mails.push(mail),
    send: async (mail) => void mails.push(mail),
    close: async () => undefined,
  };
  const liveFeed = new LiveFeed(await testRedisUrl());
  const webhookFetcher = new GuardedFetcher({ trustedAddresses: ['127.0.0.1'] });
  const rateLimiter = new RateLimiter(link.client, systemClock);
  const consoleOrigins = ['https://console.example.com'];
  const development = options.development ?? false;
  const signIn = openSignIn({
    database,
    sealingKey,
    mailbox,
    rateLimiter,
    logger,
    publicUrl: PUBLIC_URL,
    consoleOrigins,
    development: options.strictSignIn !== true,
  });
  const payments = openPayments(
    { database, redisUrl: await testRedisUrl(), sealingKey, logger },
    options.billing ?? null,
  );
  const server = await startApiServer(
    {
      database,
      redis: link.client,
      sealingKey,
      mailbox,
      webhookFetcher,
      liveFeed,
      rateLimiter,
      signIn,
      publicUrl: PUBLIC_URL,
      costPerMinute: options.costPerMinute ?? 10_000_000,
      apiTimeoutMs: options.apiTimeoutMs ?? 60_000,
      ...payments.resources,
    },
    {
      routes: [...payments.routes, exportRoute(database, sealingKey)],
      development,
      logger,
      bindAddress: '127.0.0.1',
      port: 0,
      trustedProxies: ['127.0.0.1'],
      consoleOrigins,
      publicUrl: PUBLIC_URL,
    },
  );
  const url = `http://127.0.0.1:${server.port}/graphql`;

  const call: TestApi['call'] = async (document, { token = operatorToken, variables, headers } = {}) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      body: JSON.stringify({ query: document, variables }),
    });
    const body = z
      .object({ data: z.unknown().optional(), errors: z.array(errorShape).optional() })
      .parse(await bodyOf(response));
    return { status: response.status, headers: response.headers, data: body.data, errors: body.errors ?? [] };
  };
  const run = async (name: string, input: object, selection: string, token = operatorToken) => {
    const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}Input`;
    const answer = await call(
      `mutation ($input: ${type}!) { ${name}(input: $input) { ${selection} userErrors { code message path } } }`,
      { token, variables: { input } },
    );
    expect(answer.errors).toEqual([]);
    return answer.data[name];
  };
  const mutate: TestApi['mutate'] = async (name, input, selection, token) => {
    const payload = await run(name, input, selection, token);
    expect(payload.userErrors).toEqual([]);
    return payload;
  };
  return {
    url,
    mailbox,
    webhookFetcher,
    liveFeed,
    sql,
    database,
    redis: link.client,
    sealingKey,
    operatorToken,
    statements,
    mails,
    logLines,
    call,
    mutate,
    codes: async (document, options) =>
      (await call(document, options)).errors.map((error) => error.extensions?.code),
    refusal: async (name, input, token) => {
      const { userErrors } = await run(name, input, '', token);
      expect(userErrors).not.toEqual([]);
      return userErrors.map(({ code, path }: { code: string; path: string[] }) => ({ code, path }));
    },
    openAccount: async (name = 'Customer') => {
      const { account } = await mutate('accountCreate', { name }, 'account { id }');
      const { secret } = await mutate(
        'managementTokenCreate',
        { accountId: account.id, name: 'automation' },
        'secret',
      );
      return { accountId: account.id, managementToken: secret };
    },
    close: async () => {
      liveFeed.close();
      await server.close();
      await payments.resources.queues.close();
      link.close();
      await Promise.all([client.end(), sql.end()]);
    },
  };
}
