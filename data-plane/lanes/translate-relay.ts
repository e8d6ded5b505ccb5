import type { ProviderCodec, StreamEncoder } from '#data-plane/dialects/codec.ts';
import { coveringText } from '#data-plane/dialects/covering-text.ts';
import type { ProviderFault } from '#data-plane/dialects/dialect.ts';
import { providerFailed } from '#data-plane/dialects/provider-error-wording.ts';
import { issuedBy } from '#data-plane/dialects/signature-envelope.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import type { ResponseWriter } from '#data-plane/http/response-writer.ts';
import { SseFrames } from '#data-plane/http/sse-frames.ts';
import { FAULTS, type Fault } from '#shared/fault.ts';
import type { TokenUsage } from '#shared/token-usage.ts';
import type { AnswerRelay, StreamState } from './lane.ts';

/** Events before the first content are held back, up to this size, so that another provider can still be tried. */
const MAX_HELD_CHARACTERS = 256 * 1024;

export interface TranslateRelayOptions {
  readonly writer: Pick<ResponseWriter, 'write'>;
  readonly provider: ProviderCodec;
  /** Vendor whose answer it is. */
  readonly issuer: string;
  /** Makes the encoder of the client's dialect on top of `write`. */
  readonly createEncoder: (write: (bytes: string) => void) => StreamEncoder;
}

/**
 * Passes a provider's event stream on in another dialect: frames → turn events → the client's events, synchronously, one
 * write per read, nothing before the first content.
 */
export class TranslateRelay implements AnswerRelay {
  deliveredContent = false;
  sawProgress = false;
  textBytes = 0;

  readonly #writer: Pick<ResponseWriter, 'write'>;
  readonly #frames = new SseFrames();
  readonly #heartbeatEvent: string | undefined;
  readonly #decoder: ReturnType<ProviderCodec['createStreamDecoder']>;
  readonly #encoder: StreamEncoder;
  #out = '';
  #hasContent = false;
  #ended = false;
  #last = '';
  #fault: Fault | undefined;
  #usage: TokenUsage | undefined;
  /** How much text the last counts cover. */
  #countedTextBytes = 0;

  constructor({ writer, provider, issuer, createEncoder }: TranslateRelayOptions) {
    this.#writer = writer;
    this.#encoder = createEncoder((bytes) => {
      this.#out += bytes;
    });
    this.#heartbeatEvent = provider.heartbeatEvent;
    this.#decoder = provider.createStreamDecoder(issuedBy(issuer, (event) => this.#onEvent(event)));
  }

  get usage(): TokenUsage | undefined {
    if (this.#usage === undefined) return undefined;
    return coveringText(this.#usage, {
      countedTextBytes: this.#countedTextBytes,
      textBytes: this.textBytes,
      isWhole: this.#ended,
    });
  }

  push(piece: Buffer): StreamState {
    this.#frames.push(piece);
    return this.#relay(false);
  }

  finish(): StreamState {
    this.#frames.finish();
    return this.#relay(true);
  }

  keepAlive(): Buffer {
    return Buffer.from(this.#encoder.keepAlive());
  }

  failure(retryAfterMs: number | undefined): ProviderFault {
    if (this.#fault === undefined) return providerFailed();
    const fault = retryAfterMs === undefined ? this.#fault : { retryAfterMs, ...this.#fault };
    return { fault, retryable: FAULTS[fault.kind].blame !== 'client' };
  }

  lastBytes(): Buffer {
    const bytes = Buffer.from(this.#last);
    this.#last = '';
    return bytes;
  }

  /** The dialect's error event for a stream that has begun, behind what was decoded but not sent yet. */
  faultBytes(fault: Fault): Buffer {
    this.#encoder.event({ kind: 'turn_fault', fault });
    return Buffer.from(this.#out);
  }

  #relay(atEnd: boolean): StreamState {
    const frames = this.#frames;
    let frameCount = 0;
    this.sawProgress = false;
    while (!this.#ended && this.#fault === undefined && frames.next()) {
      frameCount += 1;
      this.#decode();
    }
    // What stands behind the last blank line is no event: some providers report late errors so.
    if (atEnd && !this.#ended && this.#fault === undefined && !frames.hasData) this.#decode();
    if (frameCount === 0) this.sawProgress = true;
    if (frames.overflowed) return 'garbage';
    if (atEnd && !this.#ended && this.#fault === undefined) this.#decoder.end();
    if (this.#fault !== undefined) {
      // Content that came in the same read as the failure was first: the client gets it, as it would have a moment earlier.
      if (this.#hasContent) this.#deliver();
      return 'error';
    }
    if (this.#ended) {
      this.#last = this.#out;
      this.#out = '';
      return 'complete';
    }
    this.#deliver();
    return atEnd ? 'cut' : 'open';
  }

  #decode(): void {
    const { bytes, start, end, data, dataStart, dataEnd, hasData, eventName } = this.#frames;
    if (hasData) {
      if (this.#heartbeatEvent === undefined || eventName !== this.#heartbeatEvent) this.sawProgress = true;
      this.#decoder.frame(eventName, data.toString('utf8', dataStart, dataEnd));
      return;
    }
    const text = bytes.toString('utf8', start, end).trim();
    if (text !== '' && !text.startsWith(':')) this.#decoder.unframed?.(text);
  }

  #onEvent(event: TurnEvent): void {
    switch (event.kind) {
      case 'turn_fault':
        // Whether it becomes an error status or an error event depends on what the client has seen: the lane decides.
        this.#fault = event.fault;
        return;
      case 'usage':
        this.#usage = event.usage;
        this.#countedTextBytes = this.textBytes;
        break;
      case 'part_delta':
        this.textBytes += Buffer.byteLength(event.text);
        this.#hasContent = true;
        break;
      case 'part_start':
      case 'native_part':
        this.#hasContent = true;
        break;
      case 'choice_end':
        this.#hasContent = true;
        break;
      case 'turn_end':
        this.#ended = true;
        break;
      default:
        break;
    }
    this.#encoder.event(event);
  }

  #deliver(): void {
    if (this.#out === '') return;
    if (!this.#hasContent && !this.deliveredContent && this.#out.length <= MAX_HELD_CHARACTERS) return;
    this.deliveredContent = true;
    const bytes = Buffer.from(this.#out);
    this.#out = '';
    this.#writer.write(bytes);
  }
}
