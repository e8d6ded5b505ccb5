import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forgetExpiredAnswers } from '#control-plane/answer-once.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const CREATE = `mutation ($input: ApiKeyCreateInput!) {
  apiKeyCreate(input: $input) { apiKey { id status } secret userErrors { code path } } }`;

async function keysOf(accountId: string): Promise<number> {
  const { data } = await api.call(`{ account(id: "${accountId}") { apiKeys { nodes { id } } } }`);
  return data.account.apiKeys.nodes.length;
}

describe('an idempotency key', () => {
  it('gets the same answer again, the secret included, from the input or the header', async () => {
    const { accountId } = await api.openAccount();
    const key = randomUUID();
    const input = { accountId, name: 'Once' };
    const first = await api.call(CREATE, { variables: { input: { ...input, idempotencyKey: key } } });
    expect(first.data.apiKeyCreate.secret).toMatch(/^cm-/);
    const again = await api.call(CREATE, { variables: { input }, headers: { 'idempotency-key': key } });
    expect(again.data).toEqual(first.data);
    expect(await keysOf(accountId)).toBe(1);
  });

  it('makes one key of twenty requests at the same moment', async () => {
    const { accountId } = await api.openAccount();
    const variables = { input: { accountId, name: 'Once', idempotencyKey: randomUUID() } };
    const answers = await Promise.all(Array.from({ length: 20 }, () => api.call(CREATE, { variables })));
    expect(new Set(answers.map((answer) => answer.data.apiKeyCreate.secret)).size).toBe(1);
    expect(await keysOf(accountId)).toBe(1);
  });

  it('is refused with other input and with another mutation', async () => {
    const { accountId } = await api.openAccount();
    const idempotencyKey = randomUUID();
    await api.mutate('apiKeyCreate', { accountId, name: 'Once', idempotencyKey }, '');
    const reused = [{ code: 'IDEMPOTENCY_KEY_REUSED', path: ['input', 'idempotencyKey'] }];
    expect(await api.refusal('apiKeyCreate', { accountId, name: 'Twice', idempotencyKey })).toEqual(reused);
    expect(await api.refusal('accountCreate', { name: 'Once', idempotencyKey })).toEqual(reused);
    expect(await keysOf(accountId)).toBe(1);
  });

  it('belongs to its caller: two tokens may use the same one', async () => {
    const one = await api.openAccount();
    const two = await api.openAccount();
    const idempotencyKey = randomUUID();
    const secretOf = async ({ accountId, managementToken }: typeof one) => {
      const input = { accountId, name: 'Same', idempotencyKey };
      return (await api.mutate('apiKeyCreate', input, 'secret', managementToken)).secret;
    };
    expect(await secretOf(one)).not.toBe(await secretOf(two));
  });

  it('may be used again after a refusal, because nothing has happened', async () => {
    const { accountId } = await api.openAccount();
    const idempotencyKey = randomUUID();
    expect(await api.refusal('apiKeyCreate', { accountId, name: '', idempotencyKey })).toHaveLength(1);
    await api.mutate('apiKeyCreate', { accountId, name: 'Now', idempotencyKey }, '');
    expect(await keysOf(accountId)).toBe(1);
  });

  it('does not depend on the order in which input fields are written', async () => {
    const { accountId } = await api.openAccount();
    const key = randomUUID();
    const once = `mutation { apiKeyCreate(input: { accountId: "${accountId}", name: "a", rpmLimit: 7, idempotencyKey: "${key}" }) { secret } }`;
    const again = `mutation { apiKeyCreate(input: { idempotencyKey: "${key}", rpmLimit: 7, name: "a", accountId: "${accountId}" }) { secret } }`;
    expect((await api.call(again)).data).toEqual((await api.call(once)).data);
  });

  it.each([
    ['with a space', 'a b'],
    ['of 256 characters', 'k'.repeat(256)],
    ['that is empty', ''],
  ])('is refused %s', async (_case, idempotencyKey) => {
    expect(await api.refusal('accountCreate', { name: 'Any', idempotencyKey })).toEqual([
      { code: 'INVALID_INPUT', path: ['input', 'idempotencyKey'] },
    ]);
  });

  it('is kept sealed, and forgotten when its day is over', async () => {
    const { accountId } = await api.openAccount();
    const idempotencyKey = randomUUID();
    const input = { accountId, name: 'Sealed', idempotencyKey };
    const { secret } = await api.mutate('apiKeyCreate', input, 'secret');
    const rows = await api.sql`select * from idempotency_records where key = ${idempotencyKey}`;
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain(secret);
    expect(rows[0]?.expires_at.getTime() - Date.now()).toBeGreaterThan(23 * 3_600_000);

    expect(await forgetExpiredAnswers(api.database)).toBe(0);
    await api.sql`update idempotency_records set expires_at = now() where key = ${idempotencyKey}`;
    const later = await api.mutate('apiKeyCreate', input, 'secret');
    expect(later.secret).not.toBe(secret);
    await api.sql`update idempotency_records set expires_at = now() where key = ${idempotencyKey}`;
    expect(await forgetExpiredAnswers(api.database)).toBe(1);
  });
});
