import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { type AddressRanges, clientAddressOf } from '#shared/address-range.ts';
import { type Fault, fault } from '#shared/fault.ts';

export interface BodyLimits {
  readonly maxBodyBytes: number;
  /** From the head of the request to the last byte of its body. */
  readonly uploadTimeoutMs: number;
}

/** What is kept of a request: uWS forgets it as soon as its handler returns. */
export class RequestIntake {
  readonly method: string;
  /** Path as sent, percent-encoding included, without the query. */
  readonly path: string;
  readonly authorization: string;
  readonly xApiKey: string;
  /** Query string without the question mark. */
  readonly query: string;
  readonly anthropicVersion: string;
  readonly anthropicBeta: string;
  readonly openaiBeta: string;
  readonly #forwardedFor: string;
  readonly #contentLength: string;
  readonly #contentEncoding: string;
  readonly #response: HttpResponse;
  #collector: BodyCollector | undefined;

  constructor(response: HttpResponse, request: HttpRequest) {
    this.#response = response;
    this.method = request.getMethod();
    this.path = request.getUrl();
    this.authorization = request.getHeader('authorization');
    this.xApiKey = request.getHeader('x-api-key');
    this.query = request.getQuery();
    this.anthropicVersion = request.getHeader('anthropic-version');
    this.anthropicBeta = request.getHeader('anthropic-beta');
    this.openaiBeta = request.getHeader('openai-beta');
    this.#forwardedFor = request.getHeader('x-forwarded-for');
    this.#contentLength = request.getHeader('content-length');
    this.#contentEncoding = request.getHeader('content-encoding');
  }

  /**
   * Collects the body and hands it to `onBody` once: all of it, or why it is refused. Must be called before the route's
   * handler returns. Of a client that goes away in the middle nothing is heard.
   */
  readBody(limits: BodyLimits, onBody: (body: Buffer | Fault) => void): void {
    const refusal = this.#refusal(limits);
    if (refusal !== undefined) {
      onBody(refusal);
      return;
    }
    const collector = new BodyCollector(limits, onBody, Number(this.#contentLength) || 0);
    this.#collector = collector;
    this.#response.onData((piece, isLast) => collector.add(piece, isLast));
  }

  /** The client's address, behind proxies that are trusted to tell it. Must be called before the route's handler returns. */
  clientAddress(trustedProxies: AddressRanges): string {
    const connection = Buffer.from(this.#response.getRemoteAddressAsText()).toString('latin1');
    return clientAddressOf(connection, this.#forwardedFor, trustedProxies);
  }

  /** Forgets a body that is still arriving: its client has gone. */
  discardBody(): void {
    this.#collector?.discard();
  }

  #refusal(limits: BodyLimits): Fault | undefined {
    if (this.#contentEncoding !== '' && this.#contentEncoding.toLowerCase() !== 'identity') {
      return fault(
        'invalid_request',
        'Compressed request bodies are not supported; send it without content-encoding.',
      );
    }
    return Number(this.#contentLength) > limits.maxBodyBytes ? tooLarge(limits.maxBodyBytes) : undefined;
  }
}

/** A body is never given more memory up front than this, whatever length the client announces. */
const MAX_UPFRONT_BYTES = 1024 * 1024;
const FIRST_BUFFER_BYTES = 16 * 1024;

class BodyCollector {
  readonly #limits: BodyLimits;
  readonly #onBody: (body: Buffer | Fault) => void;
  readonly #announcedBytes: number;
  #buffer: Buffer | undefined;
  #size = 0;
  #timer: NodeJS.Timeout | undefined;
  #done = false;

  constructor(limits: BodyLimits, onBody: (body: Buffer | Fault) => void, announcedBytes: number) {
    this.#limits = limits;
    this.#onBody = onBody;
    this.#announcedBytes = announcedBytes;
  }

  add(piece: ArrayBuffer, isLast: boolean): void {
    if (this.#done) return;
    const size = this.#size + piece.byteLength;
    if (size > this.#limits.maxBodyBytes) {
      this.#finish(tooLarge(this.#limits.maxBodyBytes));
      return;
    }
    // uWS takes `piece` back when this returns, so it is copied even when it is all there is.
    const buffer = this.#roomFor(size, isLast);
    buffer.set(new Uint8Array(piece), this.#size);
    this.#size = size;
    if (isLast) this.#finish(buffer.subarray(0, size));
    else this.#timer ??= setTimeout(() => this.#finish(tooSlow()), this.#limits.uploadTimeoutMs);
  }

  discard(): void {
    this.#done = true;
    this.#buffer = undefined;
    clearTimeout(this.#timer);
  }

  #roomFor(size: number, isLast: boolean): Buffer {
    const existing = this.#buffer;
    if (existing !== undefined && existing.length >= size) return existing;
    const announced = Math.min(this.#announcedBytes, MAX_UPFRONT_BYTES);
    const wanted = isLast
      ? size
      : Math.max(size, announced, existing ? existing.length * 2 : FIRST_BUFFER_BYTES);
    const grown = Buffer.allocUnsafe(Math.min(wanted, this.#limits.maxBodyBytes));
    if (existing !== undefined) existing.copy(grown, 0, 0, this.#size);
    this.#buffer = grown;
    return grown;
  }

  #finish(body: Buffer | Fault): void {
    if (this.#done) return;
    this.discard();
    this.#onBody(body);
  }
}

function tooLarge(maxBodyBytes: number): Fault {
  return fault('request_too_large', `The request body is larger than ${maxBodyBytes} bytes.`);
}

function tooSlow(): Fault {
  return fault('request_timeout', 'The request body did not arrive in time.');
}
