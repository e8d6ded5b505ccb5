import type { Logger } from 'pino';
import type { DatabaseClients } from '#db/client.ts';
import { type Clock, systemClock } from '#shared/clock.ts';
import { openRedisLink } from '#shared/redis-link.ts';
import type { SpendingWatch } from './alerts/watch-spending.ts';
import { publishReplayed } from './ledger/publish-replayed.ts';
import { WalletPublisher } from './ledger/publish-wallets.ts';
import type { SandboxUpstream } from './snapshot/build-snapshot.ts';
import { SnapshotPublisher } from './snapshot/publish-snapshot.ts';
import { UsageConsumer } from './usage/consume-usage-stream.ts';
import { UsageTotalsPublisher } from './usage/publish-usage-totals.ts';

export interface WorkersOptions {
  readonly clients: DatabaseClients;
  readonly redisUrl: string;
  readonly logger: Logger;
  /** Development only: where models without a credential are answered. */
  readonly sandbox: SandboxUpstream | undefined;
  /** Told of booked usage. */
  readonly watch?: SpendingWatch;
}

export interface RunningWorkers {
  close(): Promise<void>;
}

const CONSUMER = 'worker-0';

/**
 * Starts everything that moves between Postgres and Redis: the snapshot publisher, the wallet and totals publishers and the
 * usage ingest. Each keeps trying while Postgres or Redis is away; none holds state that Postgres does not have.
 */
export function startWorkers({ clients, redisUrl, logger, sandbox, watch }: WorkersOptions): RunningWorkers {
  const clock = systemClock;
  const link = openRedisLink(redisUrl, 'snapshots', logger);
  const snapshots = new SnapshotPublisher({ sql: clients.sql, link, clock, logger, sandbox });
  snapshots.start();
  const usage = startUsageWorkers({ clients, redisUrl, logger, clock, ...(watch && { watch }) });
  return {
    close: async () => {
      await Promise.all([snapshots.close(), usage.close()]);
      link.close();
    },
  };
}

/** The part of them that turns usage into money: the ingest, and the figures in Redis that follow from it. */
export function startUsageWorkers({
  clients,
  redisUrl,
  logger,
  clock,
  watch,
}: Omit<WorkersOptions, 'sandbox'> & { readonly clock: Clock }): RunningWorkers {
  const link = openRedisLink(redisUrl, 'workers', logger);
  const readingLink = openRedisLink(redisUrl, 'usage-reader', logger, true);
  const totals = new UsageTotalsPublisher(clients.sql, link, clock, logger);
  const wallets = new WalletPublisher(clients.sql, link, clock, logger, () => totals.reseed());
  const consumer = new UsageConsumer({
    clients,
    link,
    readingLink,
    wallets,
    totals,
    clock,
    logger,
    watch,
    consumer: CONSUMER,
  });
  wallets.start();
  totals.start();
  consumer.start();
  const replayed = publishReplayed(clients.sql, wallets, logger);
  return {
    close: async () => {
      readingLink.close();
      await Promise.all([replayed.stop(), wallets.close(), totals.close(), consumer.close()]);
      link.close();
    },
  };
}
