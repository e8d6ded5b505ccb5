import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHousekeeping } from '#control-plane/housekeeping.ts';
import { type DatabaseClients, openDatabase } from '#db/client.ts';
import { testDatabaseUrl } from '#test/setup/test-backends.ts';

let clients: DatabaseClients;
beforeAll(async () => {
  clients = openDatabase(await testDatabaseUrl(), { max: 2, applicationName: 'test' });
});
afterAll(() => clients.close());

function clockAt(nowMs: number) {
  return { nowMs: () => nowMs, monotonicMs: () => performance.now() };
}

describe('housekeeping', () => {
  it('adds the partitions of the months to come and forgets answers past their day', async () => {
    const { sql } = clients;
    const answer = (expiry: string) => sql`
      insert into idempotency_records (actor_id, key, mutation, input_digest, sealed_answer, expires_at)
      values (${randomUUID()}, ${randomUUID()}, 'accountCreate', 'd', 's', now() + ${expiry}::interval)`;
    await answer('-1 second');
    await answer('1 hour');
    await startHousekeeping({
      clients,
      clock: clockAt(Date.UTC(2035, 3, 9)),
      logger: pino({ level: 'silent' }),
      usageRetentionMonths: 0,
    }).close();
    const partitions = await sql`
      select relname from pg_class where relname like 'usage_records_2035%' and relkind = 'r' order by relname`;
    expect(partitions.map((row) => row.relname)).toEqual([
      'usage_records_2035_03',
      'usage_records_2035_04',
      'usage_records_2035_05',
      'usage_records_2035_06',
    ]);
    expect(await sql`select 1 from idempotency_records`).toHaveLength(1);
  });

  it('adds partitions without waiting for a reader, and once when two try at a time', async () => {
    const { sql } = clients;
    const reader = await sql.reserve();
    await reader`begin`;
    await reader`select 1 from usage_records`;
    const clock = clockAt(Date.UTC(2036, 3, 9));
    const logger = pino({ level: 'silent' });
    await Promise.all([
      startHousekeeping({ clients, clock, logger, usageRetentionMonths: 0 }).close(),
      startHousekeeping({ clients, clock, logger, usageRetentionMonths: 0 }).close(),
    ]);
    await reader`rollback`;
    reader.release();
    const partitions = await sql`
      select 1 from pg_class where relname like 'usage_records_2036%' and relkind = 'r' and relispartition`;
    expect(partitions).toHaveLength(4);
  });

  it('logs a failed round and goes on', async () => {
    const lines: string[] = [];
    const logger = pino({}, { write: (line: string) => void lines.push(line) });
    const gone = openDatabase('postgres://nobody@127.0.0.1:1/nothing', { max: 1, applicationName: 'test' });
    await startHousekeeping({ clients: gone, clock: clockAt(0), logger, usageRetentionMonths: 0 }).close();
    await gone.close();
    expect(lines.join('')).toContain('ECONNREFUSED');
  });
});
