import type { Fault } from '#shared/fault.ts';
import type { ProviderProtocol } from '#shared/usage-record.ts';
import type { ProviderFault } from './dialect.ts';
import type { JsonObject, MediaKind, TurnRequest } from './turn.ts';
import type { EmitTurnEvent, TurnEvent } from './turn-event.ts';

/** What an encoder needs to know of the answer it writes, besides its events. */
export interface AnswerIdentity {
  /** UUIDv7 of the request in hex without dashes: ids that the dialect mints are made from it. */
  readonly idSeed: string;
  /** Catalog id shown as `model`. */
  readonly model: string;
  /** Unix seconds. */
  readonly createdAt: number;
  /** The client's own request, for fields that the dialect echoes (Responses) or that ask for more (usage chunk). */
  readonly body: JsonObject;
}

/** Writes one answer in a client's dialect. Synchronous; each `write` is one whole event. */
export interface StreamEncoder {
  event(event: TurnEvent): void;
  /** Bytes of a keep-alive that is legal at this point of the stream. */
  keepAlive(): string;
}

/** A client dialect on the translate lane. Pure: no clock, socket, snapshot or environment. */
export interface ClientCodec {
  /** JSON to turn. A fault names the field; whatever is not modelled lands in `extras`. */
  decodeRequest(body: JsonObject): TurnRequest | Fault;
  /** The last event of a complete stream is written on `turn_end`; `turn_fault` writes the dialect's error event. */
  createStreamEncoder(answer: AnswerIdentity, write: (bytes: string) => void): StreamEncoder;
  /** Events of a whole answer to the body of a response that was not streamed. Never called with a fault in them. */
  encodeBody(answer: AnswerIdentity, events: readonly TurnEvent[]): JsonObject;
}

/** Which model a provider is asked for, and what is special about this upstream. */
export interface ProviderTarget {
  readonly providerModel: string;
  readonly vendor: string;
  /** The model's own output limit in tokens, where the catalog knows it (Anthropic requires one). */
  readonly maxOutputTokens: number | undefined;
  readonly capabilities: {
    readonly reasoningEfforts: readonly string[] | undefined;
    readonly thinkingBudget: boolean;
    /** False: no reasoning model, and some protocols then refuse everything about reasoning. Absent: unknown. */
    readonly reasoning?: boolean;
    /** False: the model refuses sampling parameters. Absent: unknown. */
    readonly temperature?: boolean;
    /** False: the model takes no output schema. Absent: unknown. */
    readonly structuredOutput?: boolean;
  };
}

export interface EncodedRequest {
  readonly body: JsonObject;
  /** Path below the upstream's base path, query included. */
  readonly path: string;
  /** Header names and values, alternating, besides the credential. */
  readonly headers: readonly string[];
  /** Request fields of the client that have no effect at this provider, by the client's names where known. */
  readonly dropped: readonly string[];
}

/** Reads a provider's stream. `data` is the payload of one event; a split inside an event never shows here. */
export interface StreamDecoder {
  frame(eventName: string, data: string): void;
  /** Text that stood where an event should be (Gemini reports late errors so). Comments never come here. */
  unframed?(text: string): void;
  /** The provider ended its answer: emits what is due (`turn_end`), or a `turn_fault` when the answer was cut. */
  end(): void;
}

/** A provider's own counting of the tokens of a prompt. */
export interface TokenCountCodec {
  /** The question about a request that was encoded for sending. `path` is below the upstream's base path. */
  encode(request: EncodedRequest): { readonly path: string; readonly body: JsonObject };
  /** The count in the answer; `undefined` when there is none. */
  read(answer: JsonObject): number | undefined;
}

/** A provider protocol on the translate lane. Pure like {@link ClientCodec}. */
export interface ProviderCodec {
  readonly protocol: ProviderProtocol;
  /** Name of the event that only keeps a stream alive, where the protocol has one. */
  readonly heartbeatEvent?: string;
  /**
   * Turn to JSON. A field whose absence would change the meaning of the answer, and that real agents do not send as a
   * matter of course, is refused with `unsupported_parameter` naming it; the rest of what cannot be said is in `dropped`.
   */
  encodeRequest(turn: TurnRequest, target: ProviderTarget): EncodedRequest | Fault;
  /**
   * Whether providers of this `vendor` fetch the URL of such a medium themselves. Where not, the lane fetches it and puts its
   * bytes in the URL's place before the request is encoded.
   */
  readsUrl(media: MediaKind, url: string, vendor: string): boolean;
  /** Absent: providers of this protocol do not count. */
  readonly tokenCount?: TokenCountCodec;
  createStreamDecoder(emit: EmitTurnEvent): StreamDecoder;
  /** A whole body to the same events that its stream would give. */
  decodeBody(body: JsonObject, emit: EmitTurnEvent): void;
  /** Judges an error answer; `status` 200 for an error inside a successful one. */
  readProviderFault(status: number, retryAfterMs: number | undefined, body: Buffer): ProviderFault;
}

export type { JsonObject };
