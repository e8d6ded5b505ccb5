import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { schema } from '#control-plane/graphql/schema.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
let accountId: string;
let managementToken: string;
beforeAll(async () => {
  api = await startTestApi();
  ({ accountId, managementToken } = await api.openAccount());
});
afterAll(() => api.close());

const ENTRY = 'actorKind actorName clientAddress requestId mutation subjectKind subjectId input before after';

async function entries(filter: string, token?: string) {
  const { data, errors } = await api.call(
    `{ auditEntries(${filter}) { nodes { id ${ENTRY} account { id } } } }`,
    token === undefined ? {} : { token },
  );
  expect(errors).toEqual([]);
  return data.auditEntries.nodes;
}

describe('the audit log', () => {
  it('says who changed what from where, with the state before and after', async () => {
    const headers = { 'x-forwarded-for': '198.51.100.9' };
    const { apiKey } = await api.mutate('apiKeyCreate', { accountId, name: 'Key' }, 'apiKey { id }');
    const answer = await api.call(
      `mutation { apiKeyUpdate(input: { apiKeyId: "${apiKey.id}", rpmLimit: 7 }) { userErrors { code } } }`,
      { token: managementToken, headers },
    );
    const [update, create] = await entries(`subjectId: "${apiKey.id}"`);
    expect(update).toMatchObject({
      account: { id: accountId },
      actorKind: 'MANAGEMENT',
      actorName: 'automation',
      clientAddress: '198.51.100.9',
      requestId: answer.headers.get('x-request-id'),
      mutation: 'apiKeyUpdate',
      subjectKind: 'ApiKey',
      input: { apiKeyId: apiKey.id, rpmLimit: 7 },
      before: { name: 'Key', rpm_limit: 60 },
      after: { name: 'Key', rpm_limit: 7 },
    });
    expect(create).toMatchObject({ actorKind: 'OPERATOR', mutation: 'apiKeyCreate', before: null });
  });

  it('shows what a move of credit did to the balance, and aliases with their key', async () => {
    const grant = { accountId, amountUsd: '3', reason: 'Test', idempotencyKey: randomUUID() };
    await api.mutate('creditGrant', grant, '');
    const [granted] = await entries('mutation: "creditGrant"');
    expect([granted.before.balance_nano, granted.after.balance_nano]).toEqual(['0', '3000000000']);
    const { apiKey } = await api.mutate('apiKeyCreate', { accountId, name: 'Key' }, 'apiKey { id }');
    const alias = { apiKeyId: apiKey.id, alias: 'fast', kind: 'EXACT', model: 'openai/gpt-5-mini' };
    await api.mutate('modelAliasSet', alias, '');
    const [set] = await entries('mutation: "modelAliasSet"');
    expect([set.before.aliases, set.after.aliases]).toEqual([
      [],
      [{ alias: 'fast', kind: 'exact', model: 'openai/gpt-5-mini' }],
    ]);
  });

  it('has one entry per change: none for a refusal, a repetition or a failure', async () => {
    const input = { accountId, name: 'Once', idempotencyKey: randomUUID() };
    const before = (await entries('mutation: "apiKeyCreate", first: 1000')).length;
    await api.refusal('apiKeyCreate', { accountId, name: '' });
    await api.mutate('apiKeyCreate', input, '');
    await api.mutate('apiKeyCreate', input, '');
    expect(await entries('mutation: "apiKeyCreate", first: 1000')).toHaveLength(before + 1);
  });

  it('names the keys of a bulk call and keeps no long input', async () => {
    const keys = Array.from({ length: 300 }, (_, index) => ({ name: `Key ${index} ${'x'.repeat(80)}` }));
    await api.mutate('apiKeysCreate', { accountId, keys }, '', managementToken);
    const [entry] = await entries('mutation: "apiKeysCreate"');
    expect(entry).toMatchObject({ subjectId: null, account: { id: accountId }, before: null });
    expect(entry.after.apiKeys).toHaveLength(300);
    expect(entry.input).toEqual({ tooLongToKeep: expect.any(Number) });
  });

  it('holds no secret', async () => {
    const { secret } = await api.mutate('apiKeyCreate', { accountId, name: 'S' }, 'secret apiKey { id }');
    const { secret: token } = await api.mutate('managementTokenCreate', { accountId, name: 'S' }, 'secret');
    const { apiKeys, secrets } = await api.mutate(
      'apiKeysCreate',
      { accountId, keys: [{ name: 'bulk' }] },
      'secrets apiKeys { id }',
    );
    const rotated = await api.mutate('apiKeyRotate', { apiKeyId: apiKeys[0].id }, 'secret');
    const credential = `sk-${randomUUID()}`;
    const upstream = {
      name: 'Own',
      vendor: 'openai',
      protocol: 'CHAT',
      baseUrl: 'https://a.example/v1',
      credential,
    };
    await api.mutate('upstreamCreate', upstream, '');
    const rows = JSON.stringify(await api.sql`select * from audit_entries`);
    const digests = JSON.stringify(
      await api.sql`select digest from api_keys union select digest from access_tokens`,
    ).match(/[\w-]{43}/g);
    for (const text of [secret, token, secrets[0], rotated.secret, credential, ...(digests ?? [])])
      expect(rows).not.toContain(text);
    expect(rows).toContain('[secret]');
  });

  it('cannot be changed or shortened, not even in the database', async () => {
    await expect(api.sql`delete from audit_entries`).rejects.toThrow('append-only');
    await expect(api.sql`update audit_entries set actor_name = 'x'`).rejects.toThrow('append-only');
  });

  it('is shown to the account it is about and to no other', async () => {
    const other = await api.openAccount();
    expect(await entries('first: 1', managementToken)).toHaveLength(1);
    expect(await entries(`accountId: "${accountId}"`, other.managementToken)).toEqual([]);
    const [mine] = await entries(`accountId: "${accountId}", first: 1`);
    const { data } = await api.call(`{ node(id: "${mine.id}") { id } }`, { token: other.managementToken });
    expect(data.node).toBeNull();
    const mutations = await api.call('{ auditEntries { nodes { mutation account { id } } } }', {
      token: other.managementToken,
    });
    for (const node of mutations.data.auditEntries.nodes) expect(node.account.id).toBe(other.accountId);
  });

  it('covers every mutation, because all go through one door', async () => {
    const { readdir, readFile } = await import('node:fs/promises');
    const folder = 'control-plane/graphql';
    const files = (await readdir(folder)).filter((name) => name.endsWith('.ts'));
    const source = (await Promise.all(files.map((name) => readFile(`${folder}/${name}`, 'utf8')))).join('\n');
    for (const name of Object.keys(schema.getMutationType()?.getFields() ?? {}))
      expect([name, source.includes(`mutation: '${name}'`)]).toEqual([name, true]);
    expect(source.match(/database\.transaction\(/g)).toHaveLength(1);
  });
});
