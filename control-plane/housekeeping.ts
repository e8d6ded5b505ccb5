import type { Logger } from 'pino';
import type { DatabaseClients } from '#db/client.ts';
import { ensureUsagePartitions } from '#db/usage-partitions.ts';
import type { Clock } from '#shared/clock.ts';
import { forgetExpiredAnswers } from './answer-once.ts';
import { describeFault } from './describe-fault.ts';

const ROUND_MS = 3_600_000;

/**
 * What has to happen now and then, at the start and every hour: usage partitions two months ahead, and the end of sealed
 * answers whose day is over. A failed round is logged and made up for by the next one.
 */
export function startHousekeeping(
  { database, sql }: DatabaseClients,
  clock: Clock,
  logger: Logger,
): { close(): Promise<void> } {
  const round = async (): Promise<void> => {
    try {
      const partitions = await ensureUsagePartitions(sql, clock.nowMs());
      const answers = await forgetExpiredAnswers(database);
      if (partitions.length + answers > 0) logger.info({ partitions, answers }, 'Housekeeping is done');
    } catch (error) {
      logger.error({ fault: describeFault(error) }, 'Housekeeping failed');
    }
  };
  let running = round();
  const timer = setInterval(() => {
    running = running.then(round);
  }, ROUND_MS);
  return {
    close: async () => {
      clearInterval(timer);
      await running;
    },
  };
}
