import type { SQL } from 'drizzle-orm';
import { PgDialect } from 'drizzle-orm/pg-core';
import type { TransactionSql } from 'postgres';
import type { Transaction } from '#db/client.ts';

/** What the ledger needs of a transaction. */
export type SqlExecutor = Pick<Transaction, 'execute'>;

const dialect = new PgDialect();

/**
 * A plain transaction as an executor. Batches run on the plain client because it prepares its statements and takes arrays
 * as they are; the ledger they settle in is written through the same verb as everything else.
 */
export function executorOf(tx: TransactionSql): SqlExecutor {
  const execute = async (query: SQL): Promise<readonly unknown[]> => {
    const { sql, params } = dialect.sqlToQuery(query);
    // Drizzle types its parameters as unknown; they are what the verbs of the ledger put into their SQL.
    return await tx.unsafe(sql, params as string[], { prepare: true });
  };
  // Drizzle's own `execute` returns a richer promise, of which the ledger only awaits the rows.
  return { execute } as unknown as SqlExecutor;
}
