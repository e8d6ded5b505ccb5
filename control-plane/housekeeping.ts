import type { Logger } from 'pino';
import type { DatabaseClients } from '#db/client.ts';
import { ensureUsagePartitions } from '#db/usage-partitions.ts';
import type { Clock } from '#shared/clock.ts';
import { forgetExpiredAnswers } from './answer-once.ts';
import { forgetExpiredExports } from './exports/write-export.ts';
import { expirePromotionalGrants } from './ledger/promotional-grants.ts';
import { forgetOldMails } from './mail/queue-mail.ts';
import { startPeriodicWork } from './periodic-work.ts';
import { dropOldPartitions } from './usage/drop-old-partitions.ts';
import { forgetOldBudgets } from './usage/forget-old-budgets.ts';
import { forgetOldEvents } from './webhooks/forget-deliveries.ts';

const ROUND_MS = 3_600_000;
const EXPIRY_ROUND_MS = 30_000;

export interface HousekeepingOptions {
  readonly clients: DatabaseClients;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whole months of usage records that are kept before the current one; 0: all. */
  readonly usageRetentionMonths: number;
}

/**
 * What has to happen now and then: at the start and every hour usage partitions two months ahead, the end of those past
 * their retention, of budgets of periods long past, of sealed answers and exports whose time is over, of old mails and webhook events;
 * every half minute the expiry of promotional credit.
 */
export function startHousekeeping({ clients, clock, logger, usageRetentionMonths }: HousekeepingOptions): {
  close(): Promise<void>;
} {
  const { database, sql } = clients;
  const hourly = async (): Promise<void> => {
    const partitions = await ensureUsagePartitions(sql, clock.nowMs());
    const dropped = await dropOldPartitions(sql, clock.nowMs(), usageRetentionMonths);
    const answers = await forgetExpiredAnswers(database);
    const events = await forgetOldEvents(database);
    const mails = await forgetOldMails(database);
    const budgets = await forgetOldBudgets(sql, clock.nowMs());
    const exports = await forgetExpiredExports(database);
    if (partitions.length + dropped.length + answers + events + mails + budgets + exports > 0)
      logger.info({ partitions, dropped, answers, events, mails, budgets, exports }, 'Housekeeping is done');
  };
  const expire = async (): Promise<void> => {
    let expired = 0;
    do {
      expired = await database.transaction((tx) => expirePromotionalGrants(tx, clock.nowMs()));
      if (expired > 0) logger.info({ grants: expired }, 'Promotional credit expired');
    } while (expired > 0);
  };
  const works = [
    startPeriodicWork('Housekeeping', ROUND_MS, hourly, logger),
    startPeriodicWork('The expiry of promotional credit', EXPIRY_ROUND_MS, expire, logger),
  ];
  return {
    close: async () => {
      await Promise.all(works.map((work) => work.close()));
    },
  };
}
