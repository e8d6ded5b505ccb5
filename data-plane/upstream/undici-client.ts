import { buildConnector, type Dispatcher, errors, Pool } from 'undici';
import type {
  UpstreamCall,
  UpstreamClient,
  UpstreamClientOptions,
  UpstreamFailure,
  UpstreamHandler,
  UpstreamHeaders,
  UpstreamRequest,
} from './upstream-client.ts';

const MAX_HEADER_BYTES = 64 * 1024;
const ABORTED = new Error('The call was aborted');

/** Bytes that a connection had received when an error ended it; more than none means that it had been used before. */
const receivedBefore = new WeakMap<Error, number>();

/** An {@link UpstreamClient} on undici's `dispatch`, one pool per origin, HTTP/1.1 without pipelining. */
export function createUndiciClient(options: UpstreamClientOptions): UpstreamClient {
  const pools = new Map<string, Pool>();
  const connect = createConnector(options);
  const poolFor = (origin: string): Pool => {
    let pool = pools.get(origin);
    if (pool === undefined) {
      pool = new Pool(origin, {
        connect,
        allowH2: false,
        pipelining: 1,
        connections: null,
        // Silence is watched by the lane, which knows about pauses and keep-alives.
        headersTimeout: 0,
        bodyTimeout: 0,
        keepAliveTimeout: options.idleConnectionMs,
        maxHeaderSize: MAX_HEADER_BYTES,
      });
      pools.set(origin, pool);
    }
    return pool;
  };
  return {
    send(request, handler) {
      const call = new UndiciCall(poolFor(request.origin), request, handler);
      call.dispatch();
      return call;
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
    },
  };
}

function createConnector(options: UpstreamClientOptions): buildConnector.connector {
  const open = buildConnector({ timeout: options.connectTimeoutMs, allowH2: false });
  return (target, callback) => {
    open(target, (...result) => {
      const [, socket] = result;
      // A raw reset carries no trace of its socket, so note here whether the connection had served before.
      socket?.once('error', (error) => receivedBefore.set(error, socket.bytesRead));
      callback(...result);
    });
  };
}

class UndiciCall implements UpstreamCall, Dispatcher.DispatchHandler {
  readonly #pool: Pool;
  readonly #request: UpstreamRequest;
  readonly #handler: UpstreamHandler;
  #controller: Dispatcher.DispatchController | undefined;
  #paused = false;
  #done = false;
  #started = false;
  #retried = false;

  constructor(pool: Pool, request: UpstreamRequest, handler: UpstreamHandler) {
    this.#pool = pool;
    this.#request = request;
    this.#handler = handler;
  }

  dispatch(): void {
    const { path, headers, body } = this.#request;
    this.#pool.dispatch({ method: 'POST', path, headers: headers as string[], body }, this);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#done) controller.abort(ABORTED);
    else if (this.#paused) controller.pause();
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: UpstreamHeaders): void {
    if (this.#done || status < 200) return;
    this.#started = true;
    this.#handler.onHead(status, headers);
  }

  onResponseData(_: Dispatcher.DispatchController, piece: Buffer): void {
    if (!this.#done) this.#handler.onData(piece);
  }

  onResponseEnd(): void {
    if (this.#done) return;
    this.#done = true;
    this.#handler.onEnd();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    if (this.#done) return;
    if (!this.#started && !this.#retried && isStaleConnection(error)) {
      this.#retried = true;
      this.dispatch();
      return;
    }
    this.#done = true;
    this.#handler.onFailure(failureOf(error, this.#started));
  }

  abort(): void {
    if (this.#done) return;
    this.#done = true;
    this.#controller?.abort(ABORTED);
  }

  pause(): void {
    this.#paused = true;
    this.#controller?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#controller?.resume();
  }
}

/** True when the connection had answered an earlier request and then broke before it answered this one. */
function isStaleConnection(error: Error): boolean {
  const received =
    error instanceof errors.SocketError ? (error.socket?.bytesRead ?? 0) : (receivedBefore.get(error) ?? 0);
  return received > 0;
}

function failureOf(error: Error, answerBegan: boolean): UpstreamFailure {
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError)
    return 'malformed_answer';
  if (answerBegan || error instanceof errors.SocketError || receivedBefore.has(error))
    return 'connection_lost';
  return 'connect_failed';
}
