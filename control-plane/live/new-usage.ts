import type { Database } from '#db/client.ts';
import { systemClock } from '#shared/clock.ts';
import { listUsageRecordsOf, type UsageRecordRow } from '../usage/list-usage-records.ts';

/** At most so many records at a time; more happen only where nobody could read them one by one. */
export const MAX_RECORDS_PER_EVENT = 100;
/** How far before the subscription a request may have begun that is recorded during it. */
const LONGEST_REQUEST_MS = 3_600_000;
const REMEMBERED = 2_000;

export interface NewUsage {
  readonly accountId: string;
  /** Oldest first. */
  readonly records: readonly UsageRecordRow[];
  /** There were more than these. */
  readonly more: boolean;
}

/**
 * Reads what was recorded of an account since the last call; the first call only looks at what is there. Records are by the
 * time at which their request began, so what is told is remembered, not where the last look has ended.
 */
export function newUsageReader(database: Database, accountId: string): () => Promise<NewUsage | undefined> {
  const from = new Date(systemClock.nowMs() - LONGEST_REQUEST_MS);
  const told = new Set<string>();
  let isFirst = true;
  return async () => {
    const rows = await listUsageRecordsOf(
      database,
      [accountId],
      {
        from,
        to: undefined,
        apiKeyId: undefined,
        model: undefined,
        dialect: undefined,
        status: undefined,
        endUser: undefined,
      },
      { above: undefined, below: undefined, limit: MAX_RECORDS_PER_EVENT, ascending: false },
    );
    const records = rows
      .filter((row) => !told.has(row.requestId))
      .toSorted((left, right) => (left.requestId < right.requestId ? -1 : 1));
    for (const { requestId } of records) told.add(requestId);
    for (const requestId of told) {
      if (told.size <= REMEMBERED) break;
      told.delete(requestId);
    }
    const wasFirst = isFirst;
    isFirst = false;
    if (wasFirst || records.length === 0) return undefined;
    return { accountId, records, more: records.length === MAX_RECORDS_PER_EVENT };
  };
}
