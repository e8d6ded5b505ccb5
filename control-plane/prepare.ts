import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { openDatabase } from '#db/client.ts';
import { systemClock } from '#shared/clock.ts';
import { formatId } from '#shared/identifiers.ts';
import { ensureOperatorToken } from './accounts/ensure-operator-token.ts';
import { syncEnvironmentUpstreams } from './catalog/environment-upstreams.ts';
import { seedCatalog } from './catalog/seed-catalog.ts';
import { failureLine } from './describe-fault.ts';
import { readDevelopmentFile, writeDevelopmentFile } from './development/development-file.ts';
import { ensureDemo } from './development/ensure-demo.ts';
import { migrateDatabase } from './migrate.ts';
import { type ControlPlaneSettings, readSettings } from './settings.ts';

const POSTGRES_WAIT_MS = 15_000;
const POSTGRES_RETRY_MS = 100;
const ENVIRONMENT_TOKEN_NAME = 'environment';

/**
 * Everything that has to be true before the other processes start: the schema, the seeded catalog, the upstreams of the
 * environment, and somebody who may operate the installation. Idempotent and quick when nothing is to be done.
 */
export async function prepare(settings: ControlPlaneSettings, report: (line: string) => void): Promise<void> {
  await waitForPostgres(settings.databaseUrl);
  await migrateDatabase(settings.databaseUrl);
  report('migrated');
  const { database, close } = openDatabase(settings.databaseUrl, {
    max: 1,
    applicationName: 'crossmodel-prepare',
  });
  try {
    const added = await seedCatalog(database);
    report(`catalog seeded: ${added.models} models and ${added.prices} prices added`);
    const changed = await syncEnvironmentUpstreams(database, settings.vendors, settings.sealingKey);
    report(
      `${settings.vendors.length} vendors set by environment${changed ? ', upstreams brought up to date' : ''}`,
    );
    const { operatorToken } = settings;
    if (operatorToken !== null)
      await database.transaction((tx) =>
        ensureOperatorToken(tx, { name: ENVIRONMENT_TOKEN_NAME, secret: operatorToken }),
      );
    if (settings.mode === 'development') {
      await prepareDemo(database, settings);
      report('demo account ready');
    } else if (operatorToken === null) {
      report('CROSSMODEL_OPERATOR_TOKEN is not set: only tokens made before can use the GraphQL API');
    }
  } finally {
    await close();
  }
}

async function prepareDemo(
  database: Parameters<typeof ensureDemo>[0],
  settings: ControlPlaneSettings,
): Promise<void> {
  const known = await readDevelopmentFile(settings.home);
  const { accountId, ...secrets } = await ensureDemo(database, {
    ...known,
    ...(settings.operatorToken === null ? {} : { operatorToken: settings.operatorToken }),
  });
  await writeDevelopmentFile(settings.home, {
    dataPlaneUrl: `http://127.0.0.1:${settings.dataPlanePort}`,
    graphqlUrl: `http://127.0.0.1:${settings.controlPlanePort}/graphql`,
    apiKey: secrets.apiKey,
    managementToken: secrets.managementToken,
    operatorToken: secrets.operatorToken,
    accountId: formatId('Account', accountId),
  });
}

/** A database that the supervisor has only just started refuses connections for a moment. */
async function waitForPostgres(databaseUrl: string): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + POSTGRES_WAIT_MS;
  for (;;) {
    const client = postgres(databaseUrl, {
      max: 1,
      connect_timeout: 2,
      fetch_types: false,
      onnotice: () => undefined,
    });
    try {
      await client`select 1`;
      return;
    } catch (error) {
      if (!isStarting(error) || systemClock.monotonicMs() > deadlineMs) throw error;
      await sleep(POSTGRES_RETRY_MS);
    } finally {
      await client.end({ timeout: 1 });
    }
  }
}

function isStarting(error: unknown): boolean {
  const CANNOT_CONNECT_NOW = '57P03';
  const codes = [
    'ECONNREFUSED',
    'ECONNRESET',
    'ENOENT',
    'CONNECT_TIMEOUT',
    'CONNECTION_CLOSED',
    CANNOT_CONNECT_NOW,
  ];
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

if (import.meta.main) {
  try {
    await prepare(readSettings(), (line) => process.stdout.write(`prepare: ${line}\n`));
  } catch (error) {
    process.stderr.write(`prepare: ${failureLine(error)}\n`);
    process.exitCode = 1;
  }
}
