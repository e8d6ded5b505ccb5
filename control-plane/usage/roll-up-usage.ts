import { type SQL, sql } from 'drizzle-orm';
import { uuidTimeMs } from '#shared/identifiers.ts';
import type { UsageRecord } from '#shared/usage-record.ts';
import type { SqlExecutor } from '../ledger/sql-executor.ts';

const MS_PER_HOUR = 3_600_000;
const MS_PER_DAY = 86_400_000;

interface Figures {
  cost_nano: bigint;
  request_count: number;
  success_count: number;
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
}

type Group = Figures & { readonly columns: Readonly<Record<string, string>> };

/** A table of totals: which columns name a row, and what they are for a record; `undefined`: the record is not in it. */
interface RollUp {
  readonly table: SQL;
  readonly columns: readonly (readonly [name: string, type: string])[];
  readonly groupOf: (record: UsageRecord, atMs: number) => Readonly<Record<string, string>> | undefined;
}

const ROLL_UPS: readonly RollUp[] = [
  {
    table: sql`usage_hours`,
    columns: [
      ['account_id', 'uuid'],
      ['hour', 'timestamptz'],
      ['api_key_id', 'uuid'],
      ['model_id', 'text'],
      ['dialect', 'text'],
    ],
    groupOf: (record, atMs) => ({
      account_id: record.accountId,
      hour: hourOf(atMs),
      api_key_id: record.apiKeyId,
      model_id: record.model ?? '',
      dialect: record.dialect,
    }),
  },
  {
    table: sql`usage_key_days`,
    columns: [
      ['api_key_id', 'uuid'],
      ['day', 'date'],
    ],
    groupOf: (record, atMs) => ({ api_key_id: record.apiKeyId, day: dayOf(atMs) }),
  },
  {
    table: sql`usage_end_user_hours`,
    columns: [
      ['account_id', 'uuid'],
      ['hour', 'timestamptz'],
      ['end_user', 'text'],
    ],
    groupOf: (record, atMs) =>
      record.endUser === null
        ? undefined
        : { account_id: record.accountId, hour: hourOf(atMs), end_user: record.endUser },
  },
];

function hourOf(atMs: number): string {
  return new Date(Math.floor(atMs / MS_PER_HOUR) * MS_PER_HOUR).toISOString();
}

function dayOf(atMs: number): string {
  return new Date(Math.floor(atMs / MS_PER_DAY) * MS_PER_DAY).toISOString().slice(0, 10);
}

/**
 * Adds records to the totals that analytics read: by hour, key, model and dialect; by key and day; by end user and hour. For
 * the ingest transaction, and only for records that are new, so every total counts each request once.
 */
export async function rollUpUsage(tx: SqlExecutor, records: readonly UsageRecord[]): Promise<void> {
  for (const rollUp of ROLL_UPS) {
    const groups = new Map<string, Group>();
    for (const record of records) {
      const columns = rollUp.groupOf(record, uuidTimeMs(record.requestId));
      if (columns) addTo(groups, columns, record);
    }
    if (groups.size > 0) await write(tx, rollUp, [...groups.values()]);
  }
}

function addTo(
  groups: Map<string, Group>,
  columns: Readonly<Record<string, string>>,
  record: UsageRecord,
): void {
  const key = Object.values(columns).join('\0');
  let group = groups.get(key);
  if (group === undefined) {
    group = {
      columns,
      cost_nano: 0n,
      request_count: 0,
      success_count: 0,
      input_tokens: 0,
      output_tokens: 0,
      cache_read_tokens: 0,
      cache_write_tokens: 0,
    };
    groups.set(key, group);
  }
  const { usage } = record;
  group.cost_nano += BigInt(record.costNano);
  group.request_count += record.count;
  if (record.status === 'success') group.success_count += record.count;
  group.input_tokens += usage.input;
  group.output_tokens += usage.output;
  group.cache_read_tokens += usage.cacheRead;
  group.cache_write_tokens += usage.cacheWrite5m + usage.cacheWrite1h;
}

async function write(tx: SqlExecutor, { table, columns }: RollUp, groups: readonly Group[]): Promise<void> {
  const rows = groups.map(({ columns: names, ...figures }) => ({
    ...names,
    ...figures,
    cost_nano: figures.cost_nano.toString(),
  }));
  const names = sql.raw(columns.map(([name]) => name).join(', '));
  const typed = sql.raw(columns.map(([name, type]) => `${name} ${type}`).join(', '));
  // In the order of the key, so that two ingests never wait for each other crosswise.
  await tx.execute(sql`
    insert into ${table} as kept (${names}, cost_nano, request_count, success_count, input_tokens, output_tokens,
      cache_read_tokens, cache_write_tokens)
    select ${names}, cost_nano, request_count, success_count, input_tokens, output_tokens, cache_read_tokens,
      cache_write_tokens
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as total (${typed}, cost_nano bigint,
      request_count bigint, success_count bigint, input_tokens bigint, output_tokens bigint,
      cache_read_tokens bigint, cache_write_tokens bigint)
    order by ${names}
    on conflict (${names}) do update set
      cost_nano = kept.cost_nano + excluded.cost_nano,
      request_count = kept.request_count + excluded.request_count,
      success_count = kept.success_count + excluded.success_count,
      input_tokens = kept.input_tokens + excluded.input_tokens,
      output_tokens = kept.output_tokens + excluded.output_tokens,
      cache_read_tokens = kept.cache_read_tokens + excluded.cache_read_tokens,
      cache_write_tokens = kept.cache_write_tokens + excluded.cache_write_tokens`);
}
