import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { ARRAY_TYPES } from './array-types.ts';
import { TransactionConnections } from './transaction.ts';

/** Drizzle changes how its client parses timestamps, so batch writes and LISTEN use a plain client of their own. */
export type Sql = postgres.Sql;
export type Database = PostgresJsDatabase;
export type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0];

export interface DatabaseClients {
  readonly database: Database;
  /** Plain client: unnest batches, LISTEN/NOTIFY, advisory locks. */
  readonly sql: Sql;
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_S = 5;
const IDLE_TIMEOUT_S = 60;
const STATEMENT_TIMEOUT_MS = 30_000;

/** Opens lazily connecting pools; nothing is sent before the first query. */
export function openDatabase(
  url: string,
  options: { max: number; applicationName: string; statementTimeoutMs?: number },
): DatabaseClients {
  const settings: Settings = {
    max: options.max,
    connect_timeout: CONNECT_TIMEOUT_S,
    idle_timeout: IDLE_TIMEOUT_S,
    onnotice: () => undefined,
    fetch_types: false,
    types: { ...ARRAY_TYPES },
    connection: {
      application_name: options.applicationName,
      statement_timeout: options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS,
    },
  };
  const forDrizzle = openClient(url, settings);
  // Drizzle sets how its client reads and writes; its transactions have to do the same.
  const database = drizzle(forDrizzle.client);
  const plain = openClient(url, settings);
  return {
    database,
    sql: plain.client,
    close: async () => {
      await Promise.all([forDrizzle.close(), plain.close()]);
    },
  };
}

/** A pool for single statements, whose `begin` runs on as many connections of their own; see `transaction.ts`. */
function openClient(url: string, settings: Settings): { client: Sql; close(): Promise<void> } {
  const client = postgres(url, settings);
  const transactions = new TransactionConnections((onclose) => {
    const single = postgres(url, { ...settings, max: 1, onclose });
    Object.assign(single.options.parsers, client.options.parsers);
    Object.assign(single.options.serializers, client.options.serializers);
    return single;
  }, settings.max ?? 1);
  const begin = (...parameters: [string, TransactionBody] | [TransactionBody]) => {
    const [modes, body] = parameters.length === 1 ? ['', parameters[0]] : parameters;
    return transactions.begin(modes, body);
  };
  return {
    client: Object.assign(client, { begin: begin as Sql['begin'] }),
    close: async () => {
      await Promise.all([client.end({ timeout: 5 }), transactions.close(5)]);
    },
  };
}

type Settings = postgres.Options<Record<string, postgres.PostgresType>>;
type TransactionBody = (tx: postgres.TransactionSql) => unknown;
