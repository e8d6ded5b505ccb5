import type { ProviderFault } from '#data-plane/dialects/dialect.ts';
import type { ResponseWriter } from '#data-plane/http/response-writer.ts';
import type { Fault } from '#shared/fault.ts';
import type { TokenUsage } from '#shared/token-usage.ts';

/** How far a relayed stream has come. `error`: the provider reported one; see the relay's `failure`. */
export type StreamState = 'open' | 'complete' | 'error' | 'garbage' | 'cut';

/** Turns the bytes of a provider's event stream into the client's, as they come. Writes nothing before the first content. */
export interface AnswerRelay {
  /** Content has gone to the client; no other provider may be asked any more. */
  readonly deliveredContent: boolean;
  /** Whether the last push held anything but comments and heartbeats: only that counts as a sign of life. */
  readonly sawProgress: boolean;
  /** Handles one read from the provider. */
  push(piece: Buffer): StreamState;
  /** Handles the orderly end of the provider's answer. Some providers send no end marker. */
  finish(): StreamState;
  /** What the provider reported, once the state is `error`. */
  failure(retryAfterMs: number | undefined): ProviderFault;
  /** The bytes that complete the client's stream. Send them once the request is recorded. */
  lastBytes(): Buffer;
  /** A sign of life that is legal at this point of the client's stream. */
  keepAlive(): Buffer;
}

/** How one provider's answer becomes the client's: forwarded or translated. One lane per attempt. */
export interface AnswerLane {
  /** The last counts that the provider sent. */
  readonly usage: TokenUsage | undefined;
  /** Bytes of generated text so far, for an estimate where the provider sends no counts. */
  readonly textBytes: number;
  openRelay(writer: ResponseWriter): AnswerRelay;
  /** A whole successful answer as the client's body, the error it holds, or `undefined` when it is unreadable. */
  readBody(body: Buffer, retryAfterMs: number | undefined): Buffer | ProviderFault | undefined;
  /** Judges an error answer. */
  readFault(status: number, retryAfterMs: number | undefined, body: Buffer): ProviderFault;
  /** The event that tells the client of a fault in the middle of its stream. */
  encodeStreamFault(fault: Fault): Buffer;
}
