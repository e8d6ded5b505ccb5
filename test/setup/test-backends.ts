import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import postgres from 'postgres';
import { expect, inject } from 'vitest';
import { workerNumber } from './settings.ts';
import { TEMPLATE_DATABASE } from './template-database.ts';

let databaseOfFile: { file: string; url: Promise<string> } | undefined;
let redisOfFile: { file: string; url: Promise<string> } | undefined;

function currentFile(): string {
  return expect.getState().testPath ?? '';
}

/** A migrated, empty Postgres database that only the current test file uses. The same answer throughout the file. */
export function testDatabaseUrl(): Promise<string> {
  const file = currentFile();
  if (databaseOfFile?.file !== file) databaseOfFile = { file, url: cloneTemplate() };
  return databaseOfFile.url;
}

/** As {@link testDatabaseUrl}, but new for each call; the one before is dropped. */
export function freshTestDatabaseUrl(): Promise<string> {
  databaseOfFile = undefined;
  return testDatabaseUrl();
}

/** A logical Redis database that only the current test file uses, empty at first. The same answer throughout the file. */
export function testRedisUrl(): Promise<string> {
  const file = currentFile();
  if (redisOfFile?.file !== file) redisOfFile = { file, url: emptyRedisDatabase() };
  return redisOfFile.url;
}

async function cloneTemplate(): Promise<string> {
  const maintenanceUrl = inject('postgresUrl');
  const prefix = `worker_${workerNumber()}_`;
  const name = `${prefix}${randomBytes(4).toString('hex')}`;
  const sql = postgres(maintenanceUrl, { max: 1, onnotice: () => undefined });
  try {
    const previous = await sql<{ datname: string }[]>`
      select datname from pg_database where starts_with(datname, ${prefix})`;
    for (const { datname } of previous) await sql.unsafe(`drop database ${datname} with (force)`);
    await sql.unsafe(`create database ${name} template ${TEMPLATE_DATABASE} strategy file_copy`);
  } finally {
    await sql.end();
  }
  return maintenanceUrl.replace(/[^/]*$/, name);
}

async function emptyRedisDatabase(): Promise<string> {
  const url = `${inject('redisUrl')}/${workerNumber()}`;
  const client = new Redis(url, { lazyConnect: true });
  await client.connect();
  await client.flushdb();
  client.disconnect();
  return url;
}
