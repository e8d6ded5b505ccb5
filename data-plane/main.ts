import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Logger, pino } from 'pino';
import { systemClock } from '#shared/clock.ts';
import { GuardedFetcher } from '#shared/guarded-fetch.ts';
import { createIdMinter } from '#shared/identifiers.ts';
import { announceReady, onShutdown } from '#shared/process-lifecycle.ts';
import { HOLD_TIMEOUT_MS, openRedisQuotas } from './admission/redis-quotas.ts';
import type { Gateway } from './gateway.ts';
import { MediaGuard } from './media/media-guard.ts';
import { openFilesLimit } from './open-files.ts';
import { serveMetrics } from './serve-metrics.ts';
import { startServer } from './server.ts';
import { type DataPlaneSettings, readSettings } from './settings.ts';
import { openSnapshotSource } from './snapshot/snapshot-feed.ts';
import { openSharedFactors } from './token-count/shared-factors.ts';
import { LearningCounter } from './token-count/token-counter.ts';
import { createHttp1Client } from './upstream/http1-client.ts';
import { SilenceWatch } from './upstream/silence-watch.ts';
import { createUndiciClient } from './upstream/undici-client.ts';
import { openFileSpool } from './usage/file-spool.ts';
import { openUsageTotalsReader } from './usage/redis-usage-totals.ts';
import { warmUp } from './warm-up.ts';

/** One process of the data plane: settings, first snapshot, listen, serve, drain on signal. */
const WATCH_INTERVAL_MS = 250;
const SPOOL_CLOSE_MS = 3_000;
/** Enough for about two thousand streams at once. */
const FEW_OPEN_FILES = 4_096;
const LOOPBACK_ADDRESSES = ['127.0.0.1', '::1'];
/** Drain, spool and connections together; the process is ended by force after that. */
const SHUTDOWN_MARGIN_MS = 5_000;
/** How long silent connections are kept for a client that is just sending its next request; see `DrainLimits`. */
const LINGER_MS = 2_000;

await run(readSettings());

async function run(settings: DataPlaneSettings): Promise<void> {
  const logger = pino({
    level: settings.logLevel,
    base: { process: `data-plane-${settings.slot}` },
    redact: ['*.authorization', '*.credential', '*.headers', '*.body', 'authorization', 'credential'],
  });
  const links = await openLinks(settings, logger);
  const gateway = assembleGateway(settings, links, logger);
  await warmUp(gateway);
  const server = await startServer(gateway, settings.bindAddress, settings.port);
  const metrics = serveMetrics({ settings, ...links, logger });
  onShutdown(async (cause) => {
    // A successor in the same slot may be waiting for the port.
    await metrics.close();
    const lingerMs = cause === 'asked' ? LINGER_MS : 0;
    const cut = await server.drain({ deadlineMs: settings.drainTimeoutMs, lingerMs });
    if (cut > 0) logger.warn({ requests: cut }, 'requests cut at the end of DRAIN_TIMEOUT_MS');
    server.close();
    // Requests that were cut a moment ago are recorded before the spool closes.
    await nextTurn();
    gateway.watch.stop();
    await Promise.all([
      links.spool.close(SPOOL_CLOSE_MS),
      links.upstreams.close(),
      links.snapshots.close(),
      gateway.tokenCounter.close(),
    ]);
    await links.quotas.close();
    links.totals.close();
  }, settings.drainTimeoutMs + SHUTDOWN_MARGIN_MS);
  const openFiles = openFilesLimit();
  logger.info({ host: settings.bindAddress, port: server.port, openFiles }, 'data plane listening');
  if (openFiles !== undefined && openFiles < FEW_OPEN_FILES)
    logger.warn({ openFiles }, 'Few open files are allowed (ulimit -Hn), and each stream takes two');
  announceReady();
}

/** Everything that reaches beyond this process and is closed at its end. */
async function openLinks(settings: DataPlaneSettings, logger: Logger) {
  const { redisUrl, home, slot, slotCount, sealingKey } = settings;
  const clock = systemClock;
  const spool = openFileSpool({
    redisUrl,
    home,
    slot,
    slotCount,
    capacityBytes: settings.spoolCapacityBytes,
    durable: settings.spoolDurable,
    clock,
    logger,
  });
  const snapshots = await openSnapshotSource({
    redisUrl,
    home,
    sealingKey,
    bootWaitMs: settings.snapshotBootWaitMs,
    writesFile: slot === 0,
    clock,
    logger,
  });
  const quotas = openRedisQuotas({
    redisUrl,
    spoolId: spool.id,
    noteGrant: (line, onWritten) => spool.appendLine(line, onWritten),
    clock,
    logger,
    outageAllowanceNano: settings.outageAllowanceNano,
    holdTimeoutMs: HOLD_TIMEOUT_MS,
  });
  const totals = openUsageTotalsReader({ redisUrl, clock, logger });
  const upstreams =
    settings.upstreamClient === 'own' ? createHttp1Client(settings) : createUndiciClient(settings);
  return { spool, snapshots, quotas, totals, upstreams };
}

function assembleGateway(
  settings: DataPlaneSettings,
  links: Awaited<ReturnType<typeof openLinks>>,
  logger: Logger,
): Gateway {
  const clock = systemClock;
  const { quotas } = links;
  return {
    ...links,
    media: new MediaGuard({
      fetcher: new GuardedFetcher({ trustedAddresses: settings.mediaFromLoopback ? LOOPBACK_ADDRESSES : [] }),
      maxRequestBytes: settings.bodyLimits.maxBodyBytes,
    }),
    tokenCounter: new LearningCounter({
      factors: openSharedFactors({ redisUrl: settings.redisUrl, clock, logger }),
      clock,
    }),
    watch: new SilenceWatch(WATCH_INTERVAL_MS),
    clock,
    counts: links.spool.counts,
    mintRequestId: createIdMinter(clock),
    sealingKey: settings.sealingKey,
    log: logger,
    bodyLimits: settings.bodyLimits,
    trustedProxies: settings.trustedProxies,
    silenceLimits: settings.silenceLimits,
    snapshotMaxAgeMs: settings.snapshotMaxAgeMs,
    random: Math.random,
    linkStates: () => ({ redis: quotas.reachable ? 'up' : 'down' }),
  };
}
