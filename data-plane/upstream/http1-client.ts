import type { AnswerHead } from './answer-head.ts';
import { type ConnectionTarget, type ConnectionUser, Http1Connection } from './http1-connection.ts';
import { encodeRequestHead } from './request-head.ts';
import type {
  UpstreamCall,
  UpstreamClient,
  UpstreamClientOptions,
  UpstreamFailure,
  UpstreamHandler,
  UpstreamRequest,
} from './upstream-client.ts';

const SWEEP_INTERVAL_MS = 1_000;
const DEFAULT_PORTS = { 'http:': 80, 'https:': 443 } as const;

/**
 * An {@link UpstreamClient} of our own for HTTP/1.1: a stack of idle connections per origin, the last one used first so that
 * those too many grow old and go; one read buffer for the process; head and body in one write.
 */
export function createHttp1Client(options: UpstreamClientOptions): UpstreamClient {
  const origins = new Map<string, Origin>();
  const sweep = setInterval(() => {
    for (const origin of origins.values()) origin.closeIdle();
  }, SWEEP_INTERVAL_MS).unref();
  return {
    send(request, handler) {
      let origin = origins.get(request.origin);
      if (origin === undefined) {
        origin = new Origin(request.origin, options);
        origins.set(request.origin, origin);
      }
      return new Http1Call(origin, request, handler);
    },
    async close() {
      clearInterval(sweep);
      for (const origin of origins.values()) origin.destroy();
    },
  };
}

/** The connections to one origin. */
class Origin {
  readonly #target: ConnectionTarget;
  readonly #idleConnectionMs: number;
  readonly #idle: Http1Connection[] = [];
  readonly #all = new Set<Http1Connection>();

  constructor(origin: string, { connectTimeoutMs, idleConnectionMs }: UpstreamClientOptions) {
    const { protocol, hostname, port } = new URL(origin);
    if (protocol !== 'https:' && protocol !== 'http:') throw new Error(`Not an origin of HTTP: ${origin}`);
    this.#target = {
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? DEFAULT_PORTS[protocol] : Number(port),
      isSecure: protocol === 'https:',
      connectTimeoutMs,
      session: undefined,
    };
    this.#idleConnectionMs = idleConnectionMs;
  }

  /** The connection that was used last, or a new one. */
  take(mustBeNew: boolean): Http1Connection {
    while (!mustBeNew) {
      const connection = this.#idle.pop();
      if (connection === undefined) break;
      if (connection.isUsable) return connection;
      connection.destroy();
    }
    const connection = new Http1Connection(this.#target);
    this.#all.add(connection);
    connection.onFree = () => {
      connection.idleSinceMs = performance.now();
      this.#idle.push(connection);
    };
    connection.onClosed = () => this.#forget(connection);
    return connection;
  }

  closeIdle(): void {
    const nowMs = performance.now();
    for (const connection of [...this.#idle]) {
      const limitMs = Math.min(this.#idleConnectionMs, connection.keepsIdleMs ?? this.#idleConnectionMs);
      if (nowMs - connection.idleSinceMs >= limitMs) connection.destroy();
    }
  }

  destroy(): void {
    for (const connection of [...this.#all]) connection.destroy();
  }

  #forget(connection: Http1Connection): void {
    this.#all.delete(connection);
    const place = this.#idle.lastIndexOf(connection);
    if (place !== -1) this.#idle.splice(place, 1);
  }
}

class Http1Call implements UpstreamCall, ConnectionUser {
  readonly #origin: Origin;
  readonly #handler: UpstreamHandler;
  /** Absent when the request cannot be sent at all. */
  #connection: Http1Connection | undefined;
  /** Let go of once an answer has begun: a retry is out of the question then, and streams last. */
  #request: UpstreamRequest | undefined;
  #retried = false;
  #paused = false;
  #done = false;

  constructor(origin: Origin, request: UpstreamRequest, handler: UpstreamHandler) {
    this.#origin = origin;
    this.#handler = handler;
    this.#request = request;
    const head = encodeRequestHead(request);
    if (head === undefined) setImmediate(() => this.#giveUp());
    else {
      this.#connection = origin.take(false);
      this.#connection.send(head, request.body, this);
    }
  }

  #giveUp(): void {
    if (this.#done) return;
    this.#done = true;
    this.#handler.onFailure('connect_failed');
  }

  abort(): void {
    if (this.#done) return;
    this.#done = true;
    this.#request = undefined;
    this.#connection?.abort();
  }

  pause(): void {
    this.#paused = true;
    if (!this.#done) this.#connection?.pause();
  }

  resume(): void {
    this.#paused = false;
    if (!this.#done) this.#connection?.resume();
  }

  onHead({ status, headers }: AnswerHead): void {
    this.#request = undefined;
    this.#handler.onHead(status, headers);
  }

  onData(piece: Buffer): void {
    this.#handler.onData(piece);
  }

  onEnd(): void {
    this.#done = true;
    this.#handler.onEnd();
  }

  onFailure(failure: UpstreamFailure, isStale: boolean): void {
    const request = this.#request;
    const head = isStale && request !== undefined ? encodeRequestHead(request) : undefined;
    if (request !== undefined && head !== undefined && !this.#retried) {
      this.#retried = true;
      this.#connection = this.#origin.take(true);
      if (this.#paused) this.#connection.pause();
      this.#connection.send(head, request.body, this);
      return;
    }
    this.#done = true;
    this.#request = undefined;
    this.#handler.onFailure(failure);
  }
}
