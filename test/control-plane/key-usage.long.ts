import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseIdOf } from '#shared/identifiers.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

const ROWS = 1_000_000;
const KEYS = 100;
const ASKED = 200;
/** Short enough to lie within the partitions of this month and the one before, whatever day it is. */
const DAYS = 28;
const DOCUMENT = `{ apiKeys(first: ${KEYS}) { nodes {
  id name rpmLimit tpmLimit concurrencyLimit budgetUsd aliases { nodes { alias model { id } } }
  usage(days: 30) { costUsd requestCount inputTokens outputTokens } } } }`;

let api: TestApi;
let token: string;

beforeAll(async () => {
  api = await startTestApi();
  const { accountId, managementToken } = await api.openAccount();
  token = managementToken;
  const account = parseIdOf('Account', accountId) ?? '';
  for (let index = 0; index < KEYS; index += 1) {
    const { apiKey } = await api.mutate('apiKeyCreate', { accountId, name: `Key ${index}` }, 'apiKey { id }');
    const alias = { apiKeyId: apiKey.id, alias: 'fast', kind: 'EXACT', model: 'openai/gpt-5-mini' };
    await api.mutate('modelAliasSet', alias, '');
  }
  await api.sql`
    insert into usage_records (request_id, account_id, api_key_id, occurred_at, spool_id, model_id, dialect, sandbox,
      stream, status, http_status, input_tokens, output_tokens, reasoning_tokens, cache_read_tokens,
      cache_write_5m_tokens, cache_write_1h_tokens, estimated, cost_nano, latency_ms, request_count)
    select request_id, ${account}, key_id, uuid_extract_timestamp(request_id), 's', 'model-' || n % 5,
      case when n % 2 = 0 then 'chat' else 'messages' end, false, false, 'success', 200, 100, 10, 0, 0, 0, 0, false,
      1000, 5, 1
    from (
      select n, uuidv7(-random() * ${`${DAYS} days`}::interval) as request_id,
        (array(select id from api_keys where account_id = ${account} order by id))[1 + n % ${KEYS}] as key_id
      from generate_series(1, ${ROWS}::int) as n) as made`;
  await api.sql`
    insert into usage_key_days (api_key_id, day, cost_nano, request_count, success_count, input_tokens, output_tokens,
      cache_read_tokens, cache_write_tokens)
    select api_key_id, (occurred_at at time zone 'UTC')::date, sum(cost_nano), count(*), count(*), sum(input_tokens),
      sum(output_tokens), 0, 0
    from usage_records group by 1, 2`;
  await api.sql`vacuum analyze usage_records, usage_key_days`;
}, 600_000);
afterAll(() => api.close());

it('answers a hundred keys with aliases, limits and a month of usage in six statements beside a million rows', async () => {
  const tookMs: number[] = [];
  const cpuBefore = process.cpuUsage();
  for (let asked = 0; asked < ASKED; asked += 1) {
    api.statements.length = 0;
    const startedMs = performance.now();
    const { data, errors } = await api.call(DOCUMENT, { token });
    tookMs.push(performance.now() - startedMs);
    expect(errors).toEqual([]);
    expect(api.statements.length).toBeLessThanOrEqual(6);
    const requests = data.apiKeys.nodes.map(
      (key: { usage: { requestCount: number } }) => key.usage.requestCount,
    );
    expect(requests).toEqual(Array.from({ length: KEYS }, () => ROWS / KEYS));
  }
  tookMs.sort((left, right) => left - right);
  const at = (share: number) => (tookMs[Math.floor(ASKED * share)] ?? 0).toFixed(1);
  const { user, system } = process.cpuUsage(cpuBefore);
  // Says something also on a busy machine: the API and its client, without Postgres.
  const cpuMs = ((user + system) / 1_000 / ASKED).toFixed(1);
  process.stdout.write(
    `${ASKED} answers: half within ${at(0.5)} ms, 95 % within ${at(0.95)} ms; ${cpuMs} ms of CPU each\n`,
  );
});
