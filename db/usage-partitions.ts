import type { Sql } from './client.ts';

/** The previous month takes late records of a slow clock; two months ahead leave a stopped job time to be noticed. */
const FIRST_MONTH_OFFSET = -1;
const LAST_MONTH_OFFSET = 2;

/** Whoever migrates or adds partitions holds this advisory lock. */
export const MIGRATION_LOCK = 7_206_101;

/**
 * Creates the monthly partitions of `usage_records` around `nowMs` that do not exist yet; returns their names. There is
 * no default partition on purpose: a record outside every month is an error that somebody must see. Idempotent, and safe
 * beside running inserts and queries: attaching a finished table waits for nobody who reads or writes.
 */
export async function ensureUsagePartitions(sql: Sql, nowMs: number): Promise<string[]> {
  const wanted: UsagePartition[] = [];
  for (let offset = FIRST_MONTH_OFFSET; offset <= LAST_MONTH_OFFSET; offset += 1)
    wanted.push(usagePartition(nowMs, offset));
  return await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${MIGRATION_LOCK})`;
    const existing = await tx<{ name: string }[]>`
      select relname as name from pg_class
      where relname in ${tx(wanted.map((partition) => partition.name))} and relispartition`;
    const existingNames = new Set(existing.map((row) => row.name));
    const missing = wanted.filter((partition) => !existingNames.has(partition.name));
    for (const { name, from, to } of missing) {
      await tx.unsafe(`create table ${name} (like usage_records including all)`);
      await tx.unsafe(
        `alter table usage_records attach partition ${name} for values from ('${from}') to ('${to}')`,
      );
    }
    return missing.map((partition) => partition.name);
  });
}

interface UsagePartition {
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

/** The lowest UUIDv7 of the given time: where a partition or a time range over request ids begins. */
export function firstUuidAt(timeMs: number): string {
  const hex = timeMs.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/** Name of the partition `months` before the month of `nowMs`; names of earlier ones sort before it. */
export function usagePartitionBefore(nowMs: number, months: number): string {
  return usagePartition(nowMs, -months).name;
}

function usagePartition(nowMs: number, monthOffset: number): UsagePartition {
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
