import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { begin } from './transaction.ts';

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
  const settings: postgres.Options<Record<string, never>> = {
    max: options.max,
    connect_timeout: CONNECT_TIMEOUT_S,
    idle_timeout: IDLE_TIMEOUT_S,
    onnotice: () => undefined,
    connection: {
      application_name: options.applicationName,
      statement_timeout: options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS,
    },
  };
  const drizzleClient = withSafeTransactions(postgres(url, settings));
  const sql = withSafeTransactions(postgres(url, settings));
  return {
    database: drizzle(drizzleClient),
    sql,
    close: async () => {
      await Promise.all([drizzleClient.end({ timeout: 5 }), sql.end({ timeout: 5 })]);
    },
  };
}

/** Replaces the driver's `begin`, which cannot lose its connection without ending the process; see `transaction.ts`. */
function withSafeTransactions(client: Sql): Sql {
  const safeBegin = (...parameters: [string, TransactionBody] | [TransactionBody]) => {
    const [modes, body] = parameters.length === 1 ? ['', parameters[0]] : parameters;
    return begin(client, modes, body);
  };
  return Object.assign(client, { begin: safeBegin as Sql['begin'] });
}

type TransactionBody = (tx: postgres.TransactionSql) => unknown;
