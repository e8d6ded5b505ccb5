/** Longest event that is accepted from a provider; images arrive as one line of several megabytes. */
export const MAX_SSE_FRAME_BYTES = 32 * 1024 * 1024;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;
const DATA_FIELD = Buffer.from('data');
const EVENT_FIELD = Buffer.from('event');
const EMPTY = Buffer.alloc(0);
/** A carry buffer above this size is given back once it is empty. */
const KEPT_CARRY_BYTES = 64 * 1024;

/**
 * Cuts a server-sent event stream into whole events, whatever pieces its bytes arrive in. Feed a piece with
 * {@link push}, then call {@link next} until it is false; the properties describe the current event and are valid until
 * the next call. Nothing is copied unless an event spans pieces or its data spans lines.
 */
export class SseFrames {
  /** Holds the current event, terminator included, at `start`..`end`. */
  bytes: Buffer = EMPTY;
  start = 0;
  end = 0;
  /** Holds the payload of the current event at `dataStart`..`dataEnd`; the same buffer unless it spanned lines. */
  data: Buffer = EMPTY;
  dataStart = 0;
  dataEnd = 0;
  /** False for comments and events without data. */
  hasData = false;
  /** False for a last event that the stream ended without its blank line. */
  terminated = true;
  /** An event grew beyond {@link MAX_SSE_FRAME_BYTES}; no more events will come. */
  overflowed = false;

  readonly #maxFrameBytes: number;
  #limit = 0;
  /** Start of the line that was not complete when input ran out. */
  #lineStart = 0;
  #searchFrom = 0;
  #carry: Buffer = EMPTY;
  /** Once a CR was seen, line ends are searched byte by byte: CR, LF and CRLF all count. */
  #seenCarriageReturn = false;
  /** The last byte of the previous line was a CR, so an LF here still belongs to it. */
  #afterCarriageReturn = false;
  /** Lines were seen to end in CRLF, so a CR at the end of a piece is half a line end: the event is whole with its LF. */
  #usesCrLf = false;
  #eventStart = 0;
  #eventEnd = 0;
  #finishing = false;

  constructor(maxFrameBytes: number = MAX_SSE_FRAME_BYTES) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Name of the current event, empty if it has none. */
  get eventName(): string {
    return this.bytes.toString('utf8', this.#eventStart, this.#eventEnd);
  }

  /** Adds a piece of the stream. It must stay unchanged until `next` has returned false; what is left of it is copied then. */
  push(piece: Buffer): void {
    if (!this.#seenCarriageReturn && piece.includes(CARRIAGE_RETURN)) this.#seenCarriageReturn = true;
    const rest = this.#limit - this.end;
    if (rest === 0) {
      this.#releaseCarry();
      this.bytes = piece;
      this.#moveTo(0, this.end);
      this.#limit = piece.length;
    } else {
      this.#append(piece, rest);
    }
  }

  /** Tells that no more bytes come: what is left counts as an event if it holds data. */
  finish(): void {
    this.#finishing = true;
  }

  /** Moves on to the next whole event; false when more bytes are needed. */
  next(): boolean {
    if (this.overflowed) return false;
    if (this.#lineStart === this.end) this.#beginFrame();
    for (;;) {
      const lineEnd = this.#findLineEnd();
      if (lineEnd === -1) return this.#runsOut();
      const contentEnd = this.#contentEnd(lineEnd);
      const isBlank = contentEnd <= this.#lineStart;
      if (!isBlank) this.#readLine(this.#lineStart, contentEnd);
      this.#lineStart = lineEnd;
      this.#searchFrom = lineEnd;
      if (isBlank) {
        this.start = this.end;
        this.end = lineEnd;
        return true;
      }
    }
  }

  #beginFrame(): void {
    this.hasData = false;
    this.data = this.bytes;
    this.dataStart = 0;
    this.dataEnd = 0;
    this.#eventStart = 0;
    this.#eventEnd = 0;
  }

  #runsOut(): boolean {
    if (!this.#finishing) {
      const rest = this.#limit - this.end;
      this.overflowed = rest > this.#maxFrameBytes;
      if (rest > 0 && this.bytes !== this.#carry) this.#append(EMPTY, rest);
      return false;
    }
    if (this.#lineStart < this.#limit) this.#readLine(this.#lineStart, this.#limit);
    this.start = this.end;
    this.end = this.#limit;
    this.#lineStart = this.#limit;
    this.#searchFrom = this.#limit;
    this.terminated = false;
    const hasRest = this.hasData && this.start < this.end;
    if (!hasRest) this.hasData = false;
    return hasRest;
  }

  /** The offset behind the next line end, or -1. */
  #findLineEnd(): number {
    if (!this.#seenCarriageReturn) {
      const at = this.bytes.indexOf(LINE_FEED, this.#searchFrom);
      if (at !== -1 && at < this.#limit) return at + 1;
      this.#searchFrom = this.#limit;
      return -1;
    }
    let at = this.#searchFrom;
    if (this.#afterCarriageReturn && at < this.#limit) {
      this.#afterCarriageReturn = false;
      if (this.bytes[at] === LINE_FEED && at === this.#lineStart) {
        at += 1;
        this.#lineStart = at;
        this.#usesCrLf = true;
      }
    }
    for (; at < this.#limit; at += 1) {
      const byte = this.bytes[at];
      if (byte === LINE_FEED) return at + 1;
      if (byte === CARRIAGE_RETURN) {
        if (at + 1 < this.#limit) {
          if (this.bytes[at + 1] !== LINE_FEED) return at + 1;
          this.#usesCrLf = true;
          return at + 2;
        }
        if (this.#usesCrLf && !this.#finishing) {
          this.#searchFrom = at;
          return -1;
        }
        this.#afterCarriageReturn = true;
        return at + 1;
      }
    }
    this.#searchFrom = at;
    return -1;
  }

  #contentEnd(lineEnd: number): number {
    let at = lineEnd - 1;
    if (this.bytes[at] === LINE_FEED && at > this.#lineStart && this.bytes[at - 1] === CARRIAGE_RETURN)
      at -= 1;
    return at;
  }

  #readLine(start: number, end: number): void {
    if (this.#isField(DATA_FIELD, start, end)) {
      const from = this.#valueStart(start + DATA_FIELD.length, end);
      if (!this.hasData) {
        this.hasData = true;
        this.dataStart = from;
        this.dataEnd = end;
      } else {
        this.#joinDataLine(from, end);
      }
    } else if (this.#isField(EVENT_FIELD, start, end)) {
      this.#eventStart = this.#valueStart(start + EVENT_FIELD.length, end);
      this.#eventEnd = end;
    }
  }

  #isField(name: Buffer, start: number, end: number): boolean {
    const nameEnd = start + name.length;
    if (nameEnd > end || (nameEnd < end && this.bytes[nameEnd] !== COLON)) return false;
    for (let index = 0; index < name.length; index += 1) {
      if (this.bytes[start + index] !== name[index]) return false;
    }
    return true;
  }

  #valueStart(nameEnd: number, end: number): number {
    const from = Math.min(nameEnd + 1, end);
    return from < end && this.bytes[from] === SPACE ? from + 1 : from;
  }

  #joinDataLine(start: number, end: number): void {
    const joined = Buffer.concat([
      this.data.subarray(this.dataStart, this.dataEnd),
      Buffer.of(LINE_FEED),
      this.bytes.subarray(start, end),
    ]);
    this.data = joined;
    this.dataStart = 0;
    this.dataEnd = joined.length;
  }

  /** Keeps the unfinished rest of the stream together with `piece`, in a buffer of our own. */
  #append(piece: Buffer, rest: number): void {
    const needed = rest + piece.length;
    const from = this.end;
    if (this.bytes !== this.#carry || needed > this.#carry.length) {
      const target =
        needed > this.#carry.length ? Buffer.allocUnsafeSlow(Math.max(4_096, needed * 2)) : this.#carry;
      this.bytes.copy(target, 0, from, this.#limit);
      this.#carry = target;
    } else if (from > 0) {
      this.#carry.copyWithin(0, from, this.#limit);
    }
    piece.copy(this.#carry, rest);
    if (this.data === this.bytes) this.data = this.#carry;
    this.bytes = this.#carry;
    this.#moveTo(0, from);
    this.#limit = needed;
  }

  /** Shifts every offset so that what was at `from` is at `to`. */
  #moveTo(to: number, from: number): void {
    const shift = to - from;
    if (this.data === this.bytes) {
      this.dataStart += shift;
      this.dataEnd += shift;
    }
    this.#eventStart += shift;
    this.#eventEnd += shift;
    this.#lineStart += shift;
    this.#searchFrom += shift;
    this.start = to;
    this.end = to;
  }

  #releaseCarry(): void {
    if (this.#carry.length > KEPT_CARRY_BYTES) this.#carry = EMPTY;
  }
}
