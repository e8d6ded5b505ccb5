import type { HttpResponse } from 'uWebSockets.js';

/** Header names and values, alternating. */
export type HeaderList = readonly string[];

/** Sent to move bytes that the socket could not take: uWS flushes what it holds back only on the next write. */
const FLUSH_COMMENT = Buffer.from(':\n\n');
const NO_HEADERS: HeaderList = [];

export interface ResponseOptions {
  /** A HEAD request gets the head of the answer only. */
  readonly isHead: boolean;
  /** Whether the connection is to be closed after this answer. */
  readonly closesConnection: () => boolean;
  /** Called once, when the answer has ended or its client has gone. */
  readonly onClosed: () => void;
}

/**
 * The only code that touches the uWS response. Every write is corked, nothing is written after the end or an abort, and a
 * client that reads too slowly is reported so that its provider can be paused.
 */
export class ResponseWriter {
  /** The client has gone. */
  aborted = false;
  /** The last byte was handed over, or the connection was broken off on purpose. */
  ended = false;
  /** The client does not take what was written; hold more back until `onDrained`. */
  congested = false;
  /** How many pieces of a streamed answer were handed over. */
  pieceCount = 0;
  /** Called at most once, when the client goes before the end. */
  onAborted: (() => void) | undefined;
  /** Called when a congested client takes bytes again. */
  onDrained: (() => void) | undefined;

  readonly #response: HttpResponse;
  readonly #options: ResponseOptions;
  #status = '200 OK';
  #headers: HeaderList = NO_HEADERS;
  #headSent = false;
  #pending: Buffer | undefined;
  #breakingOff = false;
  #written = true;

  constructor(response: HttpResponse, options: ResponseOptions) {
    this.#response = response;
    this.#options = options;
    response.onAborted(() => this.#abort());
  }

  /** Whether anything of the answer has gone out, so that its status can no longer change. */
  get committed(): boolean {
    return this.#headSent;
  }

  /** Sends a whole answer. Does nothing when the client has gone. */
  respond(status: number, headers: HeaderList, body: Buffer | string): void {
    if (this.aborted || this.ended) return;
    this.#status = statusLine(status);
    this.#headers = headers;
    this.#pending = typeof body === 'string' ? Buffer.from(body) : body;
    this.ended = true;
    this.#response.cork(this.#endCorked);
    this.#options.onClosed();
  }

  /** Sets the head of a streamed answer; it leaves together with the first bytes. */
  beginStream(status: number, headers: HeaderList): void {
    this.#status = statusLine(status);
    this.#headers = headers;
  }

  /** Sends a piece of a streamed answer. The bytes are copied out before this returns. */
  write(bytes: Buffer): void {
    if (this.aborted || this.ended) return;
    this.#pending = bytes;
    this.pieceCount += 1;
    this.#response.cork(this.#writeCorked);
    this.#pending = undefined;
    this.congested = !this.#written;
  }

  /** Ends a streamed answer, with its last bytes. */
  finish(bytes: Buffer | undefined): void {
    if (this.aborted || this.ended) return;
    this.#pending = bytes;
    this.ended = true;
    this.#response.cork(this.#endCorked);
    this.#options.onClosed();
  }

  /**
   * Sends `bytes` and then breaks the connection: the only way to tell an HTTP/1.1 client that a streamed answer is not
   * complete. A congested client gets its bytes first; if it never takes them, uWS cuts it by its own timeout.
   */
  breakOff(bytes: Buffer): void {
    if (this.aborted || this.ended) return;
    this.write(bytes);
    if (this.congested) this.#breakingOff = true;
    else this.#close();
  }

  /** Pushes out what a once congested socket still holds back. Costs a comment line, so only for event streams. */
  flush(): void {
    if (this.#headSent) this.write(FLUSH_COMMENT);
  }

  #close(): void {
    this.ended = true;
    this.#response.close();
    this.#options.onClosed();
  }

  #abort(): void {
    if (this.aborted || this.ended) return;
    this.aborted = true;
    this.#options.onClosed();
    this.onAborted?.();
  }

  #drained(): boolean {
    if (this.ended || this.aborted) return true;
    if (this.#breakingOff) {
      this.flush();
      if (!this.congested) this.#close();
      return true;
    }
    this.congested = false;
    this.onDrained?.();
    return true;
  }

  readonly #writeCorked = (): void => {
    this.#writeHead();
    this.#written = this.#pending === undefined || this.#response.write(this.#pending);
  };

  readonly #endCorked = (): void => {
    const body = this.#pending;
    this.#pending = undefined;
    const isStream = this.#headSent;
    this.#writeHead();
    // uWS writes its connection header where it stands, so within a stream it would end up in the body.
    const closes = !isStream && this.#options.closesConnection();
    if (this.#options.isHead && !isStream) this.#response.endWithoutBody(body?.length ?? 0, closes);
    else this.#response.end(body ?? '', closes);
  };

  #writeHead(): void {
    if (this.#headSent) return;
    this.#headSent = true;
    this.#response.writeStatus(this.#status);
    const headers = this.#headers;
    const [firstName, firstValue] = headers;
    if (firstName !== undefined && firstValue !== undefined) {
      // A call for each would cost more than all that is written: the lines behind the first travel in its value.
      let lines = firstValue;
      for (let index = 2; index + 1 < headers.length; index += 2)
        lines += `\r\n${headers[index]}: ${headers[index + 1]}`;
      this.#response.writeHeader(firstName, lines);
    }
    this.#headers = NO_HEADERS;
    if (this.ended) return;
    // What uWS says with the end of an answer is too late here; without it a client goes on with its next request.
    if (this.#options.closesConnection()) this.#response.writeHeader('connection', 'close');
    this.#response.onWritable(() => this.#drained());
  }
}

const REASONS: Readonly<Record<number, string>> = {
  200: '200 OK',
  400: '400 Bad Request',
  401: '401 Unauthorized',
  402: '402 Payment Required',
  404: '404 Not Found',
  405: '405 Method Not Allowed',
  408: '408 Request Timeout',
  413: '413 Content Too Large',
  429: '429 Too Many Requests',
  500: '500 Internal Server Error',
  502: '502 Bad Gateway',
  503: '503 Service Unavailable',
};

function statusLine(status: number): string {
  return REASONS[status] ?? String(status);
}
