import { type ChainableCommander, Redis } from 'ioredis';
import type { Logger } from 'pino';

const CONNECT_TIMEOUT_MS = 2_000;
const COMMAND_TIMEOUT_MS = 5_000;
const RECONNECT_MIN_MS = 50;
const RECONNECT_MAX_MS = 500;
const RUN_ID_PATTERN = /^run_id:([0-9a-f]+)/m;

/**
 * One Redis connection that fails fast instead of queueing: a request must never wait for a Redis that is away. Knows the
 * run id of the server it talks to, because a restarted server may have lost what it was told last.
 */
export interface RedisLink {
  readonly client: Redis;
  /** Run id of the connected server; `undefined` while disconnected. */
  runId(): string | undefined;
  /** Calls back after each (re)connection, once the run id is known. */
  onConnected(listener: (runId: string) => void): void;
  close(): void;
}

/**
 * Opens a link and keeps it open, reconnecting for ever. Commands reject at once while it is down, and after 5 s when the
 * server is frozen. `blocking` links carry blocking reads, which set their own limit.
 */
export function openRedisLink(url: string, name: string, logger: Logger, blocking = false): RedisLink {
  const client = new Redis(url, {
    connectionName: name,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_TIMEOUT_MS,
    ...(blocking ? {} : { commandTimeout: COMMAND_TIMEOUT_MS }),
    autoResendUnfulfilledCommands: false,
    retryStrategy: (attempt) => Math.min(RECONNECT_MIN_MS * attempt, RECONNECT_MAX_MS),
  });
  const listeners: ((runId: string) => void)[] = [];
  let runId: string | undefined;
  let complained = false;
  client.on('error', (error: Error) => {
    if (complained) return;
    complained = true;
    logger.warn({ connection: name, reason: error.message }, 'Redis is away');
  });
  client.on('close', () => {
    runId = undefined;
  });
  client.on('ready', () => {
    client.info('server').then(
      (info) => {
        runId = RUN_ID_PATTERN.exec(info)?.[1];
        if (runId === undefined) return;
        complained = false;
        for (const listener of listeners) listener(runId);
      },
      // The connection broke again; the next `ready` asks again.
      () => undefined,
    );
  });
  return {
    client,
    runId: () => runId,
    onConnected: (listener) => {
      listeners.push(listener);
      if (runId !== undefined) listener(runId);
    },
    close: () => client.disconnect(),
  };
}

/** Runs a pipeline and throws the first error in it: ioredis resolves with the errors inside. */
export async function executePipeline(pipeline: ChainableCommander): Promise<void> {
  for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error;
}
