import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { type MetricsServer, startMetricsServer } from '#shared/metrics-server.ts';
import type { RedisQuotas } from './admission/redis-quotas.ts';
import type { DataPlaneSettings } from './settings.ts';
import type { SnapshotSource } from './snapshot/compiled-snapshot.ts';
import type { FileSpool } from './usage/file-spool.ts';

interface MetricSources {
  readonly settings: DataPlaneSettings;
  readonly spool: FileSpool;
  readonly snapshots: SnapshotSource;
  readonly quotas: Pick<RedisQuotas, 'reachable' | 'counts'>;
  readonly logger: Logger;
}

const MS_PER_SECOND = 1_000;
const RETRY_MS = 1_000;
/** A handover takes this many attempts at most; what lasts longer is worth a line in the log. */
const SILENT_ATTEMPTS = 10;
const NANO_PER_USD = 1e9;

/**
 * Serves the figures of this process; see `docs/metrics.md`. Everything is read when it is asked for, so requests pay
 * nothing. A process without metrics still serves; where the port cannot be had, because the predecessor in its slot still
 * has it, it is tried again until `close`.
 */
export function serveMetrics(sources: MetricSources): Pick<MetricsServer, 'close'> {
  const closing = new AbortController();
  const serving = serveWhenFree(sources, closing.signal);
  return {
    close: async () => {
      closing.abort();
      await (await serving)?.close();
    },
  };
}

async function serveWhenFree(
  sources: MetricSources,
  closing: AbortSignal,
): Promise<MetricsServer | undefined> {
  const render = renderer(sources);
  const { settings, logger } = sources;
  for (let attempt = 0; !closing.aborted; attempt += 1) {
    try {
      return await startMetricsServer({
        address: settings.metricsAddress,
        port: settings.metricsPort,
        home: settings.home,
        process: `data-plane-${settings.slot}`,
        render,
      });
    } catch (error) {
      if (attempt === SILENT_ATTEMPTS) logger.error({ reason: String(error) }, 'Metrics are not served');
      await delay(RETRY_MS, undefined, { signal: closing }).catch(() => undefined);
    }
  }
  return undefined;
}

function renderer(sources: MetricSources): () => Promise<string> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  addRequestMetrics(registry, sources);
  addSpoolMetrics(registry, sources);
  addLinkMetrics(registry, sources);
  addQuotaMetrics(registry, sources);
  return () => registry.metrics();
}

function addRequestMetrics(registry: Registry, { spool }: MetricSources): void {
  new Counter({
    name: 'crossmodel_requests_total',
    help: 'Requests of known keys that have ended, by dialect, status and error code',
    labelNames: ['dialect', 'status', 'code'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { count, ...labels } of spool.counts.endings()) this.inc(labels, count);
    },
  });
  new Counter({
    name: 'crossmodel_unknown_key_requests_total',
    help: 'Requests without a key or with one that nobody knows',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(spool.counts.strangers);
    },
  });
}

function addSpoolMetrics(registry: Registry, { spool, settings }: MetricSources): void {
  const gauges: readonly [name: string, help: string, read: () => number][] = [
    ['spool_backlog_records', 'Usage records that Postgres has not committed yet', () => spool.backlog],
    [
      'spool_adopted_records',
      'The same of ended processes, on their way through this one',
      () => spool.adoptedBacklog,
    ],
    [
      'spool_oldest_seconds',
      'How long the oldest usage record has waited for Postgres',
      () => spool.backlogAgeMs / MS_PER_SECOND,
    ],
    ['spool_bytes', 'Size of the usage spool on disk', () => spool.bytes],
    ['spool_capacity_bytes', 'Size from which new requests are refused', () => settings.spoolCapacityBytes],
    [
      'spool_accepting',
      '1 while the spool takes records; 0: full, or its disk fails',
      () => Number(spool.accepting),
    ],
  ];
  for (const [name, help, read] of gauges) addGauge(registry, name, help, read);
}

function addLinkMetrics(registry: Registry, { snapshots, quotas }: MetricSources): void {
  addGauge(
    registry,
    'snapshot_age_seconds',
    'How long ago the configuration was known to be up to date',
    () => snapshots.ageMs() / MS_PER_SECOND,
  );
  addGauge(
    registry,
    'snapshot_sequence',
    'Number of the last configuration change that is in force here',
    () => snapshots.current().sequence,
  );
  addGauge(
    registry,
    'quotas_reachable',
    '1 while Redis answers for quotas; 0: requests live on slices and allowances',
    () => Number(quotas.reachable),
  );
}

function addQuotaMetrics(registry: Registry, { quotas }: MetricSources): void {
  new Counter({
    name: 'crossmodel_holds_total',
    help: 'Requests admitted from slices, by asking Redis, or alone while it could not be asked; and refused',
    labelNames: ['outcome'],
    registers: [registry],
    collect() {
      this.reset();
      const { sliced, asked, alone, refused } = quotas.counts;
      for (const [outcome, count] of Object.entries({ sliced, asked, alone, refused }))
        this.inc({ outcome }, count);
    },
  });
  new Counter({
    name: 'crossmodel_hold_excesses_total',
    help: 'Requests that cost more than was held for them',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(quotas.counts.excesses);
    },
  });
  new Counter({
    name: 'crossmodel_hold_excess_usd_total',
    help: 'By how much they did in all, USD',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(Number(quotas.counts.excessNano) / NANO_PER_USD);
    },
  });
}

function addGauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name: `crossmodel_${name}`,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}
