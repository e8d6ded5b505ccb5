import { sql } from 'drizzle-orm';
import type { NanoUsd } from '#shared/money.ts';
import type { SqlExecutor } from './sql-executor.ts';

type GrantRow = {
  id: string;
  account_id: string;
  remaining_nano: string;
};

/**
 * Takes what accounts spend from their promotional grants, what expires first first, and returns how much of each
 * account's cost that covers; accounts without promotional credit are absent. The caller posts the same amounts to the
 * ledger, in the same transaction. The grants stay locked until its end, so no credit is spent twice.
 */
export async function spendPromotionalCredit(
  tx: SqlExecutor,
  costs: ReadonlyMap<string, NanoUsd>,
): Promise<ReadonlyMap<string, NanoUsd>> {
  const grants = await tx.execute<GrantRow>(sql`
    select id, account_id, remaining_nano::text from promotional_grants
    where account_id = any(${`{${[...costs.keys()].join(',')}}`}::uuid[]) and remaining_nano > 0
    order by account_id, expires_at nulls last, id
    for update`);
  const spent = new Map<string, NanoUsd>();
  const taken: { id: string; nano: string }[] = [];
  for (const grant of grants) {
    const already = spent.get(grant.account_id) ?? 0n;
    const due = (costs.get(grant.account_id) ?? 0n) - already;
    const remaining = BigInt(grant.remaining_nano);
    const part = due < remaining ? due : remaining;
    if (part <= 0n) continue;
    spent.set(grant.account_id, already + part);
    taken.push({ id: grant.id, nano: part.toString() });
  }
  if (taken.length > 0)
    await tx.execute(sql`
      update promotional_grants set remaining_nano = remaining_nano - taken.nano
      from jsonb_to_recordset(${JSON.stringify(taken)}::text::jsonb) as taken (id uuid, nano bigint)
      where promotional_grants.id = taken.id`);
  return spent;
}
