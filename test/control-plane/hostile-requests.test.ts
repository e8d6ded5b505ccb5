import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const LARGEST_REFUSAL_BYTES = 10_000;
const VIEWER = '{ viewer { kind } }';
const answerShape = z.object({
  data: z.unknown().optional(),
  errors: z
    .array(
      z.object({ message: z.string(), extensions: z.object({ code: z.string(), requestId: z.string() }) }),
    )
    .optional(),
});

async function send(body: string): Promise<{ codes: string[]; messages: string[]; bytes: number }> {
  const response = await fetch(api.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${api.operatorToken}` },
    body,
  });
  const text = await response.text();
  const { errors = [] } = answerShape.parse(JSON.parse(text));
  const requestId = response.headers.get('x-request-id');
  for (const error of errors) expect(error.extensions.requestId).toBe(requestId);
  return {
    codes: [...new Set(errors.map((error) => error.extensions.code))],
    messages: errors.map((error) => error.message),
    bytes: text.length,
  };
}

const request = (query: string, variables?: unknown, more: object = {}) =>
  JSON.stringify({ query, variables, ...more });
const many = (count: number, part: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => part(i)).join(' ');
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const WITH_PAGE = 'query ($size: Int) { apiKeys(first: $size) { nodes { id } } }';
const WITH_ACCOUNT =
  'mutation ($input: AccountCreateInput!) { accountCreate(input: $input) { account { id } } }';
const CIRCLE = `{ accounts { nodes { ...a } } } fragment a on Account { apiKeys { nodes { account { ...a } } } }`;
const BOMB = `{ ...f0 } ${many(40, (i) => `fragment f${i} on Query { ...f${i + 1} ...f${i + 1} }`)} fragment f40 on Query ${VIEWER}`;

describe('a hostile request is refused with a code, its request id and a short answer:', () => {
  it.each<[string, string, string]>([
    [
      '50 levels',
      request(`{ ${'accounts { nodes { '.repeat(25)} id ${'} }'.repeat(25)} }`),
      'QUERY_TOO_COMPLEX',
    ],
    [
      '50 inline fragments',
      request(`{ ${'... on Query { '.repeat(50)} viewer { kind } ${'}'.repeat(50)} }`),
      'QUERY_TOO_COMPLEX',
    ],
    ['100,000 braces', request('{a'.repeat(50_000)), 'QUERY_TOO_COMPLEX'],
    ['1,000 aliases', request(`{ ${many(1_000, (i) => `a${i}: viewer { kind }`)} }`), 'QUERY_TOO_COMPLEX'],
    ['a batch', `[${request(VIEWER)},${request(VIEWER)}]`, 'BAD_REQUEST'],
    ['introspection', request('{ __schema { types { name } } }'), 'GRAPHQL_VALIDATION_FAILED'],
    ['a document of 1.9 MB', request(`${VIEWER} #${'x'.repeat(1_900_000)}`), 'QUERY_TOO_COMPLEX'],
    [
      'a long name in many errors',
      request(`query ${'x'.repeat(90_000)}(${many(200, (i) => `$v${i}: Int`)}) ${VIEWER}`),
      'GRAPHQL_VALIDATION_FAILED',
    ],
    ['a long operation name', request(VIEWER, {}, { operationName: 'x'.repeat(100_000) }), 'BAD_REQUEST'],
    ['a field in other letters', request('{ ｖiewer { kind } }'), 'GRAPHQL_PARSE_FAILED'],
    ['a zero-width space', request('{ viewer\u200b { kind } }'), 'GRAPHQL_PARSE_FAILED'],
    ['half a surrogate pair', request(WITH_ACCOUNT, { input: { name: 'a\ud800b' } }), 'BAD_USER_INPUT'],
    ['a NUL in a variable', request(WITH_ACCOUNT, { input: { name: 'a\0b' } }), 'BAD_USER_INPUT'],
    [
      'variables 900,000 levels deep',
      `{"query":${JSON.stringify(WITH_PAGE)},"variables":{"size":${nested(900_000)}}}`,
      'BAD_REQUEST',
    ],
    ['a body 900,000 levels deep', nested(900_000), 'BAD_REQUEST'],
    [
      'a page size of 1e400',
      `{"query":${JSON.stringify(WITH_PAGE)},"variables":{"size":1e400}}`,
      'QUERY_TOO_COMPLEX',
    ],
    ['a negative page size', request(WITH_PAGE, { size: -1 }), 'BAD_USER_INPUT'],
    [
      'an integer of 26 digits',
      request('{ apiKeys(first: 99999999999999999999999999) { nodes { id } } }'),
      'GRAPHQL_VALIDATION_FAILED',
    ],
    [
      '10,000 variables',
      request(`query (${many(10_000, (i) => `$v${i}: Int`)}) ${VIEWER}`),
      'QUERY_TOO_COMPLEX',
    ],
    ['a text of 1.5 MB for a number', request(WITH_PAGE, { size: 'x'.repeat(1_500_000) }), 'BAD_USER_INPUT'],
    [
      '20,000 unknown fields',
      request(WITH_ACCOUNT, {
        input: Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`f${i}`, i])),
      }),
      'BAD_USER_INPUT',
    ],
    [
      'unknown fields with long names',
      request(WITH_ACCOUNT, {
        input: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${i}${'x'.repeat(15_000)}`, i])),
      }),
      'BAD_USER_INPUT',
    ],
    [
      '50,000 ids',
      request('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', {
        ids: Array.from({ length: 50_000 }, (_, i) => `acct_${i}`),
      }),
      'QUERY_TOO_COMPLEX',
    ],
    ['circular fragments', request(CIRCLE), 'GRAPHQL_VALIDATION_FAILED'],
    ['fragments that double 40 times', request(BOMB), 'QUERY_TOO_COMPLEX'],
    [
      'a flood of directives',
      request(`{ viewer ${'@include(if: true) '.repeat(100)} { kind } }`),
      'QUERY_TOO_COMPLEX',
    ],
    ['unknown directives', request(`{ viewer ${'@a '.repeat(10)} { kind } }`), 'GRAPHQL_VALIDATION_FAILED'],
    ['an unknown member of the body', '{"query":"{ viewer { kind } }","__proto__":{"x":1}}', 'BAD_REQUEST'],
  ])('%s', async (_case, body, code) => {
    const { codes, bytes } = await send(body);
    expect(codes).toEqual([code]);
    expect(bytes).toBeLessThan(LARGEST_REFUSAL_BYTES);
  });

  it('an address that is none, without harm to the process', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(new URL(api.url).port), '127.0.0.1', () => {
        socket.write('GET // HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
      });
      let received = '';
      socket.on('data', (bytes) => {
        received += bytes.toString();
      });
      socket.on('end', () => resolve(received));
      socket.on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect((await api.call(VIEWER)).status).toBe(200);
  });
});

describe('what is wrong with a variable', () => {
  const KEYS = 'mutation ($input: ApiKeysCreateInput!) { apiKeysCreate(input: $input) { secrets } }';

  it('is told with its place, without repeating the value or naming what there is', async () => {
    const key = {
      name: 'good',
      aliases: [
        { alias: 'a', kind: 'EXACT', model: 'a/b' },
        { alias: 'b', kind: 'NEAR' },
      ],
    };
    const { messages } = await send(
      request(KEYS, { input: { accountId: 'secret-canary', keys: [{ nam: 'x' }, key] } }),
    );
    expect(messages).toEqual([
      'Variable "$input.keys[0]": has a field "nam" too many.',
      'Variable "$input.keys[0].name": must not be null.',
      expect.stringContaining('Variable "$input.keys[1].aliases[1].kind": '),
      'Variable "$input.keys[1].aliases[1].model": must not be null.',
    ]);
    expect(messages.join()).not.toMatch(/canary|EXACT|Did you mean/);
  });

  it('is nothing where lists are written as their only item, and where nulls and defaults may stand', async () => {
    const { accountId } = await api.openAccount();
    const { codes } = await send(
      request(KEYS, { input: { accountId, keys: { name: 'only', rpmLimit: null } }, unused: [1] }),
    );
    expect(codes).toEqual([]);
  });
});

describe('a name', () => {
  it.each([
    ['nothing to see', '\u200b\u200b'],
    ['a mark of direction', 'abc\u200fdef'],
    ['a byte order mark', '\ufeffabc'],
  ])('with %s is refused', async (_case, name) => {
    expect(await api.refusal('accountCreate', { name })).toEqual([
      { code: 'INVALID_INPUT', path: ['input', 'name'] },
    ]);
  });
});

describe('a request that takes too long', () => {
  it('is answered with TIMEOUT and 504, does nothing more, and leaves no trace of its cause', async () => {
    const impatient = await startTestApi({ apiTimeoutMs: 300 });
    const lock = await api.sql.reserve();
    await lock`begin`;
    await lock`lock table models in access exclusive mode`;
    impatient.statements.length = 0;
    const { status, errors, headers } = await impatient.call('{ models { nodes { id price { id } } } }');
    const sent = impatient.statements.length;
    await lock`rollback`;
    lock.release();
    expect(status).toBe(504);
    expect(errors).toEqual([
      {
        message: expect.stringContaining('took too long'),
        extensions: { code: 'TIMEOUT', requestId: headers.get('x-request-id') },
      },
    ]);
    expect((await impatient.call(VIEWER)).status).toBe(200);
    expect(impatient.statements.slice(sent).filter((statement) => statement.includes('price'))).toEqual([]);
    await impatient.close();
  });
});
