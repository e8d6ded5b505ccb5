import { type SQL, sql } from 'drizzle-orm';
import { uuidTimeMs } from '#shared/identifiers.ts';
import type { UsageRecord } from '#shared/usage-record.ts';
import type { SqlExecutor } from '../ledger/sql-executor.ts';

interface Booking {
  readonly record: UsageRecord;
  /** The ledger transaction that settles it; `null` when it costs nothing. */
  readonly settlementId: string | null;
}

type ColumnValue = string | number | boolean | null;

interface Column {
  readonly name: string;
  readonly type: string;
  readonly read: (booking: Booking) => ColumnValue;
}

const column = (name: string, type: string, read: Column['read']): Column => ({ name, type, read });

const COLUMNS: readonly Column[] = [
  column('request_id', 'uuid', ({ record }) => record.requestId),
  column('account_id', 'uuid', ({ record }) => record.accountId),
  column('api_key_id', 'uuid', ({ record }) => record.apiKeyId),
  column('occurred_at', 'double precision', ({ record }) => uuidTimeMs(record.requestId)),
  column('requested_model', 'text', ({ record }) => record.requestedModel),
  column('model_id', 'text', ({ record }) => record.model),
  column('alias', 'text', ({ record }) => record.alias),
  column('dialect', 'text', ({ record }) => record.dialect),
  column('lane', 'text', ({ record }) => record.lane),
  column('upstream', 'text', ({ record }) => record.upstream),
  column('sandbox', 'boolean', ({ record }) => record.sandbox),
  column('stream', 'boolean', ({ record }) => record.stream),
  column('status', 'text', ({ record }) => record.status),
  column('http_status', 'smallint', ({ record }) => record.httpStatus),
  column('error_code', 'text', ({ record }) => record.errorCode),
  column('input_tokens', 'integer', ({ record }) => record.usage.input),
  column('output_tokens', 'integer', ({ record }) => record.usage.output),
  column('reasoning_tokens', 'integer', ({ record }) => record.usage.reasoning),
  column('cache_read_tokens', 'integer', ({ record }) => record.usage.cacheRead),
  column('cache_write_5m_tokens', 'integer', ({ record }) => record.usage.cacheWrite5m),
  column('cache_write_1h_tokens', 'integer', ({ record }) => record.usage.cacheWrite1h),
  column('estimated', 'boolean', ({ record }) => record.usage.source === 'estimated'),
  column('service_tier', 'text', ({ record }) => record.usage.serviceTier ?? null),
  column('server_tools', 'jsonb', ({ record }) =>
    record.usage.serverTools === undefined ? null : JSON.stringify(record.usage.serverTools),
  ),
  column('price_version_id', 'uuid', ({ record }) => record.priceVersionId),
  column('cost_nano', 'bigint', ({ record }) => record.costNano),
  column('latency_ms', 'integer', ({ record }) => record.latencyMs),
  column('first_token_ms', 'integer', ({ record }) => record.firstTokenMs),
  column('end_user', 'text', ({ record }) => record.endUser),
  column('request_count', 'integer', ({ record }) => record.count),
  column('settlement_id', 'uuid', ({ settlementId }) => settlementId),
];

const NAMES = COLUMNS.map(({ name }) => name).join(', ');
const VALUES = COLUMNS.map(({ name }) =>
  name === 'occurred_at' ? 'to_timestamp(occurred_at / 1000)' : name,
).join(', ');

/** The ids are only worth sending back when some rows were there already. */
function insertStatement(spool: string, bookings: readonly Booking[]): SQL {
  const arrays = COLUMNS.map(({ type, read }) => sql`${arrayLiteral(bookings, read)}::${sql.raw(type)}[]`);
  return sql`
    with inserted as (
      insert into usage_records (spool_id, ${sql.raw(NAMES)})
      select ${spool}, ${sql.raw(VALUES)}
      from unnest(${sql.join(arrays, sql`, `)}) as booked (${sql.raw(NAMES)})
      on conflict (request_id) do nothing
      returning request_id)
    select count(*)::int as count,
      case when count(*) < ${bookings.length}::int then array_agg(request_id)::text end as request_ids
    from inserted`;
}

/** Inserts the rows that are not there yet, in one statement, and returns the records of those. */
export async function insertUsageRows(
  tx: SqlExecutor,
  spool: string,
  bookings: readonly Booking[],
): Promise<UsageRecord[]> {
  const [inserted] = await tx.execute<{ count: number; request_ids: string | null }>(
    insertStatement(spool, bookings),
  );
  const records = bookings.map(({ record }) => record);
  if (inserted?.count === bookings.length) return records;
  const ids = new Set((inserted?.request_ids ?? '{}').slice(1, -1).split(','));
  // Taken out one by one: a batch may repeat a record, and only one row was inserted for it.
  return records.filter((record) => ids.delete(record.requestId));
}

const NEEDS_QUOTES = /[^\w:.+-]/;

/** A Postgres array as text. Building it here costs a third of what the driver's own encoding does. */
function arrayLiteral(bookings: readonly Booking[], read: Column['read']): string {
  let literal = '{';
  let separator = '';
  for (const booking of bookings) {
    literal += separator + element(read(booking));
    separator = ',';
  }
  return `${literal}}`;
}

function element(value: ColumnValue): string {
  if (value === null) return 'NULL';
  if (typeof value !== 'string') return String(value);
  if (value !== '' && !NEEDS_QUOTES.test(value) && value.toUpperCase() !== 'NULL') return value;
  return `"${value.replaceAll(/[\\"]/g, '\\$&')}"`;
}
