import { sql } from 'drizzle-orm';
import { uuidTimeMs } from '#shared/identifiers.ts';
import {
  costOf,
  type PriceVersion,
  type PublishedPrice,
  type PublishedPriceTier,
  resolvePrice,
  type ToolPrices,
} from '#shared/price.ts';
import type { UsageRecord } from '#shared/usage-record.ts';
import type { SqlExecutor } from '../ledger/sql-executor.ts';
import { PoisonRecord, parseUsageRecord } from './parse-usage-record.ts';

export interface Line {
  readonly sequence: number;
  readonly text: string;
}

export interface Poison extends Line {
  readonly reason: string;
}

export interface Examined {
  readonly records: readonly UsageRecord[];
  readonly poison: readonly Poison[];
}

/** Above this the memory of a worker begins anew; what is forgotten is read again. */
const REMEMBERED = 100_000;

interface Parsed {
  readonly line: Line;
  readonly record: UsageRecord;
}

/**
 * Parts what can be booked from what cannot: malformed, unknown account, no partition, or a cost that is not ours. Accounts
 * are never deleted and price versions never changed, so what was once seen of them is remembered.
 */
export class UsageExaminer {
  readonly #accounts = new Set<string>();
  readonly #prices = new Map<string, PriceVersion>();

  async examine(tx: SqlExecutor, lines: readonly Line[]): Promise<Examined> {
    const parsed: Parsed[] = [];
    const poison: Poison[] = [];
    for (const line of lines) {
      try {
        parsed.push({ line, record: parseUsageRecord(line.text) });
      } catch (error) {
        if (!(error instanceof PoisonRecord)) throw error;
        poison.push({ ...line, reason: error.message });
      }
    }
    if (parsed.length === 0) return { records: [], poison };
    await this.#learnAccounts(tx, parsed);
    await this.#learnPrices(tx, parsed);
    const bounds = await partitionBounds(tx);
    const records: UsageRecord[] = [];
    for (const { line, record } of parsed) {
      const timeMs = uuidTimeMs(record.requestId);
      let reason: string | undefined;
      if (!this.#accounts.has(record.accountId)) reason = 'unknown account';
      else if (timeMs < bounds.fromMs || timeMs >= bounds.toMs) reason = 'no partition for its time';
      else reason = this.#costMismatch(record);
      if (reason === undefined) records.push(record);
      else poison.push({ ...line, reason });
    }
    return { records, poison };
  }

  /** The control plane's own arithmetic over the same counts and price; a difference is never booked. */
  #costMismatch(record: UsageRecord): string | undefined {
    if (record.priceVersionId === null) return record.costNano === '0' ? undefined : 'cost without a price';
    const price = this.#prices.get(record.priceVersionId);
    if (price === undefined) return 'unknown price version';
    // Failed requests cost nothing whatever was counted.
    if (record.costNano === '0' && record.status === 'error') return undefined;
    return costOf(record.usage, price).toString() === record.costNano
      ? undefined
      : 'cost differs from the price';
  }

  async #learnAccounts(tx: SqlExecutor, parsed: readonly Parsed[]): Promise<void> {
    if (this.#accounts.size > REMEMBERED) this.#accounts.clear();
    const unknown = new Set<string>();
    for (const { record } of parsed) if (!this.#accounts.has(record.accountId)) unknown.add(record.accountId);
    if (unknown.size === 0) return;
    const rows = await tx.execute<{ id: string }>(sql`
      select id from accounts where id = any(${uuidArray(unknown)}::uuid[])`);
    for (const { id } of rows) this.#accounts.add(id);
  }

  async #learnPrices(tx: SqlExecutor, parsed: readonly Parsed[]): Promise<void> {
    if (this.#prices.size > REMEMBERED) this.#prices.clear();
    const unknown = new Set<string>();
    for (const { record } of parsed)
      if (record.priceVersionId !== null && !this.#prices.has(record.priceVersionId))
        unknown.add(record.priceVersionId);
    if (unknown.size === 0) return;
    for (const price of await readPriceVersions(tx, [...unknown])) this.#prices.set(price.id, price);
  }
}

/** Price versions by id, as they are billed. */
export async function readPriceVersions(tx: SqlExecutor, ids: readonly string[]): Promise<PriceVersion[]> {
  const rows = await tx.execute<{
    id: string;
    vendor: string;
    tiers: Json<PublishedPriceTier[]>;
    service_tiers: Json<PublishedPrice['serviceTiers']>;
    per_request_nano: string;
    per_tool_call_nano: Json<ToolPrices>;
  }>(sql`
    select price_versions.id, models.vendor, tiers, service_tiers, per_request_nano::text, per_tool_call_nano
    from price_versions join models on models.id = model_id
    where price_versions.id = any(${uuidArray(ids)}::uuid[])`);
  return rows.map((row) =>
    resolvePrice(
      {
        tiers: parsed(row.tiers),
        serviceTiers: parsed(row.service_tiers),
        perRequestNano: row.per_request_nano,
        perToolCallNano: parsed(row.per_tool_call_nano),
      },
      // Which version it is was decided at admission; when it took effect does not matter any more.
      { id: row.id, effectiveAtMs: 0, vendor: row.vendor },
    ),
  );
}

async function partitionBounds(tx: SqlExecutor): Promise<{ fromMs: number; toMs: number }> {
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

/** Drizzle's client hands raw jsonb over as text, the plain one parses it. */
type Json<Value> = Value | string;

function parsed<Value>(json: Json<Value>): Value {
  return typeof json === 'string' ? (JSON.parse(json) as Value) : json;
}

function uuidArray(ids: Iterable<string>): string {
  return `{${[...ids].join(',')}}`;
}
