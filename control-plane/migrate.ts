import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import postgres from 'postgres';
import { ensureUsagePartitions, MIGRATION_LOCK } from '#db/usage-partitions.ts';
import { systemClock } from '#shared/clock.ts';
import { failureLine } from './describe-fault.ts';
import { readDatabaseUrl } from './settings.ts';

const CONNECT_TIMEOUT_S = 5;
const MIGRATIONS_FOLDER = fileURLToPath(new URL('../db/migrations', import.meta.url));

/**
 * Brings the database to the current schema and creates the usage partitions of the months around now. All pending
 * migrations run in one transaction under an advisory lock, so several processes may call it at once. Idempotent.
 */
export async function migrateDatabase(databaseUrl: string): Promise<void> {
  const client = postgres(databaseUrl, {
    max: 1,
    connect_timeout: CONNECT_TIMEOUT_S,
    fetch_types: false,
    onnotice: () => undefined,
    connection: { application_name: 'crossmodel-migrate' },
  });
  try {
    await client`select pg_advisory_lock(${MIGRATION_LOCK})`;
    await migrate(drizzle(client), { migrationsFolder: MIGRATIONS_FOLDER });
    await ensureUsagePartitions(client, systemClock.nowMs());
  } finally {
    await client.end({ timeout: CONNECT_TIMEOUT_S });
  }
}

if (import.meta.main) {
  try {
    await migrateDatabase(readDatabaseUrl());
    process.stdout.write('migrate: the database is at the current schema\n');
  } catch (error) {
    process.stderr.write(`migrate: ${failureLine(error)}\n`);
    process.exitCode = 1;
  }
}
