/** One request to a provider. Header names and values alternate. */
export interface UpstreamRequest {
  /** `https://host[:port]`. */
  readonly origin: string;
  readonly path: string;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** Why no answer, or no whole answer, came. */
export type UpstreamFailure = 'connect_failed' | 'connection_lost' | 'malformed_answer';

/** Receives one answer. After `onEnd` or `onFailure`, or once the call was aborted, nothing more comes. */
export interface UpstreamHandler {
  /** Header names are in lower case. Called once. */
  onHead(status: number, headers: UpstreamHeaders): void;
  /** `piece` is valid during the call only: the next read lands in the same memory. */
  onData(piece: Buffer): void;
  onEnd(): void;
  onFailure(failure: UpstreamFailure): void;
}

export type UpstreamHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A request under way. */
export interface UpstreamCall {
  /** Cancels at once: the connection is closed and the handler hears no more. Harmless after the end. */
  abort(): void;
  /** Stops reading from the connection until {@link resume}; what is already read may still be delivered. */
  pause(): void;
  resume(): void;
}

export interface UpstreamClientOptions {
  /** From the first lookup to the end of the handshake. */
  readonly connectTimeoutMs: number;
  /** How long an idle connection is kept, unless the provider's `keep-alive` header says otherwise. */
  readonly idleConnectionMs: number;
}

/** The way to providers; small enough that another HTTP client can take its place. */
export interface UpstreamClient {
  /**
   * Sends `request`. A reused connection that fails before any byte of the answer is retried once on a new one: a
   * provider may close an idle connection at the very moment we write to it.
   */
  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall;
  /** Closes idle connections; requests under way are cut. */
  close(): Promise<void>;
}
