import type { Turn, TurnRequest } from './turn.ts';
import type { WireError } from './wire-error.ts';

/** What a protocol folder offers: its requests read, its answers and errors written. Everything else is the same for all. */
export interface WireProtocol {
  /** Reads the parsed body of a request, or says what is wrong with it. */
  read(body: unknown, target: RequestTarget): WireRequest | WireError;
  encodeError(error: WireError): string;
  /** The error as an event inside a stream, framing included. */
  encodeErrorFrame(error: WireError): string;
  /** What follows the last event, after failures too; empty where a protocol has nothing of the kind. */
  readonly streamTrailer: string;
}

/** What the URL says about a request. */
export interface RequestTarget {
  readonly path: string;
  readonly query: URLSearchParams;
}

export type WireRequest = GenerationRequest | CountRequest;

export interface GenerationRequest {
  readonly kind: 'generation';
  readonly turn: TurnRequest;
  readonly stream: boolean;
  encodeBody(turn: Turn, nowMs: number): string;
  encodeEvents(turn: Turn, nowMs: number): Iterable<WireEvent>;
  /** Instead of the protocol's error frame, where a failure refers to the events that were sent before it. */
  encodeFailure?(error: WireError, nowMs: number, eventsSent: number): string;
}

/** A question how many tokens a prompt has. */
export interface CountRequest {
  readonly kind: 'count';
  readonly turn: TurnRequest;
  encodeCount(promptTokens: number): string;
}

/** One event of a stream with its framing, and how many tokens of its answer are out once it has been sent. */
export interface WireEvent {
  readonly frame: string;
  readonly tokensSoFar: number;
}

/** A server-sent event. */
export function sseFrame(data: string, event?: string): string {
  return event === undefined ? `data: ${data}\n\n` : `event: ${event}\ndata: ${data}\n\n`;
}
