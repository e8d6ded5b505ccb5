import type postgres from 'postgres';

/** Opens a client of one connection; `onClose` is to run when that connection has ended, for whatever reason. */
export type OpenConnection = (onClose: () => void) => postgres.Sql;

interface TransactionConnection {
  readonly client: postgres.Sql;
  /** Rejects when the connection ends. */
  readonly lost: Promise<never>;
  /** It has ended, or nobody knows what state it is in. */
  isUseless: boolean;
}

/**
 * The connections that transactions run on: one client each, used by one transaction at a time and never again once its
 * connection has ended. In place of postgres.js' own `begin` and `reserve`, which can end the process or wait for ever where
 * a session ends between two statements: the driver forgets the writes it had put off, sends a ROLLBACK to a socket that is
 * gone, and gives a connection to a caller that was refused before. Here a transaction fails in the moment that its
 * connection ends, and needs no ROLLBACK: the server has done it.
 */
export class TransactionConnections {
  readonly #open: OpenConnection;
  readonly #max: number;
  readonly #all = new Set<TransactionConnection>();
  readonly #idle: TransactionConnection[] = [];
  readonly #waiting: ((connection: TransactionConnection) => void)[] = [];

  constructor(open: OpenConnection, max: number) {
    this.#open = open;
    this.#max = max;
  }

  /**
   * Runs `body` in a transaction on a connection of its own; commits when it resolves, rolls back and rejects when it
   * rejects. Rejects as soon as the connection is lost, also while `body` waits for something else; what `body` still sends
   * is refused then. Whether a COMMIT that was lost on its way happened is not known. `modes`: as after BEGIN.
   */
  async begin(modes: string, body: (tx: postgres.TransactionSql) => unknown): Promise<unknown> {
    const connection = await this.#take();
    try {
      return await Promise.race([connection.lost, runIn(connection, modes, body)]);
    } finally {
      this.#giveBack(connection);
    }
  }

  async close(timeoutSeconds: number): Promise<void> {
    await Promise.all([...this.#all].map(({ client }) => client.end({ timeout: timeoutSeconds })));
  }

  #take(): TransactionConnection | Promise<TransactionConnection> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#all.size < this.#max) return this.#connect();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #connect(): TransactionConnection {
    const { promise: lost, reject } = Promise.withResolvers<never>();
    // Also when no transaction is waiting for it.
    lost.catch(() => undefined);
    const connection: TransactionConnection = {
      client: this.#open(() => {
        reject(new ConnectionLost());
        this.#discard(connection);
      }),
      lost,
      isUseless: false,
    };
    this.#all.add(connection);
    return connection;
  }

  #discard(connection: TransactionConnection): void {
    connection.isUseless = true;
    if (!this.#all.delete(connection)) return;
    const place = this.#idle.indexOf(connection);
    if (place >= 0) this.#idle.splice(place, 1);
    // Left alone the client would connect anew, and run what is left of the transaction outside of it.
    void connection.client.end({ timeout: 0 });
  }

  #giveBack(connection: TransactionConnection): void {
    if (connection.isUseless) this.#discard(connection);
    const usable = connection.isUseless ? undefined : connection;
    const next = this.#waiting.shift();
    if (next !== undefined) next(usable ?? this.#connect());
    else if (usable !== undefined) this.#idle.push(usable);
  }
}

class ConnectionLost extends Error {
  /** As the driver calls it. */
  readonly code = 'CONNECTION_CLOSED';

  constructor() {
    super('The connection of a transaction to Postgres has ended');
  }
}

async function runIn(
  connection: TransactionConnection,
  modes: string,
  body: (tx: postgres.TransactionSql) => unknown,
): Promise<unknown> {
  const { client } = connection;
  const send = async (statement: string): Promise<void> => {
    try {
      await client.unsafe(statement);
    } catch (error) {
      connection.isUseless = true;
      throw error;
    }
  };
  await send(`begin ${modes.replaceAll(/[^a-z ]/gi, '')}`);
  try {
    // The handle of a transaction is that of its only connection plus savepoints, which nobody here uses.
    const result = await body(client as unknown as postgres.TransactionSql);
    await client.unsafe('commit');
    return result;
  } catch (error) {
    // The first error says more.
    await send('rollback').catch(() => undefined);
    throw error;
  }
}
