import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { DatabaseClients } from '#db/client.ts';
import type { Clock } from '#shared/clock.ts';
import { type MetricsServer, startMetricsServer } from '#shared/metrics-server.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { countDeadLetters } from './jobs/dead-letters.ts';
import { type JobQueues, QUEUE_NAMES } from './jobs/job-queues.ts';
import { lastReconciliation } from './ledger/reconcile.ts';
import type { ControlPlaneSettings } from './settings.ts';

interface MetricSources {
  readonly settings: ControlPlaneSettings;
  readonly process: 'control-plane' | 'workers';
  readonly logger: Logger;
  /** What the workers alone can tell. */
  readonly stores?: {
    readonly clients: DatabaseClients;
    readonly redis: Redis;
    readonly clock: Clock;
    readonly queues: JobQueues;
  };
}

const MS_PER_SECOND = 1_000;

/** Serves the figures of the API or of the workers; see `docs/metrics.md`. `undefined`: the port cannot be had. */
export async function serveMetrics(sources: MetricSources): Promise<MetricsServer | undefined> {
  const { settings, process, logger, stores } = sources;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  if (stores) {
    addDatabaseMetrics(registry, stores);
    addStreamMetrics(registry, stores);
    addQueueMetrics(registry, stores);
  }
  const port = settings.metricsPort === 0 ? 0 : settings.metricsPort + (process === 'workers' ? 1 : 0);
  try {
    return await startMetricsServer({
      address: settings.metricsAddress,
      port,
      home: settings.home,
      process,
      render: () => registry.metrics(),
    });
  } catch (error) {
    logger.error({ reason: String(error) }, 'Metrics are not served');
    return undefined;
  }
}

type Stores = NonNullable<MetricSources['stores']>;

/** A figure that cannot be read is absent: the others are still worth having. */
function addGauge(
  registry: Registry,
  name: string,
  help: string,
  read: () => Promise<number | undefined>,
): void {
  new Gauge({
    name: `crossmodel_${name}`,
    help,
    registers: [registry],
    async collect() {
      this.reset();
      const value = await read().catch(() => undefined);
      if (value === undefined) this.remove();
      else this.set(value);
    },
  });
}

function addDatabaseMetrics(registry: Registry, { clients, clock }: Stores): void {
  const { sql, database } = clients;
  const count = async (rows: PromiseLike<readonly { count: number }[]>) => (await rows)[0]?.count;
  addGauge(registry, 'usage_quarantined_records', 'Usage records that wait for an operator', () =>
    count(
      sql<{ count: number }[]>`select count(*)::int as count from usage_quarantine where resolved_at is null`,
    ),
  );
  addGauge(registry, 'spools_open', 'Spools of data planes that are not closed yet', () =>
    count(sql<{ count: number }[]>`select count(*)::int as count from usage_spools where closed_at is null`),
  );
  addGauge(
    registry,
    'usage_ingested_records',
    'Spool lines that Postgres has committed, of all spools ever',
    () =>
      count(sql<{ count: number }[]>`select coalesce(sum(high_water), 0)::float8 as count from usage_spools`),
  );
  addGauge(
    registry,
    'reconciliation_differences',
    'Figures that the last reconciliation found to differ',
    async () => (await lastReconciliation(database))?.differenceCount,
  );
  addGauge(registry, 'reconciliation_age_seconds', 'How long ago it began', async () => {
    const last = await lastReconciliation(database);
    return last && (clock.nowMs() - last.startedAt.getTime()) / MS_PER_SECOND;
  });
}

function addStreamMetrics(registry: Registry, { redis, clock }: Stores): void {
  addGauge(registry, 'usage_stream_batches', 'Batches of usage in Redis that are not booked yet', () =>
    redis.xlen(redisKeys.usageStream),
  );
  addGauge(registry, 'usage_stream_oldest_seconds', 'How long the oldest of them has waited', async () => {
    const [oldest] = await redis.xrange(redisKeys.usageStream, '-', '+', 'COUNT', 1);
    if (oldest === undefined) return 0;
    // The id of an entry begins with the Unix ms of its arrival.
    return Math.max(0, clock.nowMs() - Number(oldest[0].split('-')[0])) / MS_PER_SECOND;
  });
}

function addQueueMetrics(registry: Registry, { clients, queues }: Stores): void {
  new Gauge({
    name: 'crossmodel_job_queue_jobs',
    help: 'Background jobs by queue and state; delayed ones wait for their time or their next attempt',
    labelNames: ['queue', 'state'],
    registers: [registry],
    async collect() {
      this.reset();
      for (const { queue, waiting, active, delayed } of await queues.health().catch(() => [])) {
        this.set({ queue, state: 'waiting' }, waiting);
        this.set({ queue, state: 'active' }, active);
        this.set({ queue, state: 'delayed' }, delayed);
      }
    },
  });
  new Gauge({
    name: 'crossmodel_job_queue_oldest_seconds',
    help: 'How long the oldest job that could run has waited',
    labelNames: ['queue'],
    registers: [registry],
    async collect() {
      this.reset();
      for (const { queue, oldestWaitingMs } of await queues.health().catch(() => []))
        this.set({ queue }, oldestWaitingMs / MS_PER_SECOND);
    },
  });
  new Gauge({
    name: 'crossmodel_dead_letters',
    help: 'Jobs that failed for the last time and that nobody has run again',
    labelNames: ['queue'],
    registers: [registry],
    async collect() {
      this.reset();
      const dead = await countDeadLetters(clients.database).catch(() => undefined);
      if (dead) for (const queue of QUEUE_NAMES) this.set({ queue }, dead.get(queue) ?? 0);
    },
  });
}
