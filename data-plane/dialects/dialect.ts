import type { Fault } from '#shared/fault.ts';
import type { TokenUsage } from '#shared/token-usage.ts';

/** How much a request says, as far as its bytes tell: what estimates of its input tokens are made from. */
export interface PromptSize {
  /** Bytes of the body without the media below. */
  readonly textBytes: number;
  readonly images: number;
  readonly videos: number;
  readonly audioBytes: number;
  /** Files named by id, whose size is unknown. Files sent inline count as text. */
  readonly fileReferences: number;
}

/** What English and code come to on average, with the JSON around them. */
export const TYPICAL_BYTES_PER_TOKEN = 4;

/** What a piece of a provider's answer is; integers because there is one per streamed chunk. */
export const PIECES = {
  /** Carries nothing that was generated: a role, an empty delta. */
  preamble: 0,
  /** Carries generated content or ends a choice. */
  content: 1,
  /** Only usage, in a chunk of its own. */
  usageOnly: 2,
  /** The end marker of the stream. */
  end: 3,
  /** The provider reports an error. */
  error: 4,
  /** Not what this dialect speaks. */
  garbage: 5,
  /** Ends the stream and belongs to the answer itself, so that the client gets it as well. */
  closing: 6,
  /** Only keeps the connection alive: the client gets it, but it is no sign that the answer goes on. */
  heartbeat: 7,
} as const;
export type Piece = (typeof PIECES)[keyof typeof PIECES];

/**
 * Reads a provider's answer of one request while its bytes pass: what each piece is, where it names its model, and what
 * adds up over the pieces. Nothing is built but the usage object.
 */
export interface AnswerReader {
  /** Reads the payload of one streamed event, `bytes[start..end)`. */
  readChunk(bytes: Buffer, start: number, end: number): Piece;
  /** Reads a whole answer that was not streamed: `content`, `error` or `garbage`. */
  readBody(bytes: Buffer): Piece;
  /** The model name in the piece read last, quotes included; `modelEnd` 0: it names none. */
  readonly modelStart: number;
  readonly modelEnd: number;
  /** The last counts that the provider sent. */
  readonly usage: TokenUsage | undefined;
  /** True once every choice that was seen has ended. */
  readonly finished: boolean;
  /** Bytes of generated text so far, for an estimate where the provider sends no counts. */
  readonly textBytes: number;
  /** The number that the next event would have, in dialects that number theirs. */
  readonly nextSequenceNumber?: number;
}

/** A provider's refusal in our terms, and whether another provider may do better. */
export interface ProviderFault {
  readonly fault: Fault;
  readonly retryable: boolean;
}

/** What the forward lane has to know of a dialect. */
export interface ForwardDialect {
  createAnswerReader(): AnswerReader;
  /** Judges an error answer; `status` 200 for an error inside a successful one. */
  readProviderFault(status: number, retryAfterMs: number | undefined, body: Buffer): ProviderFault;
  /**
   * The event that tells a client of a fault in the middle of its stream. `requestId` is the public one; see
   * `AnswerReader.nextSequenceNumber` for the number.
   */
  encodeStreamFault(fault: Fault, requestId: string, sequenceNumber?: number): Buffer;
  /** What comes after the last event of a complete stream; empty where `closing` pieces end it. */
  readonly endMarker: Buffer;
  /** A sign of life that clients of this dialect accept anywhere in a stream. */
  readonly keepAlive: Buffer;
}
