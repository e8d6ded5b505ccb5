import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MAX_ALIASES_PER_KEY } from '#control-plane/catalog/alias-rules.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
let apiKeyId: string;
beforeAll(async () => {
  api = await startTestApi();
});
beforeEach(async () => {
  const { accountId } = await api.openAccount();
  apiKeyId = (await api.mutate('apiKeyCreate', { accountId, name: 'Key' }, 'apiKey { id }')).apiKey.id;
});
afterAll(() => api.close());

const ALIAS = 'modelAlias { id alias kind model { id } apiKey { id } }';
const PRO = 'deepseek/deepseek-v4-pro';
const FLASH = 'deepseek/deepseek-v4-flash';

async function aliases(): Promise<unknown> {
  const document =
    'query ($ids: [ID!]!) { nodes(ids: $ids) { ... on ApiKey { aliases { nodes { alias kind model { id } } } } } }';
  const answer = await api.call(document, { variables: { ids: [apiKeyId] } });
  return answer.data.nodes[0].aliases.nodes;
}

describe('modelAliasSet', () => {
  it('makes an alias, re-points it under the same id, and is idempotent', async () => {
    const input = { apiKeyId, alias: 'fast', kind: 'EXACT', model: FLASH };
    const made = await api.mutate('modelAliasSet', input, ALIAS);
    expect(made.modelAlias).toEqual({
      id: expect.stringMatching(/^alias_/),
      alias: 'fast',
      kind: 'EXACT',
      model: { id: FLASH },
      apiKey: { id: apiKeyId },
    });
    const moved = await api.mutate('modelAliasSet', { ...input, kind: 'PREFIX', model: PRO }, ALIAS);
    expect(moved.modelAlias).toMatchObject({ id: made.modelAlias.id, kind: 'PREFIX', model: { id: PRO } });
    const changes = async () => (await api.sql`select 1 from config_changes where entity = 'key'`).length;
    const before = await changes();
    await api.mutate('modelAliasSet', { ...input, kind: 'PREFIX', model: PRO }, ALIAS);
    expect(await changes()).toBe(before);
    expect(await aliases()).toEqual([{ alias: 'fast', kind: 'PREFIX', model: { id: PRO } }]);
  });

  it('may have the name of a real model', async () => {
    await api.mutate('modelAliasSet', { apiKeyId, alias: PRO, kind: 'EXACT', model: FLASH }, ALIAS);
    expect(await aliases()).toEqual([{ alias: PRO, kind: 'EXACT', model: { id: FLASH } }]);
  });

  it.each([
    ['an empty name', ''],
    ['a name with a space', 'my model'],
    ['a name that begins with a slash', '/model'],
    ['a name of 129 characters', 'a'.repeat(129)],
    ['a name outside ASCII', 'модель'],
  ])('refuses %s', async (_case, alias) => {
    expect(await api.refusal('modelAliasSet', { apiKeyId, alias, kind: 'EXACT', model: PRO })).toEqual([
      { code: 'INVALID_INPUT', path: ['input', 'alias'] },
    ]);
  });

  it('refuses a target that is not a model of the catalog, an alias included', async () => {
    await api.mutate('modelAliasSet', { apiKeyId, alias: 'fast', kind: 'EXACT', model: FLASH }, ALIAS);
    for (const model of ['fast', 'nobody/nothing'])
      expect(await api.refusal('modelAliasSet', { apiKeyId, alias: 'other', kind: 'EXACT', model })).toEqual([
        { code: 'NOT_FOUND', path: ['input', 'model'] },
      ]);
  });

  it('refuses a retired model', async () => {
    const input = { apiKeyId, alias: 'old', kind: 'EXACT', model: 'tencent/hy3-preview' };
    expect(await api.refusal('modelAliasSet', input)).toEqual([
      { code: 'MODEL_RETIRED', path: ['input', 'model'] },
    ]);
  });

  it('refuses one alias too many, but re-points those there are', async () => {
    await api.sql`
      insert into model_aliases (id, api_key_id, alias, kind, model_id)
      select gen_random_uuid(), ${apiKeyId.slice(4)}::uuid, 'a' || number, 'exact', ${PRO}
      from generate_series(1, ${MAX_ALIASES_PER_KEY}) as number`;
    expect(
      await api.refusal('modelAliasSet', { apiKeyId, alias: 'more', kind: 'EXACT', model: PRO }),
    ).toEqual([{ code: 'ALIAS_LIMIT_REACHED', path: ['input', 'alias'] }]);
    await api.mutate('modelAliasSet', { apiKeyId, alias: 'a1', kind: 'EXACT', model: FLASH }, ALIAS);
  });

  it('waits for a change of the same key under way, so that two cannot pass the limit together', async () => {
    const other = await api.sql.reserve();
    await other`begin`;
    await other`select 1 from api_keys where id = ${apiKeyId.slice(4)}::uuid for update`;
    await other`
      insert into model_aliases (id, api_key_id, alias, kind, model_id)
      select gen_random_uuid(), ${apiKeyId.slice(4)}::uuid, 'a' || number, 'exact', ${PRO}
      from generate_series(1, ${MAX_ALIASES_PER_KEY}) as number`;
    const refusal = api.refusal('modelAliasSet', { apiKeyId, alias: 'more', kind: 'EXACT', model: PRO });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await other`commit`;
    other.release();
    expect(await refusal).toEqual([{ code: 'ALIAS_LIMIT_REACHED', path: ['input', 'alias'] }]);
  });

  it('refuses a deleted key', async () => {
    await api.mutate('apiKeyDelete', { apiKeyId }, '');
    const input = { apiKeyId, alias: 'fast', kind: 'EXACT', model: PRO };
    expect(await api.refusal('modelAliasSet', input)).toEqual([
      { code: 'API_KEY_DELETED', path: ['input', 'apiKeyId'] },
    ]);
  });
});

describe('modelAliasDelete', () => {
  it('removes an alias once', async () => {
    const made = await api.mutate(
      'modelAliasSet',
      { apiKeyId, alias: 'fast', kind: 'EXACT', model: FLASH },
      ALIAS,
    );
    const deleted = await api.mutate(
      'modelAliasDelete',
      { apiKeyId, alias: 'fast' },
      'deletedModelAliasId apiKey { id aliases { nodes { alias } } }',
    );
    expect(deleted).toMatchObject({
      deletedModelAliasId: made.modelAlias.id,
      apiKey: { id: apiKeyId, aliases: { nodes: [] } },
    });
    expect(await api.refusal('modelAliasDelete', { apiKeyId, alias: 'fast' })).toEqual([
      { code: 'NOT_FOUND', path: ['input', 'alias'] },
    ]);
  });
});
