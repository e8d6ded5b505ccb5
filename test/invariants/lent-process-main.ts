import { pino } from 'pino';
import { HOLD_TIMEOUT_MS, openRedisQuotas } from '#data-plane/admission/redis-quotas.ts';
import type { CompiledKey } from '#data-plane/snapshot/compiled-snapshot.ts';
import { openFileSpool } from '#data-plane/usage/file-spool.ts';
import { type Clock, systemClock } from '#shared/clock.ts';
import { isFault } from '#shared/fault.ts';
import type { SnapshotKey } from '#shared/snapshot.ts';
import type { LentOrder, LentReport, RequestOrder } from './lent-protocol.ts';
import { readLentProcessSettings } from './settings.ts';

/** A data-plane process without HTTP: the shipped quotas and the shipped spool, ordered about by the simulation. */

const SPOOL_CAPACITY_BYTES = 256 * 1024 * 1024;
const CLOSE_MS = 3_000;
/** Slower than in production, because several of these share two cores with the test. */
const PATIENT_HOLD_TIMEOUT_MS = HOLD_TIMEOUT_MS * 20;

const settings = readLentProcessSettings();
const logger = pino({ level: 'silent' });
let clockOffsetMs = 0;
const clock: Clock = {
  nowMs: () => systemClock.nowMs() + clockOffsetMs,
  monotonicMs: () => systemClock.monotonicMs(),
};
const spool = openFileSpool({
  ...settings,
  capacityBytes: SPOOL_CAPACITY_BYTES,
  durable: false,
  clock,
  logger,
});
const quotas = openRedisQuotas({
  redisUrl: settings.redisUrl,
  spoolId: spool.id,
  noteGrant: (line, onWritten) => spool.appendLine(line, onWritten),
  clock,
  logger,
  // Nothing is served unmetered here, so that every bound is exact.
  outageAllowanceNano: 0n,
  holdTimeoutMs: PATIENT_HOLD_TIMEOUT_MS,
});
const keys = new Map<string, CompiledKey>();

function report(message: LentReport): void {
  process.send?.(message);
}

function compiled(text: string): CompiledKey {
  let key = keys.get(text);
  if (key === undefined) {
    const config = JSON.parse(text) as SnapshotKey;
    key = { config, exactAliases: new Map(), prefixAliases: [] };
    keys.set(text, key);
  }
  return key;
}

async function serve(order: RequestOrder): Promise<void> {
  const { number } = order;
  if (!spool.accepting) return report({ kind: 'refused', number, reason: 'spool' });
  const hold = await quotas.hold({
    key: compiled(order.key),
    worstCaseNano: BigInt(order.holdNano),
    reservedTokens: order.tokens,
  });
  if (isFault(hold)) return report({ kind: 'refused', number, reason: hold.kind });
  report({ kind: 'admitted', number });
  await new Promise((resolve) => setTimeout(resolve, order.durationMs));
  const record = {
    ...JSON.parse(order.record),
    ...(hold.budgetPeriod && { budgetPeriod: hold.budgetPeriod }),
  };
  quotas.settle(hold, BigInt(record.costNano), order.tokens);
  spool.append(record, () => report({ kind: 'completed', number }));
  if (order.twice) spool.append(record, () => undefined);
}

async function stop(): Promise<void> {
  await quotas.close();
  await spool.close(CLOSE_MS);
  process.exit(0);
}

process.on('message', (order: LentOrder) => {
  if (order.kind === 'request') void serve(order);
  else if (order.kind === 'step_clock') clockOffsetMs += order.byMs;
  else void stop();
});
process.on('disconnect', () => process.exit(1));
report({ kind: 'ready', spoolId: spool.id });
