import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectSecure } from 'node:tls';
import type { AnswerHead } from './answer-head.ts';
import { AnswerParser, type AnswerSink } from './answer-parser.ts';
import type { UpstreamFailure } from './upstream-client.ts';

/** What a connection tells of the request that it carries. Nothing more is heard after `onEnd` or `onFailure`. */
export interface ConnectionUser {
  onHead(head: AnswerHead): void;
  /** The bytes are valid during the call only. */
  onData(piece: Buffer): void;
  onEnd(): void;
  /** `isStale`: the connection had served before and broke before a byte of this answer came. */
  onFailure(failure: UpstreamFailure, isStale: boolean): void;
}

export interface ConnectionTarget {
  readonly host: string;
  readonly port: number;
  readonly isSecure: boolean;
  readonly connectTimeoutMs: number;
  /** Of an earlier connection to the same origin, so that the next handshake is shorter. */
  session: Buffer | undefined;
}

const READ_BUFFER_BYTES = 64 * 1024;
/** Below this, head and body are copied together: one small write is cheaper than two in one call. */
const JOINED_BODY_BYTES = 16 * 1024;
const PROBE_AFTER_MS = 60_000;
const MS_PER_SECOND = 1_000;

/** Every read of the process lands here and is used up before the next: an idle connection holds no buffer. */
const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);

/** One HTTP/1.1 connection, one request at a time. */
export class Http1Connection implements AnswerSink {
  /** Called once when it is free for the next request; not called for one that will not be. */
  onFree: (() => void) | undefined;
  /** Called once when it is closed. */
  onClosed: (() => void) | undefined;
  /** When it became free, monotonic ms; set by whoever keeps it. */
  idleSinceMs = 0;
  /** How long its server keeps it when it is free, ms; `undefined` when it does not say. */
  keepsIdleMs: number | undefined;

  readonly #socket: Socket;
  readonly #parser = new AnswerParser(this);
  #user: ConnectionUser | undefined;
  #connectTimer: NodeJS.Timeout | undefined;
  #isOpen = false;
  #hasServed = false;
  #hasAnswerBytes = false;
  #isClosed = false;

  constructor(target: ConnectionTarget) {
    this.#socket = this.#open(target);
    this.#connectTimer = setTimeout(() => this.#fail('connect_failed'), target.connectTimeoutMs);
    this.#socket.setNoDelay(true);
    this.#socket.setKeepAlive(true, PROBE_AFTER_MS);
    this.#socket.once(target.isSecure ? 'secureConnect' : 'connect', () => {
      clearTimeout(this.#connectTimer);
      this.#connectTimer = undefined;
      this.#isOpen = true;
    });
    this.#socket.on('end', () => this.#ended());
    this.#socket.on('error', () => this.#fail(this.#isOpen ? 'connection_lost' : 'connect_failed'));
    this.#socket.on('close', () => this.#fail(this.#isOpen ? 'connection_lost' : 'connect_failed'));
  }

  #open(target: ConnectionTarget): Socket {
    const { host, port } = target;
    const onread = { buffer: readBuffer, callback: (length: number) => this.#read(length) };
    if (!target.isSecure) return connectPlain({ host, port, onread });
    const options: ConnectionOptions & { readonly onread: typeof onread } = {
      host,
      port,
      ALPNProtocols: ['http/1.1'],
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(target.session === undefined ? {} : { session: target.session }),
      onread,
    };
    const socket = connectSecure(options);
    socket.on('session', (session) => {
      target.session = session;
    });
    return socket;
  }

  get isUsable(): boolean {
    return !this.#isClosed && this.#user === undefined && this.#socket.writable;
  }

  /** Sends a request; the answer goes to `user`. Before the connection is open the bytes wait. */
  send(head: string, body: Buffer, user: ConnectionUser): void {
    this.#user = user;
    this.#hasAnswerBytes = false;
    this.#parser.expect();
    const socket = this.#socket;
    if (body.length <= JOINED_BODY_BYTES) {
      const bytes = Buffer.allocUnsafe(head.length + body.length);
      bytes.write(head, 0, 'latin1');
      body.copy(bytes, head.length);
      socket.write(bytes);
      return;
    }
    socket.cork();
    socket.write(head, 'latin1');
    socket.write(body);
    socket.uncork();
  }

  /** Gives the request up, and the connection with it. */
  abort(): void {
    this.#user = undefined;
    this.#close();
  }

  /** Cuts what is under way. */
  destroy(): void {
    this.#fail('connection_lost');
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  onAnswerHead(head: AnswerHead): void {
    const hint = head.headers['keep-alive'];
    const seconds = typeof hint === 'string' ? /(?:^|[\s,])timeout=(\d{1,6})/i.exec(hint)?.[1] : undefined;
    // A second less, so that a request is not sent at the very moment of the end.
    this.keepsIdleMs = seconds === undefined ? undefined : (Number(seconds) - 1) * MS_PER_SECOND;
    this.#user?.onHead(head);
  }

  onAnswerBody(bytes: Buffer): void {
    this.#user?.onData(bytes);
  }

  onAnswerEnd(isReusable: boolean): void {
    const user = this.#user;
    this.#user = undefined;
    // An answer before the end of its request leaves the rest of that in the way.
    if (isReusable && this.#socket.writableLength === 0 && !this.#isClosed) {
      this.#hasServed = true;
      this.#socket.resume();
      this.onFree?.();
    } else this.#close();
    user?.onEnd();
  }

  onAnswerMalformed(): void {
    this.#fail('malformed_answer');
  }

  #read(length: number): boolean {
    if (this.#user === undefined) {
      // Nobody asked for anything.
      this.#close();
      return false;
    }
    this.#hasAnswerBytes = true;
    this.#parser.push(readBuffer, length);
    return true;
  }

  #ended(): void {
    if (!this.#parser.finish()) this.#fail('connection_lost');
  }

  #fail(failure: UpstreamFailure): void {
    const user = this.#user;
    this.#user = undefined;
    this.#close();
    const isStale = failure === 'connection_lost' && this.#hasServed && !this.#hasAnswerBytes;
    user?.onFailure(failure, isStale);
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#parser.stop();
    clearTimeout(this.#connectTimer);
    this.#socket.destroy();
    this.onClosed?.();
  }
}
