import type postgres from 'postgres';

/** What the driver and the operating system call a connection that is gone. */
const LOST_CODES: ReadonlySet<unknown> = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
  'CONNECT_TIMEOUT',
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
]);
/** Postgres ends the session right after errors of this class: shutdown, crash of another backend. */
const SESSION_ENDS = /^57P/;

/**
 * Runs `body` in a transaction on a connection of its own; commits when it resolves, rolls back and rejects when it
 * rejects. In place of postgres.js' own `begin`: that one sends its ROLLBACK also on a connection that has just been lost
 * (a killed Postgres), which throws outside of any promise and ends the process, and leaves the connection unusable in its
 * pool. A transaction whose connection is gone needs no ROLLBACK: the server has done it.
 */
export async function begin(
  client: postgres.Sql,
  modes: string,
  body: (tx: postgres.TransactionSql) => unknown,
): Promise<unknown> {
  const connection = await client.reserve();
  try {
    await connection.unsafe(`begin ${modes.replaceAll(/[^a-z ]/gi, '')}`);
    // The handle of a transaction is that of a reserved connection plus savepoints, which nobody here uses.
    const result = await body(connection as unknown as postgres.TransactionSql);
    await connection.unsafe('commit');
    connection.release();
    return result;
  } catch (error) {
    if (isConnectionLost(error)) throw error;
    await rollBack(connection);
    throw error;
  }
}

async function rollBack(connection: postgres.ReservedSql): Promise<void> {
  try {
    await connection.unsafe('rollback');
  } catch {
    // The first error says more. The driver takes a connection that broke out of its pool by itself.
    return;
  }
  connection.release();
}

/** True when the connection went away under a query; the driver has taken it out of its pool then. */
function isConnectionLost(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = 'code' in cause ? cause.code : undefined;
    if (LOST_CODES.has(code) || (typeof code === 'string' && SESSION_ENDS.test(code))) return true;
  }
  return false;
}
