import path from 'node:path';
import { type Logger, pino } from 'pino';
import { openDatabase } from '#db/client.ts';
import { systemClock } from '#shared/clock.ts';
import { GuardedFetcher } from '#shared/guarded-fetch.ts';
import { announceReady, onShutdown } from '#shared/process-lifecycle.ts';
import { openRedisLink } from '#shared/redis-link.ts';
import { failureLine } from './describe-fault.ts';
import type { MailSettings } from './mail/open-mailbox.ts';
import { serveMetrics } from './serve-metrics.ts';
import { type ControlPlaneSettings, readSettings } from './settings.ts';

const API_CONNECTIONS = 10;
const WORKER_CONNECTIONS = 5;
const SHUTDOWN_DEADLINE_MS = 15_000;
const LOOPBACK_ADDRESSES = ['127.0.0.1', '::1'];

interface Part {
  close(): Promise<void>;
}

/** Answers the GraphQL API. Imported by role: a worker without GraphQL starts in half the time. */
async function startApi(settings: ControlPlaneSettings, logger: Logger): Promise<Part> {
  const { startApiServer, LiveFeed, openMailbox, openSignIn, RateLimiter, openPayments, exportRoute } =
    await importApi();
  const clients = openDatabase(settings.databaseUrl, {
    max: API_CONNECTIONS,
    applicationName: 'crossmodel-api',
    statementTimeoutMs: settings.apiTimeoutMs,
  });
  const link = openRedisLink(settings.redisUrl, 'api', logger);
  const { database } = clients;
  const { sealingKey, publicUrl } = settings;
  const { development, consoleOrigins } = edgeOf(settings);
  const mailbox = openMailbox(mailSettings(settings), logger);
  const rateLimiter = new RateLimiter(link.client, systemClock);
  const signIn = openSignIn({
    database,
    sealingKey,
    mailbox,
    rateLimiter,
    logger,
    publicUrl,
    consoleOrigins,
    development,
  });
  const liveFeed = new LiveFeed(settings.redisUrl);
  const payments = openPayments(
    { database, redisUrl: settings.redisUrl, sealingKey, logger },
    settings.billing,
  );
  const server = await startApiServer(
    {
      database,
      redis: link.client,
      sealingKey,
      mailbox,
      rateLimiter,
      costPerMinute: settings.apiCostPerMinute,
      apiTimeoutMs: settings.apiTimeoutMs,
      signIn,
      publicUrl,
      webhookFetcher: webhookFetcher(settings),
      liveFeed,
      ...payments.resources,
    },
    {
      ...edgeOf(settings),
      routes: [...payments.routes, exportRoute(database, sealingKey)],
      logger,
    },
  );
  logger.info({ port: server.port }, 'The GraphQL API is listening');
  const metrics = await serveMetrics({ settings, process: 'control-plane', logger });
  return {
    close: async () => {
      await metrics?.close();
      liveFeed.close();
      await server.close();
      await payments.resources.queues.close();
      await mailbox.close();
      link.close();
      await clients.close();
    },
  };
}

async function importApi() {
  const [server, live, mail, people, limits, billing, exports] = await Promise.all([
    import('./http-server.ts'),
    import('./live/live-feed.ts'),
    import('./mail/open-mailbox.ts'),
    import('./people/open-sign-in.ts'),
    import('./rate-limit.ts'),
    import('./billing/open-payments.ts'),
    import('./exports/serve-export.ts'),
  ]);
  return { ...server, ...live, ...mail, ...people, ...limits, ...billing, ...exports };
}

/** Where the API listens, and whom it believes. */
function edgeOf(settings: ControlPlaneSettings) {
  const { bindAddress, trustedProxies, publicUrl } = settings;
  return {
    development: settings.mode === 'development',
    bindAddress,
    port: settings.controlPlanePort,
    trustedProxies,
    consoleOrigins: ownOrigins(settings),
    publicUrl,
  };
}

/** In development the browser may know this machine by either of its names. */
function ownOrigins({ mode, consoleOrigins, controlPlanePort }: ControlPlaneSettings): readonly string[] {
  return mode === 'development'
    ? [...consoleOrigins, `http://localhost:${controlPlanePort}`]
    : consoleOrigins;
}

function mailSettings({ mode, home, smtpUrl, mailFrom }: ControlPlaneSettings): MailSettings {
  return { smtpUrl, from: mailFrom, outbox: mode === 'development' ? path.join(home, 'outbox') : null };
}

/** The way to webhook endpoints, which strangers name. */
function webhookFetcher({ webhooksToLoopback }: ControlPlaneSettings): GuardedFetcher {
  return new GuardedFetcher({ trustedAddresses: webhooksToLoopback ? LOOPBACK_ADDRESSES : [] });
}

/** Moves what has to move between Postgres and Redis. */
async function startBackgroundWork(settings: ControlPlaneSettings, logger: Logger): Promise<Part> {
  const [
    { startWorkers },
    { SpendingWatch },
    { startHousekeeping },
    { reconcileRegularly },
    { startJobs },
    { openMailbox },
  ] = await Promise.all([
    import('./workers.ts'),
    import('./alerts/watch-spending.ts'),
    import('./housekeeping.ts'),
    import('./ledger/reconcile-regularly.ts'),
    import('./jobs/start-jobs.ts'),
    import('./mail/open-mailbox.ts'),
  ]);
  const clients = openDatabase(settings.databaseUrl, {
    max: WORKER_CONNECTIONS,
    applicationName: 'crossmodel-workers',
  });
  const link = openRedisLink(settings.redisUrl, 'audit', logger);
  const watch = new SpendingWatch({ ...clients, redis: link.client, clock: systemClock, logger });
  const workers = startWorkers({
    clients,
    redisUrl: settings.redisUrl,
    logger,
    sandbox: settings.sandboxBaseUrl === null ? undefined : { baseUrl: settings.sandboxBaseUrl },
    watch,
  });
  const mailbox = openMailbox(mailSettings(settings), logger);
  const jobs = startJobs({
    ...clients,
    redisUrl: settings.redisUrl,
    logger,
    sealingKey: settings.sealingKey,
    mailbox,
    fetcher: webhookFetcher(settings),
    billing: settings.billing,
  });
  const housekeeping = startHousekeeping({
    clients,
    clock: systemClock,
    logger,
    usageRetentionMonths: settings.usageRetentionMonths,
  });
  const stores = { clients, redis: link.client, clock: systemClock };
  const reconciliation = reconcileRegularly(
    { ...clients, ...stores },
    settings.reconcileIntervalMinutes,
    logger,
  );
  const metrics = await serveMetrics({
    settings,
    process: 'workers',
    logger,
    stores: { ...stores, queues: jobs.queues },
  });
  return {
    close: async () => {
      await metrics?.close();
      await Promise.all([workers.close(), housekeeping.close(), reconciliation.close(), jobs.close()]);
      await Promise.all([mailbox.close(), watch.close()]);
      link.close();
      await clients.close();
    },
  };
}

async function start(settings: ControlPlaneSettings): Promise<void> {
  const logger = pino({
    level: settings.logLevel,
    base: { process: `control-plane-${settings.role}` },
    redact: ['*.authorization', '*.cookie'],
  });
  const parts: Part[] = [];
  onShutdown(async () => {
    // The API first: what it has accepted reaches Postgres before the workers that carry it on end.
    for (const part of parts) await part.close();
  }, SHUTDOWN_DEADLINE_MS);
  if (settings.role !== 'workers') parts.push(await startApi(settings, logger));
  if (settings.role !== 'api') parts.push(await startBackgroundWork(settings, logger));
  announceReady();
}

try {
  await start(readSettings());
} catch (error) {
  process.stderr.write(`control-plane: ${failureLine(error)}\n`);
  process.exit(1);
}
