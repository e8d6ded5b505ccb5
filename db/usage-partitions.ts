import type { Sql } from './client.ts';

/** The previous month takes late records of a slow clock; two months ahead leave a stopped job time to be noticed. */
const FIRST_MONTH_OFFSET = -1;
const LAST_MONTH_OFFSET = 2;

/**
 * Creates the monthly partitions of `usage_records` around `nowMs` that do not exist yet; returns their names. There is
 * no default partition on purpose: a record outside every month is an error that somebody must see. Idempotent; two
 * callers at once must hold a lock (the migration and the partition job share one).
 */
export async function ensureUsagePartitions(sql: Sql, nowMs: number): Promise<string[]> {
  const wanted = [];
  for (let offset = FIRST_MONTH_OFFSET; offset <= LAST_MONTH_OFFSET; offset += 1)
    wanted.push(usagePartition(nowMs, offset));
  const existing = await sql<{ name: string }[]>`
    select relname as name from pg_class
    where relname in ${sql(wanted.map((partition) => partition.name))} and relispartition`;
  const existingNames = new Set(existing.map((row) => row.name));
  const missing = wanted.filter((partition) => !existingNames.has(partition.name));
  for (const partition of missing)
    await sql.unsafe(
      `create table if not exists ${partition.name} partition of usage_records
       for values from ('${partition.from}') to ('${partition.to}')`,
    );
  return missing.map((partition) => partition.name);
}

/** The lowest UUIDv7 of the given time: where a partition or a time range over request ids begins. */
export function firstUuidAt(timeMs: number): string {
  const hex = timeMs.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

function usagePartition(nowMs: number, monthOffset: number): { name: string; from: string; to: string } {
  const now = new Date(nowMs);
  const firstMsOf = (offset: number): number => Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + offset, 1);
  const start = firstMsOf(monthOffset);
  const month = new Date(start).toISOString().slice(0, 7).replace('-', '_');
  return {
    name: `usage_records_${month}`,
    from: firstUuidAt(start),
    to: firstUuidAt(firstMsOf(monthOffset + 1)),
  };
}
