import type { Logger } from 'pino';
import { type Listening, listenForever } from '#db/listen.ts';
import { startPeriodicWork } from '../periodic-work.ts';
import { lastReconciliation, type ReconcileResources, reconcile } from './reconcile.ts';

/** Postgres channel on which an operator asks for a reconciliation at once. */
export const RECONCILE_CHANNEL = 'reconcile';
const MS_PER_MINUTE = 60_000;

/** Reconciles every `intervalMinutes` and when asked to; several workers share the work, a restart does not repeat it. */
export function reconcileRegularly(
  resources: ReconcileResources,
  intervalMinutes: number,
  logger: Logger,
): { close(): Promise<void> } {
  let asked = false;
  const round = async (): Promise<void> => {
    const last = asked ? undefined : await lastReconciliation(resources.database);
    const dueMs = (last?.startedAt.getTime() ?? 0) + intervalMinutes * MS_PER_MINUTE;
    if (resources.clock.nowMs() < dueMs) return;
    asked = false;
    const result = await reconcile(resources);
    const { differenceCount, differences } = result;
    if (differenceCount === 0) logger.info({ checked: result.checked }, 'Everything reconciles');
    else logger.fatal({ differenceCount, differences }, 'Ledger, usage, balances or Redis differ');
  };
  const work = startPeriodicWork('Reconciliation', MS_PER_MINUTE, round, logger);
  const listening: Listening = listenForever(
    resources.sql,
    RECONCILE_CHANNEL,
    () => {
      asked = true;
      work.runSoon();
    },
    () => undefined,
  );
  return {
    close: async () => {
      await listening.stop();
      await work.close();
    },
  };
}
