import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { JobQueues } from '#control-plane/jobs/job-queues.ts';
import { serveMetrics } from '#control-plane/serve-metrics.ts';
import { readSettings } from '#control-plane/settings.ts';
import { ingestUsage } from '#control-plane/usage/ingest-usage.ts';
import { openDatabase } from '#db/client.ts';
import { systemClock } from '#shared/clock.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { openRedisLink } from '#shared/redis-link.ts';
import { mintTestId } from '#test/setup/billing-fixtures.ts';
import { testDatabaseUrl, testRedisUrl } from '#test/setup/test-backends.ts';

const logger = pino({ level: 'silent' });
const home = mkdtempSync(join(tmpdir(), 'crossmodel-metrics-'));
const databaseUrl = await testDatabaseUrl();
const redisUrl = await testRedisUrl();
const clients = openDatabase(databaseUrl, { max: 2, applicationName: 'metrics-test' });
const link = openRedisLink(redisUrl, 'metrics-test', logger);
const queues = new JobQueues(redisUrl, logger);
const settings = readSettings({
  CROSSMODEL_HOME: home,
  DATABASE_URL: databaseUrl,
  REDIS_URL: redisUrl,
  CROSSMODEL_SECRET_KEY: '0123456789abcdef'.repeat(4),
});
afterAll(async () => {
  await queues.close();
  link.close();
  await clients.close();
  rmSync(home, { recursive: true, force: true });
});

describe('metrics', () => {
  it('say how much usage waits where, on a port that service discovery finds', async () => {
    await ingestUsage(clients.sql, { spool: mintTestId(), from: 1, to: 2, lines: 'not json\nneither' });
    await link.client.xadd(redisKeys.usageStream, `${systemClock.nowMs() - 60_000}-0`, 'spool', 's');
    await queues.add('mails', { mailId: mintTestId() }, { id: 'waits' });
    const stores = { clients, redis: link.client, clock: systemClock, queues };
    const server = await serveMetrics({ settings, process: 'workers', logger, stores });
    const discovery = readFileSync(join(home, 'metrics', 'workers.json'), 'utf8');
    const [{ targets, labels }] = JSON.parse(discovery) as [{ targets: string[]; labels: object }];
    expect(labels).toEqual({ process: 'workers' });
    expect(targets).toEqual([`127.0.0.1:${server?.port}`]);
    const answer = await fetch(`http://${targets[0]}/metrics`);
    expect(answer.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    const text = await answer.text();
    expect(text).toContain('\ncrossmodel_usage_quarantined_records 2\n');
    expect(text).toContain('\ncrossmodel_usage_stream_batches 1\n');
    expect(Number(/^crossmodel_usage_stream_oldest_seconds (\S+)$/m.exec(text)?.[1])).toBeGreaterThanOrEqual(
      60,
    );
    expect(text).toContain('\ncrossmodel_job_queue_jobs{queue="mails",state="waiting"} 1\n');
    expect(text).toMatch(/^crossmodel_job_queue_oldest_seconds\{queue="mails"\} /m);
    expect(text).toContain('\ncrossmodel_dead_letters{queue="mails"} 0\n');
    expect(text).toContain('\nprocess_resident_memory_bytes ');
    expect(text).not.toMatch(/^crossmodel_reconciliation_age_seconds /m);
    expect((await fetch(`http://${targets[0]}/`)).status).toBe(404);
    await server?.close();
    expect(readdirSync(join(home, 'metrics'))).toEqual([]);
  });

  it('are left out, with a line in the log, when their port is taken', async () => {
    const first = await serveMetrics({ settings, process: 'control-plane', logger });
    const lines: string[] = [];
    const noisy = pino({}, { write: (line: string) => void lines.push(line) });
    const taken = { ...settings, metricsPort: first?.port ?? 0 };
    expect(await serveMetrics({ settings: taken, process: 'control-plane', logger: noisy })).toBeUndefined();
    expect(lines.join('')).toContain('EADDRINUSE');
    await first?.close();
  });
});
