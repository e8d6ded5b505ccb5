import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { and, eq, lte, sql } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { exportChunks, exports } from '#db/schema/exports.ts';
import { firstUuidAt } from '#db/usage-partitions.ts';
import type { Clock } from '#shared/clock.ts';
import { bindJob, type RunnableBinding } from '../jobs/job-workers.ts';
import { type LedgerEntryFilter, listEntriesOf } from '../ledger/list-entries.ts';
import { listUsageRecordsOf } from '../usage/list-usage-records.ts';
import { csvLines, headerLine, LEDGER_COLUMNS, USAGE_COLUMNS } from './csv-columns.ts';

/** What is in memory at one time, and what a killed worker has done in vain at most. */
const ROWS_PER_CHUNK = 2_000;

const compress = promisify(gzip);
export type ExportRow = typeof exports.$inferSelect;

interface Chunk {
  readonly csv: string;
  readonly rowCount: number;
  readonly lastId: string;
}

/** Runs the exports that were asked for. A job that runs again, or twice at one time, goes on where the last chunk ended. */
export function exportJob(database: Database, clock: Clock): RunnableBinding {
  return bindJob({
    queue: 'exports',
    concurrency: 1,
    run: ({ exportId }) => writeExport(database, clock, exportId),
    unfinished: async () => {
      const running = await database
        .select({ id: exports.id })
        .from(exports)
        .where(eq(exports.status, 'running'));
      return running.map(({ id }) => ({ id: `export-${id}`, payload: { exportId: id } }));
    },
    buried: async ({ exportId }) => {
      await database
        .update(exports)
        .set({ status: 'failed', finishedAt: new Date(clock.nowMs()) })
        .where(and(eq(exports.id, exportId), eq(exports.status, 'running')));
    },
  });
}

/** Writes what is still missing of an export, chunk by chunk. Does nothing when it is done, failed or deleted. */
export async function writeExport(database: Database, clock: Clock, exportId: string): Promise<void> {
  for (;;) {
    const [row] = await database.select().from(exports).where(eq(exports.id, exportId));
    if (row?.status !== 'running') return;
    const chunk = await nextChunk(database, row);
    if (!(await keepChunk(database, clock, row, chunk))) return;
  }
}

/** `undefined`: there is no further row. */
async function nextChunk(database: Database, row: ExportRow): Promise<Chunk | undefined> {
  const from = row.cursor === null ? row.startsAt : undefined;
  const range = {
    above: row.cursor ?? undefined,
    below: firstUuidAt(row.endsAt.getTime()),
    limit: ROWS_PER_CHUNK,
    ascending: true,
  };
  if (row.subject === 'usage') {
    const filter = { ...NO_USAGE_FILTER, ...row.filter, from };
    const rows = await listUsageRecordsOf(database, [row.accountId], filter, range);
    return toChunk(
      rows,
      ({ requestId }) => requestId,
      (page) => csvLines(USAGE_COLUMNS, page),
    );
  }
  const filter: LedgerEntryFilter = { from, to: undefined, kind: row.filter.kind };
  const rows = await listEntriesOf(database, [row.accountId], filter, range);
  return toChunk(
    rows,
    ({ id }) => id,
    (page) => csvLines(LEDGER_COLUMNS, page),
  );
}

const NO_USAGE_FILTER = {
  to: undefined,
  apiKeyId: undefined,
  model: undefined,
  dialect: undefined,
  status: undefined,
  endUser: undefined,
};

function toChunk<Row>(
  rows: readonly Row[],
  idOf: (row: Row) => string,
  toCsv: (rows: readonly Row[]) => string,
): Chunk | undefined {
  const page = [...rows].sort((one, other) => (idOf(one) < idOf(other) ? -1 : 1)).slice(0, ROWS_PER_CHUNK);
  const last = page.at(-1);
  return last && { csv: toCsv(page), rowCount: page.length, lastId: idOf(last) };
}

/** Stores the chunk and moves the cursor together. False: another worker was faster, or the export is complete. */
async function keepChunk(
  database: Database,
  clock: Clock,
  row: ExportRow,
  chunk: Chunk | undefined,
): Promise<boolean> {
  const columns = row.subject === 'usage' ? headerLine(USAGE_COLUMNS) : headerLine(LEDGER_COLUMNS);
  const csv = (row.chunkCount === 0 ? columns : '') + (chunk?.csv ?? '');
  const content = await compress(csv);
  const isLast = (chunk?.rowCount ?? 0) < ROWS_PER_CHUNK;
  return await database.transaction(async (tx) => {
    const moved = await tx
      .update(exports)
      .set({
        cursor: chunk?.lastId ?? row.cursor,
        chunkCount: row.chunkCount + 1,
        rowCount: sql`${exports.rowCount} + ${chunk?.rowCount ?? 0}`,
        byteCount: sql`${exports.byteCount} + ${Buffer.byteLength(csv)}`,
        progress: isLast ? 1 : progressAt(row, chunk?.lastId),
        ...(isLast && { status: 'done', finishedAt: new Date(clock.nowMs()) }),
      })
      .where(
        and(eq(exports.id, row.id), eq(exports.chunkCount, row.chunkCount), eq(exports.status, 'running')),
      )
      .returning({ id: exports.id });
    if (moved.length === 0) return false;
    await tx.insert(exportChunks).values({ exportId: row.id, sequence: row.chunkCount, content });
    return !isLast;
  });
}

/** Ids are by time. */
function progressAt({ startsAt, endsAt }: ExportRow, lastId: string | undefined): number {
  if (lastId === undefined) return 1;
  const timeMs = Number.parseInt(lastId.replaceAll('-', '').slice(0, 12), 16);
  const share = (timeMs - startsAt.getTime()) / (endsAt.getTime() - startsAt.getTime());
  return Math.min(Math.max(share, 0), 0.99);
}

/** Deletes the exports whose time is over; returns how many. */
export async function forgetExpiredExports(database: Database): Promise<number> {
  const forgotten = await database
    .delete(exports)
    .where(lte(exports.expiresAt, sql`now()`))
    .returning({ id: exports.id });
  return forgotten.length;
}
