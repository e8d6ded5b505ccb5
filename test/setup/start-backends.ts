import { Socket } from 'node:net';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { migrateDatabase } from '#control-plane/migrate.ts';
import { readTestSettings } from './settings.ts';
import { TEMPLATE_DATABASE } from './template-database.ts';
import { startThrowAwayStores } from './throw-away-stores.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Of the empty maintenance database; {@link file://./test-backends.ts} makes one for each test file. */
    postgresUrl: string;
    redisUrl: string;
  }
}

/** Runs once before all tests: starts the servers and migrates the database that every test file gets a copy of. */
export default async function startBackends(project: TestProject): Promise<() => Promise<void>> {
  const settings = readTestSettings();
  endWithBootstrap(settings.lifelineDescriptor);
  const stores = await startThrowAwayStores(settings.environment);
  try {
    const sql = postgres(stores.postgresUrl, { max: 1, onnotice: () => undefined });
    await sql.unsafe(`create database ${TEMPLATE_DATABASE}`);
    await sql.end();
    await migrateDatabase(stores.postgresUrl.replace(/[^/]*$/, TEMPLATE_DATABASE));
  } catch (error) {
    await stores.discard();
    throw error;
  }
  project.provide('postgresUrl', stores.postgresUrl);
  project.provide('redisUrl', stores.redisUrl);
  return stores.discard;
}

/** When the command that started vitest is killed, nobody reads the results any more. */
function endWithBootstrap(descriptor: number | undefined): void {
  if (descriptor === undefined) return;
  const lifeline = new Socket({ fd: descriptor, readable: true, writable: false });
  const end = (): void => process.exit(1);
  lifeline.on('error', end);
  lifeline.on('close', end);
  lifeline.resume();
  lifeline.unref();
}
