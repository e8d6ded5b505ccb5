import { type SQL, sql } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';

export const USAGE_DIMENSIONS = ['hour', 'day', 'month', 'model', 'apiKey', 'dialect', 'endUser'] as const;
export type UsageDimension = (typeof USAGE_DIMENSIONS)[number];

export const MAX_SUMMARY_GROUPS = 10_000;

export interface UsageFigures {
  readonly costNano: bigint;
  readonly requestCount: number;
  readonly successCount: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
}

/** One group of a summary; dimensions that were not asked for are null. */
export interface UsageGroup extends UsageFigures {
  readonly startsAt: Date | null;
  readonly model: string | null;
  readonly apiKeyId: string | null;
  readonly dialect: string | null;
  readonly endUser: string | null;
}

export interface SummaryRequest {
  /** `null`: everybody's. */
  readonly accountIds: readonly string[] | null;
  readonly groupBy: readonly UsageDimension[];
  readonly from: Date;
  readonly to: Date;
  /** Only usage of this key, model, dialect; end users are not counted by any of them. */
  readonly apiKeyId?: string | undefined;
  readonly model?: string | undefined;
  readonly dialect?: string | undefined;
}

const FIGURES = sql`sum(cost_nano)::text as cost_nano, sum(request_count)::text as request_count,
  sum(success_count)::text as success_count, sum(input_tokens)::text as input_tokens,
  sum(output_tokens)::text as output_tokens, sum(cache_read_tokens)::text as cache_read_tokens,
  sum(cache_write_tokens)::text as cache_write_tokens`;

interface FigureRow extends Record<string, unknown> {
  cost_nano: string;
  request_count: string;
  success_count: string;
  input_tokens: string;
  output_tokens: string;
  cache_read_tokens: string;
  cache_write_tokens: string;
}

interface GroupRow extends FigureRow {
  starts_at_ms: string | null;
  model_id: string | null;
  api_key_id: string | null;
  dialect: string | null;
  end_user: string | null;
}

/**
 * Usage of whole hours, UTC, in groups, from totals that the ingest keeps: never from usage rows. Refuses more than 10,000
 * groups, and combinations of end users with anything but time.
 */
export async function summarizeUsage(
  database: Database,
  { accountIds, groupBy, from, to, ...only }: SummaryRequest,
): Promise<Outcome<UsageGroup[]>> {
  const asked = new Set(groupBy);
  const byUser = asked.has('endUser');
  const times = (['hour', 'day', 'month'] as const).filter((each) => asked.has(each));
  if (times.length > 1) return refused([userError('INVALID_INPUT', 'Group by one of hour, day and month.')]);
  const narrowing = narrowedTo(only);
  if (byUser && (asked.size > 1 + times.length || narrowing.length > 0))
    return refused([
      userError(
        'INVALID_INPUT',
        'End users are counted for all keys, models and dialects together: combine them with hour, day or month only.',
      ),
    ]);
  if (from >= to) return refused([userError('INVALID_INPUT', '`from` must be before `to`.')]);
  const [time] = times;
  const columns: SQL[] = [
    time === undefined
      ? sql`null::text as starts_at_ms`
      : sql`(extract(epoch from date_trunc(${time}, hour, 'UTC')) * 1000)::bigint::text as starts_at_ms`,
    asked.has('model') ? sql`model_id` : sql`null::text as model_id`,
    asked.has('apiKey') ? sql`api_key_id::text` : sql`null::text as api_key_id`,
    asked.has('dialect') ? sql`dialect` : sql`null::text as dialect`,
    byUser ? sql`end_user` : sql`null::text as end_user`,
  ];
  const within = sql`hour >= date_trunc('hour', ${from.toISOString()}::timestamptz, 'UTC') and hour < ${to.toISOString()}::timestamptz`;
  const whose =
    accountIds === null
      ? sql`true`
      : sql`account_id in (select value::uuid from jsonb_array_elements_text(${JSON.stringify(accountIds)}::text::jsonb))`;
  const rows = await database.execute<GroupRow & Record<string, unknown>>(sql`
    select ${sql.join(columns, sql`, `)}, ${FIGURES}
    from ${byUser ? sql`usage_end_user_hours` : sql`usage_hours`}
    where ${sql.join([whose, within, ...narrowing], sql` and `)}
    group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5 limit ${MAX_SUMMARY_GROUPS + 1}`);
  if (rows.length > MAX_SUMMARY_GROUPS)
    return refused([
      userError(
        'INVALID_INPUT',
        `More than ${MAX_SUMMARY_GROUPS} groups: ask for less time or fewer dimensions.`,
      ),
    ]);
  return succeeded(rows.map(toGroup));
}

function narrowedTo({ apiKeyId, model, dialect }: Partial<SummaryRequest>): SQL[] {
  return [
    ...(apiKeyId === undefined ? [] : [sql`api_key_id = ${apiKeyId}::uuid`]),
    ...(model === undefined ? [] : [sql`model_id = ${model}`]),
    ...(dialect === undefined ? [] : [sql`dialect = ${dialect}`]),
  ];
}

function toGroup(row: GroupRow): UsageGroup {
  return {
    startsAt: row.starts_at_ms === null ? null : new Date(Number(row.starts_at_ms)),
    model: row.model_id === '' ? null : row.model_id,
    apiKeyId: row.api_key_id,
    dialect: row.dialect,
    endUser: row.end_user,
    ...toFigures(row),
  };
}

function toFigures(row: FigureRow): UsageFigures {
  return {
    costNano: BigInt(row.cost_nano),
    requestCount: Number(row.request_count),
    successCount: Number(row.success_count),
    inputTokens: Number(row.input_tokens),
    outputTokens: Number(row.output_tokens),
    cacheReadTokens: Number(row.cache_read_tokens),
    cacheWriteTokens: Number(row.cache_write_tokens),
  };
}

const NOTHING_USED: UsageFigures = {
  costNano: 0n,
  requestCount: 0,
  successCount: 0,
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
};

/** What each key used since the day of `since`, UTC, in the order of the ids. One statement for all keys. */
export async function usageOfKeys(
  database: Database,
  apiKeyIds: readonly string[],
  since: Date,
): Promise<UsageFigures[]> {
  const rows = await database.execute<FigureRow & { api_key_id: string }>(sql`
    select api_key_id, ${FIGURES} from usage_key_days
    where api_key_id in (select value::uuid from jsonb_array_elements_text(${JSON.stringify(apiKeyIds)}::text::jsonb))
      and day >= ${since.toISOString().slice(0, 10)}::date
    group by api_key_id`);
  const byKey = new Map(rows.map((row) => [row.api_key_id, toFigures(row)]));
  return apiKeyIds.map((id) => byKey.get(id) ?? NOTHING_USED);
}
