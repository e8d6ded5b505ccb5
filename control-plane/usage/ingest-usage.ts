import type { TransactionSql } from 'postgres';
import type { Sql } from '#db/client.ts';
import { decodeGrantLine, SPOOL_CLOSED_LINE, type UsageBatch } from '#shared/usage-record.ts';
import { executorOf } from '../ledger/sql-executor.ts';
import { mintId } from '../mint-id.ts';
import { type Poison, UsageExaminer } from './examine-usage.ts';
import { forgetGrants, noteGrants } from './note-grants.ts';
import { PoisonRecord } from './parse-usage-record.ts';
import { type Settled, settleUsage } from './settle-usage.ts';

export interface IngestOutcome extends Settled {
  /** Sequence up to which this spool is in Postgres. */
  readonly highWater: number;
  /** True when the batch starts beyond the high-water mark: keep it and offer it again. */
  readonly gap: boolean;
  readonly closed: boolean;
  readonly quarantined: number;
}

/**
 * Takes one run of records of one spool into Postgres, in one transaction: rows, ledger, totals and high-water mark move
 * together or not at all. Repeats and overlaps are skipped by sequence and by request id, and only rows that this
 * transaction inserted are settled, so a batch may arrive any number of times. Poison records are quarantined.
 */
export async function ingestUsage(
  sql: Sql,
  batch: UsageBatch,
  examiner: UsageExaminer = new UsageExaminer(),
): Promise<IngestOutcome> {
  const lines = batch.lines === '' ? [] : batch.lines.split('\n');
  if (lines.length !== batch.to - batch.from + 1)
    throw new PoisonRecord(`batch has ${lines.length} lines for ${batch.from}..${batch.to}`);
  return await sql.begin(async (tx) => {
    const spool = await lockSpool(tx, batch.spool);
    const { highWater } = spool;
    const unchanged = {
      highWater,
      closed: spool.closed,
      settled: [],
      budgets: [],
      accountIds: [],
      refusedKeyIds: [],
      quarantined: 0,
    };
    if (batch.from > highWater + 1) return { ...unchanged, gap: true };
    if (batch.to <= highWater) return { ...unchanged, gap: false };
    const fresh = lines
      .slice(highWater + 1 - batch.from)
      .map((text, index) => ({ sequence: highWater + 1 + index, text }));
    const closed = fresh.at(-1)?.text === SPOOL_CLOSED_LINE;
    const executor = executorOf(tx);
    await noteGrants(
      executor,
      batch.spool,
      fresh.map(({ text }) => text),
    );
    const { records, poison } = await examiner.examine(
      executor,
      fresh.filter(({ text }) => text !== SPOOL_CLOSED_LINE && decodeGrantLine(text) === undefined),
    );
    await quarantine(tx, batch.spool, poison);
    await tx`
      update usage_spools
      set high_water = ${batch.to}, closed_at = case when ${closed} then now() else closed_at end
      where id = ${batch.spool}`;
    const unit = { spool: batch.spool, name: `${highWater + 1}-${batch.to}` };
    const settled = await settleUsage(executor, unit, records);
    if (closed) await forgetGrants(executor, batch.spool);
    return { highWater: batch.to, gap: false, closed, ...settled, quarantined: poison.length };
  });
}

async function lockSpool(tx: TransactionSql, spool: string): Promise<{ highWater: number; closed: boolean }> {
  const lock = () => tx<{ high_water: string; closed: boolean }[]>`
    select high_water::text, closed_at is not null as closed from usage_spools where id = ${spool} for update`;
  let [row] = await lock();
  if (row === undefined) {
    await tx`insert into usage_spools (id, high_water) values (${spool}, 0) on conflict do nothing`;
    [row] = await lock();
  }
  return { highWater: Number(row?.high_water ?? 0), closed: row?.closed ?? false };
}

async function quarantine(tx: TransactionSql, spool: string, poison: readonly Poison[]): Promise<void> {
  if (poison.length === 0) return;
  const rows = poison.map((entry) => ({
    id: mintId(),
    sequence: entry.sequence,
    // Postgres text cannot hold NUL, JSON text neither a lone surrogate.
    line: entry.text.replaceAll('\0', '').toWellFormed(),
    reason: entry.reason,
  }));
  await tx`
    insert into usage_quarantine (id, spool_id, sequence, line, reason)
    select id, ${spool}, sequence, line, reason
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
      as entry (id uuid, sequence bigint, line text, reason text)
    on conflict do nothing`;
}
