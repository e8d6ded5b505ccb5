import { setTimeout as delay } from 'node:timers/promises';
import type { Sql } from './client.ts';

const RETRY_MS = 200;

export interface Listening {
  stop(): Promise<void>;
}

/**
 * Listens on a Postgres channel for as long as the process lives, also when Postgres is away at the start. `onListening`
 * runs after each (re)connection: notifications sent before it may be lost. Returns at once.
 */
export function listenForever(
  sql: Sql,
  channel: string,
  onNotify: (payload: string) => void,
  onListening: () => void,
): Listening {
  let stopped = false;
  const subscribe = async (): Promise<(() => Promise<void>) | undefined> => {
    while (!stopped) {
      try {
        // Later losses of the connection are the driver's to repair; only the first attempt is ours.
        const { unlisten } = await sql.listen(channel, onNotify, onListening);
        return unlisten;
      } catch {
        await delay(RETRY_MS);
      }
    }
    return undefined;
  };
  const subscription = subscribe();
  return {
    stop: async () => {
      stopped = true;
      const unlisten = await subscription;
      // While Postgres is away there is nothing to take back.
      await unlisten?.().catch(() => undefined);
    },
  };
}
