import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
let developmentApi: TestApi;
beforeAll(async () => {
  api = await startTestApi();
  developmentApi = await startTestApi({ development: true });
});
afterAll(async () => {
  await api.close();
  await developmentApi.close();
});

const VIEWER = '{ viewer { kind } }';

async function post(body: string | Uint8Array, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(api.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${api.operatorToken}`, ...headers },
    body: typeof body === 'string' ? body : new Blob([new Uint8Array(body)]),
  });
}

describe('authentication', () => {
  it.each([
    ['no token', null],
    ['an unknown token', 'cmo_0000000000000000000000000000000000000000'],
    ['an endless token', 'x'.repeat(5_000)],
  ])('answers 401 and UNAUTHENTICATED to %s', async (_case, token) => {
    const { status, errors, headers } = await api.call(VIEWER, { token });
    expect(status).toBe(401);
    expect(errors[0]?.extensions).toEqual({
      code: 'UNAUTHENTICATED',
      requestId: headers.get('x-request-id'),
    });
  });

  it('refuses a management token that has expired', async () => {
    const { managementToken } = await api.openAccount();
    expect((await api.call(VIEWER, { token: managementToken })).status).toBe(200);
    await api.sql`update access_tokens set expires_at = now() - interval '1 second' where kind = 'management'`;
    expect((await api.call(VIEWER, { token: managementToken })).status).toBe(401);
  });

  it('stores tokens only as digests', async () => {
    const { managementToken } = await api.openAccount();
    const rows = JSON.stringify(await api.sql`select * from access_tokens`);
    expect(rows).not.toContain(managementToken.slice(4));
    expect(rows).not.toContain(api.operatorToken.slice(4));
  });
});

describe('limits of a request', () => {
  const keys = (size: number) =>
    `accounts(first: 100) { nodes { apiKeys(first: ${size}) { nodes { id } } } }`;

  it.each([
    [
      '13 levels',
      `{ ${'node(id: "x") { ... on Account { apiKeys { nodes { '.repeat(4)} id ${'} } } }'.repeat(4)} }`,
    ],
    ['16 aliases', `{ ${Array.from({ length: 16 }, (_, index) => `a${index}: viewer { kind }`).join(' ')} }`],
    ['1,001 tokens', `{ ${'viewer { kind } '.repeat(300)} }`],
    ['21 directives', `{ viewer { kind ${'@include(if: true) '.repeat(21)} } }`],
    ['pages of pages of pages', `{ ${keys(1_000)} }`],
  ])('refuses %s', async (_case, document) => {
    const { status, errors } = await api.call(document);
    expect(errors[0]?.extensions?.code).toBe('QUERY_TOO_COMPLEX');
    expect(status).toBe(400);
  });

  it('refuses pages that only a variable or its default makes too large', async () => {
    const document = (definition: string) =>
      `query (${definition}) { accounts(first: 100) { nodes { apiKeys(first: $size) { nodes { id } } } } }`;
    const variables = { size: 1_000 };
    expect(await api.codes(document('$size: Int'), { variables })).toEqual(['QUERY_TOO_COMPLEX']);
    expect(await api.codes(document('$size: Int = 1000'))).toEqual(['QUERY_TOO_COMPLEX']);
    expect(await api.codes(document('$size: Int = 100'))).toEqual([]);
  });

  it('refuses pages hidden in fragments', async () => {
    const document = `
      query { accounts(first: 1000) { nodes { ...keys } } }
      fragment keys on Account { ...more ...more }
      fragment more on Account { apiKeys(first: 1000) { nodes { id } } }`;
    expect(await api.codes(document)).toEqual(['QUERY_TOO_COMPLEX']);
  });

  it('takes what a console or a checker reasonably asks for', async () => {
    const usage = `usageRecords(first: 1000) { edges { node { requestId status model inputTokens outputTokens
      cacheReadTokens cacheWriteTokens estimated costUsd } } pageInfo { hasNextPage endCursor } }`;
    const { accountId } = await api.openAccount();
    expect(await api.codes(`{ account(id: "${accountId}") { ${usage} } }`)).toEqual([]);
    expect(await api.codes(`{ ${keys(100)} }`)).toEqual([]);
  });

  it('refuses a body above 2 MB, announced or not', async () => {
    const padding = '#'.repeat(2_200_000);
    const announced = await post(JSON.stringify({ query: `${VIEWER} ${padding}` }));
    expect(announced.status).toBe(413);
    const chunked = await new Promise<number | undefined>((resolve, reject) => {
      const sending = request(
        api.url,
        { method: 'POST', headers: { 'content-type': 'application/json' } },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        },
      );
      sending.on('error', reject);
      sending.write(`{"query": "${padding.slice(0, 1_200_000)}`);
      sending.write(padding.slice(0, 1_200_000));
      sending.end('"}');
    });
    expect(chunked).toBe(413);
  });

  it('refuses a batch of operations', async () => {
    const answer = await post(JSON.stringify([{ query: VIEWER }, { query: VIEWER }]));
    expect(answer.status).toBe(400);
  });

  it.each([
    ['text/plain', 'text/plain'],
    ['a form', 'application/x-www-form-urlencoded'],
    ['a multipart form', 'multipart/form-data; boundary=x'],
  ])('refuses %s', async (_case, contentType) => {
    const answer = await post(JSON.stringify({ query: VIEWER }), { 'content-type': contentType });
    expect(answer.status).toBe(415);
  });

  it.each([
    ['JSON that is none', '{"query": '],
    ['a number', '7'],
    ['a query that is a list', '{"query": ["{ viewer { kind } }"]}'],
  ])('answers 400 to %s', async (_case, body) => {
    expect((await post(body)).status).toBe(400);
  });
});

describe('what strangers may learn', () => {
  const INTROSPECTION = '{ __schema { types { name } } }';

  it('shows the schema and GraphiQL in development only', async () => {
    expect((await developmentApi.call(INTROSPECTION)).errors).toEqual([]);
    expect((await api.call(INTROSPECTION)).errors).not.toEqual([]);
    const page = async (url: string) => await fetch(url, { headers: { accept: 'text/html' } });
    expect(await (await page(developmentApi.url)).text()).toContain('CrossModel');
    expect((await page(api.url)).status).toBeGreaterThanOrEqual(400);
  });

  it('suggests no field names in production', async () => {
    const messageOf = async (from: TestApi) => (await from.call('{ viewr { kind } }')).errors[0]?.message;
    expect(await messageOf(developmentApi)).toContain('Did you mean "viewer"');
    expect(await messageOf(api)).not.toContain('viewer');
  });

  it('masks its own faults, and logs them without the values of the query', async () => {
    const own = await startTestApi();
    await own.sql`alter table models rename to models_away`;
    const { errors, headers } = await own.call('{ model(id: "secret/canary-1234") { id } }');
    await own.sql`alter table models_away rename to models`;
    await own.close();
    expect(errors).toEqual([
      {
        message: 'Something went wrong on our side.',
        path: ['model'],
        extensions: expect.objectContaining({
          code: 'INTERNAL_SERVER_ERROR',
          requestId: headers.get('x-request-id'),
        }),
      },
    ]);
    const logged = own.logLines.join('');
    expect(logged).toContain(headers.get('x-request-id'));
    expect(logged).toContain('42P01');
    expect(logged).not.toContain('canary-1234');
  });

  it('answers nothing but its three paths', async () => {
    const answer = await fetch(api.url.replace('/graphql', '/admin'));
    expect(answer.status).toBe(404);
  });
});

describe('odd requests', () => {
  it('are told that a text cannot be stored', async () => {
    expect(await api.codes('{ accounts(externalId: "\\u0000") { nodes { id } } }')).toEqual([
      'BAD_USER_INPUT',
    ]);
    expect(await api.codes('{ model(id: "a/\\u0000") { id } }')).toEqual(['BAD_USER_INPUT']);
  });

  it('get a page without cursors for an empty list, and take an empty cursor for none', async () => {
    const { accountId } = await api.openAccount();
    const { data } = await api.call(`{ account(id: "${accountId}") { usageRecords(after: "") {
      edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`);
    expect(data.account.usageRecords).toEqual({
      edges: [],
      pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
    });
  });

  it('may come as GET for queries, never for mutations', async () => {
    const get = async (document: string) =>
      await fetch(`${api.url}?query=${encodeURIComponent(document)}`, {
        headers: { authorization: `Bearer ${api.operatorToken}`, accept: 'application/json' },
      });
    expect(await (await get(VIEWER)).json()).toMatchObject({ data: { viewer: { kind: 'OPERATOR' } } });
    expect((await get('mutation { accountCreate(input: { name: "x" }) { account { id } } }')).status).toBe(
      405,
    );
  });
});

describe('health', () => {
  it('is alive, and ready while Postgres answers', async () => {
    const at = async (path: string) => await fetch(api.url.replace('/graphql', path));
    expect(await (await at('/healthz')).json()).toEqual({ status: 'ok' });
    expect(await (await at('/readyz')).json()).toEqual({ status: 'ready', postgres: 'up', redis: 'up' });
  });
});
