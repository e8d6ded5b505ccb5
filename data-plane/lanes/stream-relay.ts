import {
  type AnswerReader,
  type ForwardDialect,
  PIECES,
  type ProviderFault,
} from '#data-plane/dialects/dialect.ts';
import type { ResponseWriter } from '#data-plane/http/response-writer.ts';
import { SseFrames } from '#data-plane/http/sse-frames.ts';
import type { AnswerRelay, StreamState } from './lane.ts';
import { outgoing } from './outgoing-bytes.ts';

export interface StreamRelayOptions {
  readonly writer: Pick<ResponseWriter, 'write'>;
  readonly reader: AnswerReader;
  /** The catalog id as a JSON string, quotes included: the model that the client sees. */
  readonly modelName: Buffer;
  /** The client did not ask for the chunk that holds only usage. */
  readonly hidesUsageChunk: boolean;
  readonly dialect: ForwardDialect;
}

/** Frames before the first content are held back, up to this size, so that another provider can still be tried. */
const MAX_HELD_BYTES = 256 * 1024;
const FRAME_END = Buffer.from('\n\n');
const DATA_PREFIX = Buffer.from('data: ');
const EVENT_PREFIX = Buffer.from('event: ');
const LINE_FEED = Buffer.from('\n');
const NOTHING = Buffer.alloc(0);

/**
 * Passes a provider's event stream on to the client, byte for byte but for the model name: whole events only, one write
 * per read, nothing before the first content.
 */
export class StreamRelay implements AnswerRelay {
  deliveredContent = false;
  sawProgress = false;

  readonly #options: StreamRelayOptions;
  readonly #frames = new SseFrames();
  #held: Buffer[] = [];
  /** Payload of the event that made the state `error`. */
  #errorPayload: Buffer = NOTHING;
  #heldBytes = 0;
  #last: Buffer = NOTHING;

  constructor(options: StreamRelayOptions) {
    this.#options = options;
  }

  push(piece: Buffer): StreamState {
    this.#frames.push(piece);
    return this.#relay();
  }

  finish(): StreamState {
    this.#frames.finish();
    const state = this.#relay();
    if (state !== 'open') return state;
    return this.#options.reader.finished ? 'complete' : 'cut';
  }

  lastBytes(): Buffer {
    return Buffer.concat([...this.#takeHeld(), this.#last, this.#options.dialect.endMarker]);
  }

  failure(retryAfterMs: number | undefined): ProviderFault {
    return this.#options.dialect.readProviderFault(200, retryAfterMs, this.#errorPayload);
  }

  keepAlive(): Buffer {
    return this.#options.dialect.keepAlive;
  }

  #relay(): StreamState {
    const frames = this.#frames;
    outgoing.reset();
    let hasContent = false;
    let state: StreamState = 'open';
    let frameCount = 0;
    this.sawProgress = false;
    while (state === 'open' && frames.next()) {
      frameCount += 1;
      if (!frames.hasData) {
        this.#addFrame();
        continue;
      }
      const piece = this.#options.reader.readChunk(frames.data, frames.dataStart, frames.dataEnd);
      if (piece !== PIECES.heartbeat) this.sawProgress = true;
      switch (piece) {
        case PIECES.content:
          hasContent = true;
          this.#addFrame();
          break;
        case PIECES.preamble:
        case PIECES.heartbeat:
          this.#addFrame();
          break;
        case PIECES.usageOnly:
          if (!this.#options.hidesUsageChunk) this.#addFrame();
          break;
        case PIECES.closing:
          this.#addFrame();
          state = 'complete';
          break;
        case PIECES.end:
          state = 'complete';
          break;
        case PIECES.error:
          this.#errorPayload = Buffer.from(frames.data.subarray(frames.dataStart, frames.dataEnd));
          state = 'error';
          break;
        default:
          state = 'garbage';
      }
    }
    if (frames.overflowed) state = 'garbage';
    if (frameCount === 0) this.sawProgress = true;
    // What belongs to the last read leaves together with the end marker, after the request is recorded.
    if (state === 'complete') this.#last = outgoing.copy();
    else this.#deliver(hasContent);
    return state;
  }

  #deliver(hasContent: boolean): void {
    if (outgoing.size === 0 && !hasContent) return;
    if (!hasContent && !this.deliveredContent && this.#heldBytes + outgoing.size <= MAX_HELD_BYTES) {
      this.#held.push(outgoing.copy());
      this.#heldBytes += outgoing.size;
      return;
    }
    this.deliveredContent = true;
    if (this.#heldBytes === 0) this.#options.writer.write(outgoing.view());
    else this.#options.writer.write(Buffer.concat([...this.#takeHeld(), outgoing.view()]));
  }

  #takeHeld(): Buffer[] {
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    return held;
  }

  /** Adds the current frame to what goes out, under the client's name of the model. */
  #addFrame(): void {
    const { bytes, start, end, data } = this.#frames;
    const { reader, modelName } = this.#options;
    const namesModel = this.#frames.hasData && reader.modelEnd > 0;
    if (namesModel && data !== bytes) {
      this.#addJoinedFrame();
      return;
    }
    if (namesModel && !equalsAt(bytes, reader.modelStart, reader.modelEnd, modelName)) {
      outgoing.add(bytes, start, reader.modelStart);
      outgoing.add(modelName, 0, modelName.length);
      outgoing.add(bytes, reader.modelEnd, end);
    } else {
      outgoing.add(bytes, start, end);
    }
    if (!this.#frames.terminated) outgoing.add(FRAME_END, 0, FRAME_END.length);
  }

  /** Writes a frame anew whose JSON spanned several data lines; the line breaks become spaces, which JSON ignores. */
  #addJoinedFrame(): void {
    const { data, dataStart, dataEnd, eventName } = this.#frames;
    const { reader, modelName } = this.#options;
    for (let at = data.indexOf(LINE_FEED); at !== -1; at = data.indexOf(LINE_FEED, at)) data[at] = 0x20;
    if (eventName !== '') {
      outgoing.add(EVENT_PREFIX, 0, EVENT_PREFIX.length);
      const name = Buffer.from(`${eventName}\n`);
      outgoing.add(name, 0, name.length);
    }
    outgoing.add(DATA_PREFIX, 0, DATA_PREFIX.length);
    outgoing.add(data, dataStart, reader.modelStart);
    outgoing.add(modelName, 0, modelName.length);
    outgoing.add(data, reader.modelEnd, dataEnd);
    outgoing.add(FRAME_END, 0, FRAME_END.length);
  }
}

function equalsAt(bytes: Buffer, start: number, end: number, name: Buffer): boolean {
  if (end - start !== name.length) return false;
  for (let index = 0; index < name.length; index += 1) {
    if (bytes[start + index] !== name[index]) return false;
  }
  return true;
}
