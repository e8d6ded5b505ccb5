import { sql } from 'drizzle-orm';
import type { Database, Transaction } from '#db/client.ts';
import { systemClock } from '#shared/clock.ts';
import { createIdMinter, uuidTimeMs } from '#shared/identifiers.ts';
import { costOf, type PriceVersion, type PublishedPriceTier, resolvePriceTier } from '#shared/price.ts';
import { promptTokens } from '#shared/token-usage.ts';
import {
  decodeGrantLine,
  SPOOL_CLOSED_LINE,
  type UsageBatch,
  type UsageRecord,
} from '#shared/usage-record.ts';
import { postTransactions } from '../ledger/post-transaction.ts';
import type { SettledWallet } from '../ledger/read-wallet-seeds.ts';
import { forgetGrants, noteGrants } from './note-grants.ts';
import { PoisonRecord, parseUsageRecord } from './parse-usage-record.ts';
import { noteExcesses, type SettledBudget, settleBudgets } from './settle-budgets.ts';

export interface IngestOutcome {
  /** Sequence up to which this spool is in Postgres. */
  readonly highWater: number;
  /** True when the batch starts beyond the high-water mark: keep it and offer it again. */
  readonly gap: boolean;
  readonly closed: boolean;
  readonly settled: readonly SettledWallet[];
  readonly budgets: readonly SettledBudget[];
  readonly quarantined: number;
}

interface Line {
  readonly sequence: number;
  readonly text: string;
}

interface Poison extends Line {
  readonly reason: string;
}

const NOTHING_SETTLED = { settled: [], budgets: [] } as const;
const mintId = createIdMinter(systemClock);

/**
 * Takes one run of records of one spool into Postgres, in one transaction: rows, ledger, totals and high-water mark move
 * together or not at all. Repeats and overlaps are skipped by sequence and by request id, and only rows that this
 * transaction inserted are settled, so a batch may arrive any number of times. Poison records are quarantined.
 */
export async function ingestUsage(database: Database, batch: UsageBatch): Promise<IngestOutcome> {
  const lines = batch.lines === '' ? [] : batch.lines.split('\n');
  if (lines.length !== batch.to - batch.from + 1)
    throw new PoisonRecord(`batch has ${lines.length} lines for ${batch.from}..${batch.to}`);
  return await database.transaction(async (tx) => {
    const spool = await lockSpool(tx, batch.spool);
    const unchanged = {
      highWater: spool.highWater,
      closed: spool.closed,
      ...NOTHING_SETTLED,
      quarantined: 0,
    };
    if (batch.from > spool.highWater + 1) return { ...unchanged, gap: true };
    if (batch.to <= spool.highWater) return { ...unchanged, gap: false };
    const fresh = lines
      .map((text, index) => ({ sequence: batch.from + index, text }))
      .filter((line) => line.sequence > spool.highWater);
    const closed = fresh.at(-1)?.text === SPOOL_CLOSED_LINE;
    await noteGrants(
      tx,
      batch.spool,
      fresh.map((line) => line.text),
    );
    const { records, poison } = await examine(
      tx,
      fresh.filter(({ text }) => text !== SPOOL_CLOSED_LINE && decodeGrantLine(text) === undefined),
    );
    const { settled, budgets } = await settle(tx, batch.spool, spool.highWater + 1, batch.to, records);
    await quarantine(tx, batch.spool, poison);
    await tx.execute(sql`
      update usage_spools set high_water = ${batch.to}, closed_at = ${closed ? sql`now()` : sql`closed_at`}
      where id = ${batch.spool}`);
    if (closed) await forgetGrants(tx, batch.spool);
    return { highWater: batch.to, gap: false, closed, settled, budgets, quarantined: poison.length };
  });
}

async function lockSpool(tx: Transaction, spool: string): Promise<{ highWater: number; closed: boolean }> {
  await tx.execute(
    sql`insert into usage_spools (id, high_water) values (${spool}, 0) on conflict do nothing`,
  );
  const [row] = await tx.execute<{ high_water: string; closed: boolean }>(sql`
    select high_water::text, closed_at is not null as closed from usage_spools where id = ${spool} for update`);
  return { highWater: Number(row?.high_water ?? 0), closed: row?.closed ?? false };
}

/** Parts what can be booked from what cannot: malformed, unknown account, no partition, or a cost that is not ours. */
async function examine(
  tx: Transaction,
  lines: readonly Line[],
): Promise<{ records: UsageRecord[]; poison: Poison[] }> {
  const parsed: { line: Line; record: UsageRecord }[] = [];
  const poison: Poison[] = [];
  for (const line of lines) {
    try {
      parsed.push({ line, record: parseUsageRecord(line.text) });
    } catch (error) {
      if (!(error instanceof PoisonRecord)) throw error;
      poison.push({ ...line, reason: error.message });
    }
  }
  const records: UsageRecord[] = [];
  if (parsed.length === 0) return { records, poison };
  const accounts = await knownAccounts(
    tx,
    parsed.map(({ record }) => record.accountId),
  );
  const prices = await pricesOf(
    tx,
    parsed.map(({ record }) => record.priceVersionId),
  );
  const bounds = await partitionBounds(tx);
  for (const { line, record } of parsed) {
    const timeMs = uuidTimeMs(record.requestId);
    let reason: string | undefined;
    if (!accounts.has(record.accountId)) reason = 'unknown account';
    else if (timeMs < bounds.fromMs || timeMs >= bounds.toMs) reason = 'no partition for its time';
    else reason = costMismatch(record, prices);
    if (reason === undefined) records.push(record);
    else poison.push({ ...line, reason });
  }
  return { records, poison };
}

/** The control plane's own arithmetic over the same counts and price; a difference is never booked. */
function costMismatch(record: UsageRecord, prices: ReadonlyMap<string, PriceVersion>): string | undefined {
  if (record.priceVersionId === null) return record.costNano === '0' ? undefined : 'cost without a price';
  const price = prices.get(record.priceVersionId);
  if (price === undefined) return 'unknown price version';
  // Failed requests cost nothing whatever was counted.
  if (record.costNano === '0' && record.status === 'error') return undefined;
  return costOf(record.usage, price).toString() === record.costNano
    ? undefined
    : 'cost differs from the price';
}

async function knownAccounts(tx: Transaction, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await tx.execute<{ id: string }>(sql`
    select id from accounts
    where id in (select value::uuid from jsonb_array_elements_text(${jsonList(ids)}::text::jsonb))`);
  return new Set(rows.map((row) => row.id));
}

async function pricesOf(
  tx: Transaction,
  ids: readonly (string | null)[],
): Promise<ReadonlyMap<string, PriceVersion>> {
  const rows = await tx.execute<{
    id: string;
    vendor: string;
    tiers: PublishedPriceTier[];
    per_request_nano: string;
  }>(sql`
    select price_versions.id, models.vendor, tiers, per_request_nano::text
    from price_versions join models on models.id = model_id
    where price_versions.id in (
      select value::uuid from jsonb_array_elements_text(${jsonList(ids.filter((id) => id !== null))}::text::jsonb))`);
  return new Map(
    rows.map((row) => [
      row.id,
      {
        id: row.id,
        effectiveAtMs: 0,
        perRequestNano: row.per_request_nano,
        tiers: parseTiers(row.tiers)
          .map((tier) => resolvePriceTier(tier, row.vendor))
          .sort((left, right) => left.aboveTokens - right.aboveTokens),
      },
    ]),
  );
}

/** Drizzle's client hands raw jsonb over as text. */
function parseTiers(tiers: PublishedPriceTier[] | string): PublishedPriceTier[] {
  return typeof tiers === 'string' ? (JSON.parse(tiers) as PublishedPriceTier[]) : tiers;
}

async function partitionBounds(tx: Transaction): Promise<{ fromMs: number; toMs: number }> {
  const rows = await tx.execute<{ bounds: string }>(sql`
    select pg_get_expr(relpartbound, oid) as bounds from pg_class
    where oid in (select inhrelid from pg_inherits where inhparent = 'usage_records'::regclass)`);
  let fromMs = Number.POSITIVE_INFINITY;
  let toMs = 0;
  for (const { bounds } of rows) {
    const [from, to] = bounds.match(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g) ?? [];
    if (from === undefined || to === undefined) continue;
    fromMs = Math.min(fromMs, uuidTimeMs(from));
    toMs = Math.max(toMs, uuidTimeMs(to));
  }
  return { fromMs, toMs };
}

/** Inserts the rows, then moves money, per-spool totals and daily totals for exactly those that were new. */
async function settle(
  tx: Transaction,
  spool: string,
  from: number,
  to: number,
  records: readonly UsageRecord[],
): Promise<Pick<IngestOutcome, 'settled' | 'budgets'>> {
  if (records.length === 0) return NOTHING_SETTLED;
  const settlementIds = new Map<string, string>();
  for (const record of records)
    if (record.costNano !== '0' && !settlementIds.has(record.accountId))
      settlementIds.set(record.accountId, mintId());
  const rows = records.map((record) => toRow(record, spool, settlementIds));
  const inserted = await insertRows(tx, rows);
  const fresh = rows.filter((row) => inserted.has(row.request_id));
  const costs = new Map<string, bigint>();
  for (const row of fresh) {
    const cost = BigInt(row.cost_nano);
    if (cost > 0n) costs.set(row.account_id, (costs.get(row.account_id) ?? 0n) + cost);
  }
  await postTransactions(
    tx,
    [...costs].map(([accountId, cost]) => ({
      id: settlementIds.get(accountId) ?? mintId(),
      kind: 'usage' as const,
      idempotencyKey: `usage:${spool}:${from}-${to}:${accountId}`,
      description: 'Usage',
      metadata: { spool, from: String(from), to: String(to) },
      entries: [
        { account: { kind: 'customer_available' as const, accountId }, amountNano: -cost },
        { account: { kind: 'usage_revenue' as const }, amountNano: cost },
      ],
    })),
  );
  await addDailyTotals(tx, fresh);
  const settled = await addSpoolTotals(tx, spool, costs);
  const freshRecords = records.filter((record) => inserted.has(record.requestId));
  const budgets = await settleBudgets(tx, spool, freshRecords);
  await noteExcesses(tx, freshRecords);
  return { settled, budgets };
}

function toRow(record: UsageRecord, spool: string, settlementIds: ReadonlyMap<string, string>) {
  const { usage } = record;
  return {
    request_id: record.requestId,
    account_id: record.accountId,
    api_key_id: record.apiKeyId,
    occurred_at: new Date(uuidTimeMs(record.requestId)).toISOString(),
    spool_id: spool,
    requested_model: record.requestedModel,
    model_id: record.model,
    alias: record.alias,
    dialect: record.dialect,
    lane: record.lane,
    upstream: record.upstream,
    sandbox: record.sandbox,
    stream: record.stream,
    status: record.status,
    http_status: record.httpStatus,
    error_code: record.errorCode,
    input_tokens: usage.input,
    output_tokens: usage.output,
    reasoning_tokens: usage.reasoning,
    cache_read_tokens: usage.cacheRead,
    cache_write_5m_tokens: usage.cacheWrite5m,
    cache_write_1h_tokens: usage.cacheWrite1h,
    estimated: usage.source === 'estimated',
    price_version_id: record.priceVersionId,
    cost_nano: record.costNano,
    latency_ms: record.latencyMs,
    first_token_ms: record.firstTokenMs,
    end_user: record.endUser,
    request_count: record.count,
    settlement_id: record.costNano === '0' ? null : (settlementIds.get(record.accountId) ?? null),
    prompt_tokens: promptTokens(usage),
  };
}

type UsageRow = ReturnType<typeof toRow>;

async function insertRows(tx: Transaction, rows: readonly UsageRow[]): Promise<ReadonlySet<string>> {
  const columns = sql`request_id, account_id, api_key_id, occurred_at, spool_id, requested_model, model_id, alias,
    dialect, lane, upstream, sandbox, stream, status, http_status, error_code, input_tokens, output_tokens,
    reasoning_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, estimated, price_version_id,
    cost_nano, latency_ms, first_token_ms, end_user, request_count, settlement_id`;
  const inserted = await tx.execute<{ request_id: string }>(sql`
    insert into usage_records (${columns})
    select ${columns} from jsonb_populate_recordset(null::usage_records, ${JSON.stringify(rows)}::text::jsonb)
    on conflict (request_id) do nothing
    returning request_id`);
  return new Set(inserted.map((row) => row.request_id));
}

async function addDailyTotals(tx: Transaction, rows: readonly UsageRow[]): Promise<void> {
  if (rows.length === 0) return;
  const totals = rows.map((row) => ({
    account_id: row.account_id,
    day: row.occurred_at.slice(0, 10),
    cost_nano: row.cost_nano,
    prompt_tokens: row.prompt_tokens,
    completion_tokens: row.output_tokens,
    request_count: row.request_count,
    success_count: row.status === 'success' ? row.request_count : 0,
  }));
  await tx.execute(sql`
    insert into usage_days
      (account_id, day, cost_nano, prompt_tokens, completion_tokens, request_count, success_count)
    select account_id, day, sum(cost_nano), sum(prompt_tokens), sum(completion_tokens), sum(request_count),
      sum(success_count)
    from jsonb_to_recordset(${JSON.stringify(totals)}::text::jsonb) as total (account_id uuid, day date,
      cost_nano bigint, prompt_tokens bigint, completion_tokens bigint, request_count bigint, success_count bigint)
    group by account_id, day
    order by account_id, day
    on conflict (account_id, day) do update set
      cost_nano = usage_days.cost_nano + excluded.cost_nano,
      prompt_tokens = usage_days.prompt_tokens + excluded.prompt_tokens,
      completion_tokens = usage_days.completion_tokens + excluded.completion_tokens,
      request_count = usage_days.request_count + excluded.request_count,
      success_count = usage_days.success_count + excluded.success_count`);
}

async function addSpoolTotals(
  tx: Transaction,
  spool: string,
  costs: ReadonlyMap<string, bigint>,
): Promise<SettledWallet[]> {
  if (costs.size === 0) return [];
  const totals = [...costs].map(([accountId, cost]) => ({
    account_id: accountId,
    settled_nano: cost.toString(),
  }));
  const rows = await tx.execute<{ account_id: string; settled_nano: string }>(sql`
    insert into usage_spool_wallets (spool_id, account_id, settled_nano)
    select ${spool}, account_id, settled_nano
    from jsonb_to_recordset(${JSON.stringify(totals)}::text::jsonb) as total (account_id uuid, settled_nano bigint)
    order by account_id
    on conflict (spool_id, account_id) do update
      set settled_nano = usage_spool_wallets.settled_nano + excluded.settled_nano
    returning account_id, settled_nano::text`);
  return rows.map((row) => ({ accountId: row.account_id, spool, settledNano: row.settled_nano }));
}

async function quarantine(tx: Transaction, spool: string, poison: readonly Poison[]): Promise<void> {
  if (poison.length === 0) return;
  const rows = poison.map((entry) => ({
    sequence: entry.sequence,
    // Postgres text cannot hold NUL.
    line: entry.text.replaceAll('\0', ''),
    reason: entry.reason,
  }));
  await tx.execute(sql`
    insert into usage_quarantine (spool_id, sequence, line, reason)
    select ${spool}, sequence, line, reason
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as entry (sequence bigint, line text, reason text)
    on conflict do nothing`);
}

function jsonList(values: readonly string[]): string {
  return JSON.stringify([...new Set(values)]);
}
