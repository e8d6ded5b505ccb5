import { sql } from 'drizzle-orm';
import { decodeGrantLine, type GrantTotal } from '#shared/usage-record.ts';
import type { SqlExecutor } from '../ledger/sql-executor.ts';

/**
 * Remembers what a spool says it was lent, inside the ingest transaction, so that a wiped Redis can be told on its behalf
 * while it is silent. Totals only grow, so lines may arrive again. Other lines are ignored.
 */
export async function noteGrants(tx: SqlExecutor, spool: string, lines: readonly string[]): Promise<void> {
  const last = new Map<string, GrantTotal>();
  for (const line of lines) for (const grant of decodeGrantLine(line) ?? []) last.set(grant.wallet, grant);
  if (last.size === 0) return;
  const rows = [...last.values()].map(({ wallet, grantedNano, returnedNano }) => ({
    wallet,
    granted_nano: grantedNano,
    returned_nano: returnedNano,
  }));
  await tx.execute(sql`
    insert into usage_spool_grants (spool_id, wallet, granted_nano, returned_nano)
    select ${spool}, wallet, granted_nano, returned_nano
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
      as total (wallet text, granted_nano bigint, returned_nano bigint)
    order by wallet
    on conflict (spool_id, wallet) do update set
      granted_nano = greatest(usage_spool_grants.granted_nano, excluded.granted_nano),
      returned_nano = greatest(usage_spool_grants.returned_nano, excluded.returned_nano)`);
}

/** A closed spool spends nothing any more: what it was lent is of no interest. */
export async function forgetGrants(tx: SqlExecutor, spool: string): Promise<void> {
  await tx.execute(sql`delete from usage_spool_grants where spool_id = ${spool}`);
  await tx.execute(sql`delete from usage_spool_budgets where spool_id = ${spool}`);
}
