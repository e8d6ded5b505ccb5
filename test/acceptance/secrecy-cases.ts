import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { Redis } from 'ioredis';
import postgres from 'postgres';
import { describe, expect, it } from 'vitest';
import { scriptInMessage } from '#test/fakes/mock-script.ts';
import { bearer, callV1, MOCK_MODEL, newCustomer, type Outside, SANDBOX_MODEL } from './outside.ts';

const MAX_FILE_BYTES = 256 * 1024 * 1024;

export function secrecyCases(outside: () => Outside): void {
  describe('what is kept', () => {
    it('holds no prompt, completion, end-user id, API key or provider key: in files, tables and Redis', async () => {
      const canaries = await leaveTraces(outside());
      const { product } = outside();
      expect(await tableText(product.databaseUrl)).toSatisfy((text: string) => text.includes('Acceptance'));
      const places = new Map([
        ...readFiles(product.home),
        ['tables', await tableText(product.databaseUrl)] as const,
        ['redis', await redisText(product.redisUrl)] as const,
      ]);
      // The search is only worth something where it would find what is there.
      expect(places.get('redis')).toContain(':');
      expect(places.get('redis')).toContain(product.access.accountId.replace(/^acct_/, '').slice(0, 8));
      expect(places.size).toBeGreaterThan(8);
      const found = [...places].flatMap(([place, text]) =>
        Object.entries(canaries)
          .filter(([, canary]) => text.includes(canary))
          .map(([kind]) => `${kind} in ${place}`),
      );
      expect(found).toEqual([]);
    });
  });
}

/** Sends unmistakable words through every kind of request, failing ones included, and waits until they are recorded. */
async function leaveTraces(outside: Outside): Promise<Record<string, string>> {
  const canary = (kind: string): string => `${kind}${randomBytes(9).toString('hex')}`;
  const words = {
    prompt: canary('promptcanary'),
    completion: canary('completioncanary'),
    endUser: canary('endusercanary'),
  };
  const customer = await newCustomer(outside);
  const unknownKey = `cm-${randomBytes(19).toString('hex')}`;
  const requests: { model: string; script: object }[] = [
    { model: MOCK_MODEL, script: {} },
    { model: MOCK_MODEL, script: { status: 500, errorBody: `{"error":{"message":"${words.completion}"}}` } },
    { model: MOCK_MODEL, script: { fault: { kind: 'garbage', afterChunks: 1 } } },
    { model: MOCK_MODEL, script: { fault: { kind: 'reset', afterChunks: 2 } } },
    { model: SANDBOX_MODEL, script: {} },
    { model: 'foo/bar', script: {} },
  ];
  for (const { model, script } of requests)
    for (const stream of [false, true])
      for (const apiKey of [customer.apiKey, unknownKey])
        await callV1(outside.product, {
          path: '/v1/chat/completions',
          headers: bearer(apiKey),
          body: {
            ...{ model, stream, user: words.endUser },
            messages: [
              { role: 'system', content: words.prompt },
              { role: 'user', content: scriptInMessage({ text: words.completion, ...script }) },
            ],
          },
        });
  for (const body of [
    `{"model":"${MOCK_MODEL}","messages":[{"role":"robot","content":"${words.prompt}"}]}`,
    `{"${words.prompt}`,
  ])
    await callV1(outside.product, { path: '/v1/chat/completions', headers: bearer(customer.apiKey), body });
  await expect
    .poll(async () => (await outside.operator.usageRecords(customer.accountId)).length, { timeout: 5_000 })
    .toBeGreaterThan(6);
  return { ...words, apiKey: customer.apiKey, unknownKey, providerKey: outside.providerKey };
}

/** Every file of the state folder but the one whose purpose is to hold the developer's own secrets. */
function readFiles(home: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const name of readdirSync(home, { recursive: true, encoding: 'utf8' })) {
    const file = path.join(home, name);
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat?.isFile() && stat.size <= MAX_FILE_BYTES && name !== 'dev.json')
      files.set(name, readFileSync(file, 'latin1'));
  }
  return files;
}

async function tableText(url: string): Promise<string> {
  const sql = postgres(url, { max: 1 });
  try {
    const tables = await sql<{ schema: string; name: string }[]>`
      select table_schema as schema, table_name as name from information_schema.tables
      where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`;
    const parts: string[] = [];
    for (const { schema, name } of tables) {
      const rows = await sql<{ row: string }[]>`select t::text as row from ${sql(schema)}.${sql(name)} t`;
      parts.push(`${schema}.${name}`, ...rows.map(({ row }) => row));
    }
    return parts.join('\n');
  } finally {
    await sql.end();
  }
}

/** Names and values of all keys of all logical databases, in the form in which Redis itself would dump them. */
async function redisText(url: string): Promise<string> {
  const redis = new Redis(url);
  try {
    const parts: string[] = [];
    const databases = Number(((await redis.config('GET', 'databases')) as string[])[1] ?? '16');
    for (let database = 0; database < databases; database += 1) {
      await redis.select(database);
      for (const key of await redis.keys('*')) parts.push(key, JSON.stringify(await storedValue(redis, key)));
    }
    return parts.join('\n');
  } finally {
    redis.disconnect();
  }
}

async function storedValue(redis: Redis, key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case 'string':
      return redis.get(key);
    case 'hash':
      return redis.hgetall(key);
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'set':
      return redis.smembers(key);
    case 'zset':
      return redis.zrange(key, 0, -1);
    case 'stream':
      return redis.xrange(key, '-', '+');
    default:
      return null;
  }
}
