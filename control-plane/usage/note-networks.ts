import { sql } from 'drizzle-orm';
import { uuidTimeMs } from '#shared/identifiers.ts';
import type { UsageRecord } from '#shared/usage-record.ts';
import type { SqlExecutor } from '../ledger/sql-executor.ts';

/**
 * Keeps the network that each key was last used from. For the ingest transaction; an older record that arrives late
 * changes nothing.
 */
export async function noteNetworks(tx: SqlExecutor, records: readonly UsageRecord[]): Promise<void> {
  const lastUses = new Map<string, { api_key_id: string; used_at: string; network: string }>();
  for (const { apiKeyId, requestId, network } of records) {
    if (network === undefined) continue;
    const usedAt = new Date(uuidTimeMs(requestId)).toISOString();
    const known = lastUses.get(apiKeyId);
    if (known === undefined || known.used_at < usedAt)
      lastUses.set(apiKeyId, { api_key_id: apiKeyId, used_at: usedAt, network });
  }
  if (lastUses.size === 0) return;
  // In the order of the keys, so that two batches never wait for each other.
  await tx.execute(sql`
    insert into api_key_networks (api_key_id, used_at, network)
    select api_key_id, used_at, network
    from jsonb_to_recordset(${JSON.stringify([...lastUses.values()])}::text::jsonb)
      as last_use (api_key_id uuid, used_at timestamptz, network text)
    order by api_key_id
    on conflict (api_key_id) do update set used_at = excluded.used_at, network = excluded.network
      where api_key_networks.used_at < excluded.used_at`);
}
