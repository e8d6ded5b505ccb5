import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { type AddressRanges, clientAddressOf } from '#shared/address-range.ts';
import { type Fault, fault } from '#shared/fault.ts';

export interface BodyLimits {
  readonly maxBodyBytes: number;
  /** From the head of the request to the last byte of its body. */
  readonly uploadTimeoutMs: number;
}

/** The headers that choose what a provider does, of both dialect families; they are asked for after the handler. */
export interface ProviderHeaders {
  readonly anthropicVersion: string;
  readonly anthropicBeta: string;
  readonly openaiBeta: string;
}

/**
 * A request as it comes. uWS forgets it as soon as the route's handler returns and every look at it costs a call: what is
 * needed later is read at once, the rest when it is asked for, which must be before that.
 */
export class RequestIntake {
  /** Query string without the question mark. */
  readonly query: string;
  readonly #request: HttpRequest;
  readonly #response: HttpResponse;
  #forProvider = NO_PROVIDER_HEADERS;
  #collector: BodyCollector | undefined;

  constructor(response: HttpResponse, request: HttpRequest) {
    this.#response = response;
    this.#request = request;
    this.query = request.getQuery();
  }

  /** In lower case. Inside the route's handler only, like the three below. */
  get method(): string {
    return this.#request.getMethod();
  }

  /** Path as sent, percent-encoding included, without the query. */
  get path(): string {
    return this.#request.getUrl();
  }

  get authorization(): string {
    return this.#request.getHeader('authorization');
  }

  get xApiKey(): string {
    return this.#request.getHeader('x-api-key');
  }

  /** What {@link keepProviderHeaders} has kept; empty without. */
  get forProvider(): ProviderHeaders {
    return this.#forProvider;
  }

  /** Keeps what may have to be passed on. Must be called before the route's handler returns. */
  keepProviderHeaders(family: 'openai' | 'anthropic'): void {
    if (family === 'openai') {
      const openaiBeta = this.#request.getHeader('openai-beta');
      if (openaiBeta !== '') this.#forProvider = { ...NO_PROVIDER_HEADERS, openaiBeta };
      return;
    }
    this.#forProvider = {
      ...NO_PROVIDER_HEADERS,
      anthropicVersion: this.#request.getHeader('anthropic-version'),
      anthropicBeta: this.#request.getHeader('anthropic-beta'),
    };
  }

  /**
   * Collects the body and hands it to `onBody` once: all of it, or why it is refused. Must be called before the route's
   * handler returns. Of a client that goes away in the middle nothing is heard.
   */
  readBody(limits: BodyLimits, onBody: (body: Buffer | Fault) => void): void {
    const announcedBytes = Number(this.#request.getHeader('content-length'));
    const refusal = this.#refusal(limits, announcedBytes);
    if (refusal !== undefined) {
      onBody(refusal);
      return;
    }
    // Let go of with the body: it knows all that the request has been through, and streams last.
    const collector = new BodyCollector(
      limits,
      (body) => {
        this.#collector = undefined;
        onBody(body);
      },
      announcedBytes || 0,
    );
    this.#collector = collector;
    this.#response.onData((piece, isLast) => collector.add(piece, isLast));
  }

  /** The client's address, behind proxies that are trusted to tell it. Must be called before the route's handler returns. */
  clientAddress(trustedProxies: AddressRanges): string {
    const connection = Buffer.from(this.#response.getRemoteAddressAsText()).toString('latin1');
    return clientAddressOf(connection, this.#request.getHeader('x-forwarded-for'), trustedProxies);
  }

  /** Forgets a body that is still arriving: its client has gone. */
  discardBody(): void {
    this.#collector?.discard();
  }

  #refusal(limits: BodyLimits, announcedBytes: number): Fault | undefined {
    const encoding = this.#request.getHeader('content-encoding');
    if (encoding !== '' && encoding.toLowerCase() !== 'identity') {
      return fault(
        'invalid_request',
        'Compressed request bodies are not supported; send it without content-encoding.',
      );
    }
    return announcedBytes > limits.maxBodyBytes ? tooLarge(limits.maxBodyBytes) : undefined;
  }
}

const NO_PROVIDER_HEADERS: ProviderHeaders = { anthropicVersion: '', anthropicBeta: '', openaiBeta: '' };

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
