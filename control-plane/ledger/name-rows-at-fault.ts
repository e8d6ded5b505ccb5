import type { TransactionSql } from 'postgres';
import type { ReconciliationDifference } from '#db/schema/ledger.ts';
import { costOf } from '#shared/price.ts';
import type { ServerToolCalls } from '#shared/token-usage.ts';
import { readPriceVersions } from '../usage/examine-usage.ts';
import { executorOf } from './sql-executor.ts';

interface BilledRow {
  readonly request_id: string;
  readonly settlement_id: string;
  readonly price_version_id: string | null;
  readonly cost_nano: string;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_read_tokens: number;
  readonly cache_write_5m_tokens: number;
  readonly cache_write_1h_tokens: number;
  readonly service_tier: string | null;
  readonly server_tools: ServerToolCalls | null;
}

const TRANSACTION = /^ledger_transactions (\S+)$/;

/**
 * For settlements whose rows do not come to what the ledger has: the rows whose cost is not what their own counts and price
 * come to. A settlement of which every row is right in itself has lost a row or gained one, and stays named as a whole.
 */
export async function nameRowsAtFault(
  tx: TransactionSql,
  differences: readonly ReconciliationDifference[],
): Promise<ReconciliationDifference[]> {
  const settlementIds = differences.flatMap(({ subject }) => TRANSACTION.exec(subject)?.[1] ?? []);
  const rows = await tx<BilledRow[]>`
    select request_id, settlement_id, price_version_id, cost_nano::text, input_tokens, output_tokens,
      cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, service_tier, server_tools
    from usage_records where settlement_id = any(${settlementIds}::uuid[])`;
  const priceIds = new Set(rows.flatMap((row) => row.price_version_id ?? []));
  const prices = await readPriceVersions(executorOf(tx), [...priceIds]);
  const priceById = new Map(prices.map((price) => [price.id, price]));
  const named = new Map<string, ReconciliationDifference[]>();
  for (const row of rows) {
    const price = priceById.get(row.price_version_id ?? '');
    const expected = price === undefined ? 'a known price' : costOf(usageOf(row), price).toString();
    if (expected === row.cost_nano) continue;
    const wrong = named.get(row.settlement_id) ?? [];
    const subject = `usage_records ${row.request_id}`;
    named.set(row.settlement_id, [
      ...wrong,
      { check: 'settlements', subject, expected, found: row.cost_nano },
    ]);
  }
  return differences.flatMap(
    (difference) => named.get(TRANSACTION.exec(difference.subject)?.[1] ?? '') ?? [difference],
  );
}

function usageOf(row: BilledRow) {
  return {
    input: row.input_tokens,
    output: row.output_tokens,
    reasoning: 0,
    cacheRead: row.cache_read_tokens,
    cacheWrite5m: row.cache_write_5m_tokens,
    cacheWrite1h: row.cache_write_1h_tokens,
    source: 'upstream',
    ...(row.service_tier !== null && { serviceTier: row.service_tier }),
    ...(row.server_tools !== null && { serverTools: row.server_tools }),
  } as const;
}
