import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { sql as query } from 'drizzle-orm';
import { afterAll, describe, expect, it } from 'vitest';
import { openDatabase } from '#db/client.ts';
import { testDatabaseUrl } from '#test/setup/test-backends.ts';

const url = await testDatabaseUrl();
const clients = openDatabase(url, { max: 1, applicationName: 'lost-connection' });
const bystander = openDatabase(url, { max: 1, applicationName: 'bystander' });
afterAll(() => Promise.all([clients.close(), bystander.close()]));

async function endSessionOf(pid: number): Promise<void> {
  await bystander.sql`select pg_terminate_backend(${pid})`;
}

const EVENTS = ['uncaughtException', 'unhandledRejection'] as const;

/** What the driver throws outside of any promise; without anybody listening it would end the process. */
async function strayErrorsDuring(body: () => Promise<void>): Promise<unknown[]> {
  const stray: unknown[] = [];
  const before = EVENTS.map((event) => ({ event, listeners: process.rawListeners(event) }));
  for (const event of EVENTS) process.removeAllListeners(event).on(event, (error) => stray.push(error));
  try {
    await body();
    for (let turn = 0; turn < 20; turn += 1) await nextTurn();
  } finally {
    for (const { event, listeners } of before) {
      process.removeAllListeners(event);
      for (const listener of listeners) process.on(event, listener as (...values: unknown[]) => void);
    }
  }
  return stray;
}

/** The driver may hand the error that ended a session to the next query of that connection once more. */
async function answersAgain(ask: () => PromiseLike<unknown>): Promise<void> {
  const first = await Promise.resolve(ask()).catch(() => undefined);
  expect(first ?? (await ask())).toEqual([{ one: 1 }]);
}

/** Lets one client in, and is gone without a word when that one asks for something. */
async function startFleetingPostgres(): Promise<number> {
  const message = (type: string, ...bytes: number[]): Buffer =>
    Buffer.from([type.charCodeAt(0), 0, 0, 0, 4 + bytes.length, ...bytes]);
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(Buffer.concat([message('R', 0, 0, 0, 0), message('Z', 'I'.charCodeAt(0))]));
      server.close();
      socket.once('data', () => socket.resetAndDestroy());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

describe('a Postgres that is killed right after a connection was made', () => {
  it('rejects the statement and ends nothing else', async () => {
    const stray = await strayErrorsDuring(async () => {
      const port = await startFleetingPostgres();
      const fleeting = openDatabase(`postgres://nobody@127.0.0.1:${port}/nothing`, {
        max: 1,
        applicationName: 'fleeting',
      });
      await expect(Promise.resolve(fleeting.sql`select 1`)).rejects.toThrow();
      await expect(Promise.resolve(fleeting.sql`select 1`)).rejects.toThrow('ECONNREFUSED');
      void fleeting.close();
    });
    expect(stray).toEqual([]);
  });
});

describe('arrays', () => {
  it('reach Postgres and come back as they are', async () => {
    const texts = ['', 'null', 'NULL', null, 'a,b', '{"x"}', 'back\\slash', 'new\nline', 'ünï 💸'];
    const ids = ['01890a5d-ac96-774b-bcce-b302099a8057'];
    const [row] = await clients.sql`
      select ${texts}::text[] as texts, ${[1, -2]}::int[] as integers, ${['9007199254740993']}::bigint[] as big,
        ${ids}::uuid[] as ids, ${[]}::text[] as nothing`;
    expect(row).toEqual({
      ...{ texts, integers: [1, -2], big: ['9007199254740993'], ids, nothing: [] },
    });
  });
});

describe('a connection that is lost in the middle of a transaction', () => {
  it('rejects the transaction, ends nothing else, and leaves a pool that works', async () => {
    const stray = await strayErrorsDuring(async () => {
      for (let round = 0; round < 5; round += 1) {
        await expect(
          clients.sql.begin(async (tx) => {
            const [row] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
            await Promise.all([tx`select pg_sleep(5)`, endSessionOf(row?.pid ?? 0)]);
          }),
        ).rejects.toThrow();
        await answersAgain(() => clients.sql`select 1 as one`);
      }
    });
    expect(stray).toEqual([]);
  });

  it('does the same for transactions of the query builder', async () => {
    const stray = await strayErrorsDuring(async () => {
      await expect(
        clients.database.transaction(async (tx) => {
          const [row] = await tx.execute<{ pid: number }>(query`select pg_backend_pid() as pid`);
          await Promise.all([tx.execute(query`select pg_sleep(5)`), endSessionOf(row?.pid ?? 0)]);
        }),
      ).rejects.toThrow();
      await answersAgain(() => clients.database.execute(query`select 1 as one`));
    });
    expect(stray).toEqual([]);
  });

  it('rejects the transaction that waits for something else meanwhile', async () => {
    const never = new Promise<never>(() => undefined);
    await expect(
      clients.sql.begin(async (tx) => {
        const [row] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
        await endSessionOf(row?.pid ?? 0);
        await never;
      }),
    ).rejects.toThrow('has ended');
    expect(await clients.sql.begin((tx) => tx`select 1 as one`)).toEqual([{ one: 1 }]);
  });

  it('rejects the transaction whatever moment between two statements it is', async () => {
    const stray = await strayErrorsDuring(async () => {
      for (let round = 0; round < 20; round += 1) {
        const statements: Promise<unknown>[] = [];
        await expect(
          clients.sql.begin(async (tx) => {
            const [row] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
            let isEnded = false;
            const ending = endSessionOf(row?.pid ?? 0).then(() => {
              isEnded = true;
            });
            // Some in the very turn in which the driver learns of the end, where it forgets to write them.
            for (let after = 0; after < 50; after += isEnded ? 1 : 0) {
              statements.push(Promise.resolve(tx`select 1 as one`).catch(() => undefined));
              await nextTurn();
            }
            await ending;
            await Promise.all(statements);
            return await tx`select 1`;
          }),
        ).rejects.toThrow();
        await Promise.all(statements);
        expect(await clients.sql.begin((tx) => tx`select 1 as one`)).toEqual([{ one: 1 }]);
      }
    });
    expect(stray).toEqual([]);
  });

  it('runs nothing outside of a transaction that has lost its connection', async () => {
    await clients.sql`create table outside_probe (n int)`;
    const late: Promise<unknown>[] = [];
    await expect(
      clients.sql.begin(async (tx) => {
        const [row] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
        await Promise.allSettled([tx`select pg_sleep(5)`, endSessionOf(row?.pid ?? 0)]);
        for (let turn = 0; turn < 50; turn += 1) {
          late.push(Promise.resolve(tx`insert into outside_probe values (1)`).catch(() => undefined));
          await nextTurn();
        }
      }),
    ).rejects.toThrow();
    await Promise.all(late);
    expect(await clients.sql`select n from outside_probe`).toEqual([]);
  });

  it('rolls back and keeps the connection when it is the body that fails', async () => {
    await clients.sql`create table lost_connection_probe (n int)`;
    await expect(
      clients.sql.begin(async (tx) => {
        await tx`insert into lost_connection_probe values (1)`;
        throw new Error('changed my mind');
      }),
    ).rejects.toThrow('changed my mind');
    expect(await clients.sql`select n from lost_connection_probe`).toEqual([]);
  });

  it('commits what resolves and returns what it resolves to', async () => {
    const result = await clients.sql.begin('isolation level repeatable read', async (tx) => {
      const [row] = await tx<{ level: string }[]>`select current_setting('transaction_isolation') as level`;
      return row?.level;
    });
    expect(result).toBe('repeatable read');
  });
});
