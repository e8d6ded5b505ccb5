import { desc, lt } from 'drizzle-orm';
import type { Redis } from 'ioredis';
import type { Database, Sql } from '#db/client.ts';
import { reconciliations } from '#db/schema/ledger.ts';
import type { Clock } from '#shared/clock.ts';
import { mintId } from '../mint-id.ts';
import { type CheckResult, reconcileDatabase } from './reconcile-database.ts';
import { reconcileRedis } from './reconcile-redis.ts';

export type ReconciliationRow = typeof reconciliations.$inferSelect;

/** Differences that are stored of one run; how many there were in all is stored beside them. */
const STORED_DIFFERENCES = 100;
const KEPT_MS = 90 * 24 * 3_600_000;

export interface ReconcileResources {
  readonly database: Database;
  readonly sql: Sql;
  readonly redis: Redis;
  readonly clock: Clock;
}

/**
 * Proves that ledger, usage, stored balances and the figures in Redis agree, or names what does not: every transaction sums
 * to zero, every balance is the sum of its entries, every settlement is the sum of the usage rows that name it, every total
 * is the sum of what it counts, and Redis says the same as the ledger. Stores the result and returns it; changes nothing
 * else. Reads every usage row that is kept.
 */
export async function reconcile(resources: ReconcileResources): Promise<ReconciliationRow> {
  const { database, sql, redis, clock } = resources;
  const startedAt = new Date(clock.nowMs());
  const ofDatabase = await sql.begin('isolation level repeatable read read only', async (tx) => {
    await tx`set local statement_timeout = 0`;
    return await reconcileDatabase(tx);
  });
  const results: CheckResult[] = [...ofDatabase, await reconcileRedis(sql, redis)];
  const differences = results.flatMap((result) => result.differences);
  const row: ReconciliationRow = {
    id: mintId(),
    startedAt,
    finishedAt: new Date(clock.nowMs()),
    differenceCount: differences.length,
    differences: differences.slice(0, STORED_DIFFERENCES),
    checked: Object.fromEntries(results.map(({ check, compared }) => [check, compared])),
  };
  await database.insert(reconciliations).values(row);
  await database
    .delete(reconciliations)
    .where(lt(reconciliations.startedAt, new Date(clock.nowMs() - KEPT_MS)));
  return row;
}

/** The result of the last run; `undefined` before the first. */
export async function lastReconciliation(database: Database): Promise<ReconciliationRow | undefined> {
  const [row] = await database.select().from(reconciliations).orderBy(desc(reconciliations.id)).limit(1);
  return row;
}
