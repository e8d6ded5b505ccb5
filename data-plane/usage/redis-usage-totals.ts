import type { Logger } from 'pino';
import type { Clock } from '#shared/clock.ts';
import { type Fault, fault } from '#shared/fault.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { openRedisLink } from '#shared/redis-link.ts';
import { type UsageTotals, usageWindowStarts, type WindowTotals } from '#shared/usage-totals.ts';
import type { UsageTotalsReader } from './usage-totals-reader.ts';

const READ_TIMEOUT_MS = 20;
const MAX_AGE_MS = 60_000;
const ACCOUNTS_REMEMBERED = 100_000;

export interface RedisUsageTotals extends UsageTotalsReader {
  close(): void;
}

/** Reads the totals that the control plane keeps in Redis; a value read in the last minute stands in when Redis is slow. */
export function openUsageTotalsReader(options: {
  readonly redisUrl: string;
  readonly clock: Clock;
  readonly logger: Logger;
}): RedisUsageTotals {
  const { clock } = options;
  const link = openRedisLink(options.redisUrl, 'totals', options.logger);
  const remembered = new Map<string, { atMs: number; totals: UsageTotals }>();

  async function readFresh(accountId: string): Promise<UsageTotals | undefined> {
    const runId = link.runId();
    if (runId === undefined) return undefined;
    const answer = await Promise.race([
      link.client.mget(redisKeys.quotaOpen, redisKeys.usageTotals(accountId)).catch(() => undefined),
      new Promise<undefined>((resolve) => setTimeout(resolve, READ_TIMEOUT_MS, undefined)),
    ]);
    // Until the control plane has seeded a restarted Redis, a missing value does not mean zero.
    if (answer === undefined || answer[0] !== runId) return undefined;
    const text = answer[1];
    return text === null || text === undefined ? noUsage(clock.nowMs()) : (JSON.parse(text) as UsageTotals);
  }

  return {
    async readTotals(accountId: string): Promise<UsageTotals | Fault> {
      const fresh = await readFresh(accountId);
      if (fresh !== undefined) {
        if (remembered.size >= ACCOUNTS_REMEMBERED) remembered.clear();
        remembered.set(accountId, { atMs: clock.monotonicMs(), totals: fresh });
        return inCurrentWindows(fresh, clock.nowMs());
      }
      const last = remembered.get(accountId);
      if (last !== undefined && clock.monotonicMs() - last.atMs <= MAX_AGE_MS)
        return inCurrentWindows(last.totals, clock.nowMs());
      return fault('db_error', 'Usage cannot be read right now. Please retry in a moment.');
    },
    close: () => link.close(),
  };
}

function emptyWindow(from: string): WindowTotals {
  return { from, costMicro: '0', promptTokens: 0, completionTokens: 0, requestCount: 0, successCount: 0 };
}

function noUsage(nowMs: number): UsageTotals {
  const starts = usageWindowStarts(nowMs);
  return {
    daily: emptyWindow(starts.daily),
    weekly: emptyWindow(starts.weekly),
    monthly: emptyWindow(starts.monthly),
  };
}

/** Totals of a window that has ended since they were published count as zero. */
function inCurrentWindows(totals: UsageTotals, nowMs: number): UsageTotals {
  const starts = usageWindowStarts(nowMs);
  const current = (window: WindowTotals, from: string): WindowTotals =>
    window.from === from ? window : emptyWindow(from);
  return {
    daily: current(totals.daily, starts.daily),
    weekly: current(totals.weekly, starts.weekly),
    monthly: current(totals.monthly, starts.monthly),
  };
}
