import { type AnswerHead, parseAnswerHead } from './answer-head.ts';

/** Hears what an answer consists of, in order. It may stop the parser at any point. */
export interface AnswerSink {
  onAnswerHead(head: AnswerHead): void;
  /** Bytes of the body; valid during the call only. */
  onAnswerBody(bytes: Buffer): void;
  /** `isReusable`: nothing stands behind the answer, and its sender keeps the connection. */
  onAnswerEnd(isReusable: boolean): void;
  onAnswerMalformed(): void;
}

const MAX_HEAD_BYTES = 64 * 1024;
/** Size line of a chunk, extensions included. */
const MAX_SIZE_LINE_BYTES = 4 * 1024;
const MAX_TRAILER_BYTES = 64 * 1024;
/** Hex digits of a chunk's size. */
const MAX_SIZE_DIGITS = 12;
/** Interim answers (1xx) before the real one. */
const MAX_INTERIM_HEADS = 8;
const HEAD_END = Buffer.from('\r\n\r\n');
const CR = 0x0d;
const LF = 0x0a;
const SEMICOLON = 0x3b;
const TAB = 0x09;
const DELETE = 0x7f;
const FIRST_PRINTABLE = 0x20;
const NOTHING = Buffer.alloc(0);

type State =
  | 'head'
  | 'fixed'
  | 'until_close'
  | 'chunk_size'
  | 'chunk_extension'
  | 'chunk_size_lf'
  | 'chunk_data'
  | 'chunk_end_cr'
  | 'chunk_end_lf'
  | 'trailer'
  | 'idle';

/** Reads HTTP/1.1 answers from bytes in any splits, one after the other on one connection. Body bytes of one read come in one piece. */
export class AnswerParser {
  readonly #sink: AnswerSink;
  #state: State = 'idle';
  #head: Buffer = NOTHING;
  #interimHeads = 0;
  #keepsAlive = false;
  /** Bytes of the body, or of the chunk, that are still to come. */
  #left = 0;
  #sizeDigits = 0;
  /** Bytes of the size line or of the trailer so far. */
  #lineBytes = 0;
  /** Bytes of the trailer's current line. */
  #trailerLine = 0;
  #sawCr = false;
  /** Where the body bytes of this read are gathered: they are moved together in place. */
  #bodyStart = 0;
  #bodyEnd = 0;
  #bytes: Buffer = NOTHING;

  constructor(sink: AnswerSink) {
    this.#sink = sink;
  }

  /** Gets ready for the next answer. */
  expect(): void {
    this.#state = 'head';
    this.#head = NOTHING;
    this.#interimHeads = 0;
  }

  /** Nothing more is heard. */
  stop(): void {
    this.#state = 'idle';
  }

  /** Reads `bytes[0..length)`, which it may rearrange. */
  push(bytes: Buffer, length: number): void {
    let at = 0;
    this.#bodyStart = 0;
    this.#bodyEnd = 0;
    this.#bytes = bytes;
    while (at < length) {
      const next = this.#step(bytes, at, length);
      if (next === undefined) return;
      at = next;
    }
    this.#flush();
  }

  /** The connection has ended. True when that was the proper end of an answer. */
  finish(): boolean {
    if (this.#state !== 'until_close') return false;
    this.#state = 'idle';
    this.#sink.onAnswerEnd(false);
    return true;
  }

  /** Where to read on; `undefined` when there is nothing more to read. */
  #step(bytes: Buffer, at: number, length: number): number | undefined {
    switch (this.#state) {
      case 'idle':
        return undefined;
      case 'head':
        return this.#readHead(bytes, at, length);
      case 'fixed':
        return this.#readFixed(bytes, at, length);
      case 'until_close':
        this.#gather(bytes, at, length);
        return length;
      case 'chunk_data':
        return this.#readChunk(bytes, at, length);
      case 'trailer':
        return this.#readTrailer(bytes, at, length);
      default:
        return this.#readFraming(bytes, at, length);
    }
  }

  #readHead(bytes: Buffer, at: number, length: number): number | undefined {
    const kept = this.#head.length;
    // The end of the head may lie across two reads.
    const isSplit = kept > 0;
    const source = isSplit ? Buffer.concat([this.#head, bytes.subarray(at, length)]) : bytes;
    const start = isSplit ? 0 : at;
    const limit = isSplit ? source.length : length;
    const found = source.indexOf(HEAD_END, isSplit ? Math.max(0, kept - HEAD_END.length + 1) : at);
    // Behind what was read lies what earlier reads have left.
    const end = found === -1 || found + HEAD_END.length > limit ? -1 : found;
    if ((end === -1 ? limit : end) - start > MAX_HEAD_BYTES) return this.#malformed();
    if (end === -1) {
      this.#head = isSplit ? source : Buffer.from(source.subarray(start, limit));
      return length;
    }
    this.#head = NOTHING;
    const head = parseAnswerHead(source, start, end);
    if (head === undefined) return this.#malformed();
    const next = end + HEAD_END.length + (isSplit ? at - kept : 0);
    if (head.status < 200) {
      this.#interimHeads += 1;
      // We never ask to switch protocols.
      return head.status === 101 || this.#interimHeads > MAX_INTERIM_HEADS ? this.#malformed() : next;
    }
    return this.#beginBody(head, next, length);
  }

  #beginBody(head: AnswerHead, next: number, length: number): number | undefined {
    this.#keepsAlive = head.keepsAlive;
    switch (head.framing.kind) {
      case 'none':
        this.#state = 'idle';
        this.#sink.onAnswerHead(head);
        this.#sink.onAnswerEnd(this.#keepsAlive && next === length);
        return undefined;
      case 'length':
        this.#state = 'fixed';
        this.#left = head.framing.bytes;
        break;
      case 'chunked':
        this.#beginSize();
        break;
      case 'until_close':
        this.#state = 'until_close';
    }
    this.#sink.onAnswerHead(head);
    return next;
  }

  #readFixed(bytes: Buffer, at: number, length: number): number | undefined {
    const end = Math.min(length, at + this.#left);
    this.#left -= end - at;
    this.#gather(bytes, at, end);
    return this.#left > 0 ? end : this.#end(end, length);
  }

  #readChunk(bytes: Buffer, at: number, length: number): number {
    const end = Math.min(length, at + this.#left);
    this.#left -= end - at;
    this.#gather(bytes, at, end);
    if (this.#left === 0) this.#state = 'chunk_end_cr';
    return end;
  }

  #beginSize(): void {
    this.#state = 'chunk_size';
    this.#left = 0;
    this.#sizeDigits = 0;
    this.#lineBytes = 0;
  }

  /** The bytes around chunks: size line and line ends. */
  #readFraming(bytes: Buffer, from: number, length: number): number | undefined {
    let at = from;
    while (at < length) {
      const byte = bytes[at] ?? 0;
      at += 1;
      switch (this.#state) {
        case 'chunk_size': {
          const digit = hexDigit(byte);
          if (digit !== -1) {
            this.#sizeDigits += 1;
            if (this.#sizeDigits > MAX_SIZE_DIGITS) return this.#malformed();
            this.#left = this.#left * 16 + digit;
            break;
          }
          if (this.#sizeDigits === 0) return this.#malformed();
          if (byte === CR) this.#state = 'chunk_size_lf';
          else if (byte === SEMICOLON) this.#state = 'chunk_extension';
          else return this.#malformed();
          break;
        }
        case 'chunk_extension':
          this.#lineBytes += 1;
          if (byte === CR) this.#state = 'chunk_size_lf';
          else if (isControl(byte) || this.#lineBytes > MAX_SIZE_LINE_BYTES) return this.#malformed();
          break;
        case 'chunk_size_lf':
          if (byte !== LF) return this.#malformed();
          if (this.#left > 0) {
            this.#state = 'chunk_data';
            return at;
          }
          this.#state = 'trailer';
          this.#lineBytes = 0;
          this.#trailerLine = 0;
          this.#sawCr = false;
          return at;
        case 'chunk_end_cr':
          if (byte !== CR) return this.#malformed();
          this.#state = 'chunk_end_lf';
          break;
        default:
          if (byte !== LF) return this.#malformed();
          this.#beginSize();
      }
    }
    return at;
  }

  /** Skips trailer fields up to their empty line: nothing in them is of use to anybody here. */
  #readTrailer(bytes: Buffer, from: number, length: number): number | undefined {
    for (let at = from; at < length; at += 1) {
      const byte = bytes[at] ?? 0;
      this.#lineBytes += 1;
      if (this.#sawCr !== (byte === LF) || this.#lineBytes > MAX_TRAILER_BYTES) return this.#malformed();
      if (this.#sawCr) {
        this.#sawCr = false;
        if (this.#trailerLine === 0) return this.#end(at + 1, length);
        this.#trailerLine = 0;
      } else if (byte === CR) this.#sawCr = true;
      else if (isControl(byte)) return this.#malformed();
      else this.#trailerLine += 1;
    }
    return length;
  }

  #gather(bytes: Buffer, start: number, end: number): void {
    if (this.#bodyEnd === this.#bodyStart) {
      this.#bodyStart = start;
      this.#bodyEnd = end;
      return;
    }
    bytes.copyWithin(this.#bodyEnd, start, end);
    this.#bodyEnd += end - start;
  }

  #flush(): void {
    if (this.#bodyEnd === this.#bodyStart) return;
    const body = this.#bytes.subarray(this.#bodyStart, this.#bodyEnd);
    this.#bodyEnd = this.#bodyStart;
    this.#sink.onAnswerBody(body);
  }

  #end(at: number, length: number): undefined {
    this.#flush();
    // Whoever was told of the body may have stopped the parser.
    if (this.#state === 'idle') return;
    this.#state = 'idle';
    this.#sink.onAnswerEnd(this.#keepsAlive && at === length);
  }

  #malformed(): undefined {
    // What came before is as good as if it had come in a read of its own.
    this.#flush();
    if (this.#state === 'idle') return;
    this.#state = 'idle';
    this.#sink.onAnswerMalformed();
  }
}

function isControl(byte: number): boolean {
  return (byte < FIRST_PRINTABLE && byte !== TAB) || byte === DELETE;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
