import type { UpstreamHeaders } from './upstream-client.ts';

/** How the body behind a head is framed. */
export type BodyFraming =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'until_close' };

export interface AnswerHead {
  readonly status: number;
  /** Those that somebody here reads; see {@link READ_NAMES}. */
  readonly headers: UpstreamHeaders;
  readonly framing: BodyFraming;
  /** Whether the connection serves further requests once the body has ended. */
  readonly keepsAlive: boolean;
}

/** The fields that are kept. All others are checked and passed over: providers send twenty that nobody here asks for. */
export const READ_NAMES = [
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'date',
  'keep-alive',
  'retry-after',
  'retry-after-ms',
  'transfer-encoding',
] as const;

const NAMES_BY_LENGTH: { readonly name: string; readonly bytes: Buffer }[][] = [];
for (const name of READ_NAMES) {
  NAMES_BY_LENGTH[name.length] ??= [];
  NAMES_BY_LENGTH[name.length]?.push({ name, bytes: Buffer.from(name) });
}

const VERSION_START = Buffer.from('HTTP/1.');
const STATUS_CODE_AT = VERSION_START.length + 2;
const STATUS_CODE_END = STATUS_CODE_AT + 3;
const LENGTH = /^\d{1,15}$/;
/** Lines of a head, status line included. */
const MAX_LINES = 256;
const CASE_BIT = 0x20;
const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const ZERO = 0x30;
const ONE = 0x31;
const COLON = 0x3a;
const DELETE = 0x7f;

/** 1 for the bytes that a field name consists of. */
const IN_NAME = new Uint8Array(256);
for (const byte of Buffer.from("!#$%&'*+-.^_`|~0123456789")) IN_NAME[byte] = 1;
for (const byte of Buffer.from('abcdefghijklmnopqrstuvwxyz')) IN_NAME[byte] = IN_NAME[byte - CASE_BIT] = 1;
/** 1 for the bytes that a field value may hold: no control characters but the tab; lines end nowhere else. */
const IN_VALUE = new Uint8Array(256).fill(1);
IN_VALUE.fill(0, 0, SPACE);
IN_VALUE[TAB] = 1;
IN_VALUE[DELETE] = 0;

const NO_BODY: BodyFraming = { kind: 'none' };
const CHUNKED: BodyFraming = { kind: 'chunked' };
const UNTIL_CLOSE: BodyFraming = { kind: 'until_close' };

type Fields = Record<string, string | string[] | undefined>;

/**
 * Reads the head of an answer, `bytes[start..end)`, without the empty line at its end, by RFC 9112. `undefined`: malformed.
 * Whatever two readers could understand differently is refused: both length headers, repeated or odd lengths, folded lines,
 * blanks before a colon, codings that we did not ask for.
 */
export function parseAnswerHead(bytes: Buffer, start: number, end: number): AnswerHead | undefined {
  const minor = (bytes[start + VERSION_START.length] ?? 0) - ZERO;
  const status = readStatus(bytes, start, end);
  let at = status === undefined ? -1 : skipReason(bytes, start + STATUS_CODE_END, end);
  if (status === undefined || at === -1) return undefined;
  const headers: Fields = {};
  for (let lines = 1; at < end; lines += 1) {
    if (lines >= MAX_LINES) return undefined;
    at = readField(bytes, at, end, headers);
    if (at === -1) return undefined;
  }
  const isCurrent = minor === 1;
  const framing = framingOf(status, headers, isCurrent);
  if (framing === undefined) return undefined;
  const keepsAlive = isCurrent && framing !== UNTIL_CLOSE && !closes(headers.connection);
  return { status, headers, framing, keepsAlive };
}

/** The code of a status line that begins as one of HTTP/1.0 or HTTP/1.1 does. */
function readStatus(bytes: Buffer, start: number, end: number): number | undefined {
  if (start + STATUS_CODE_END > end) return undefined;
  for (let index = 0; index < VERSION_START.length; index += 1)
    if (bytes[start + index] !== VERSION_START[index]) return undefined;
  const minor = bytes[start + VERSION_START.length];
  if ((minor !== ZERO && minor !== ONE) || bytes[start + STATUS_CODE_AT - 1] !== SPACE) return undefined;
  let status = 0;
  for (let at = start + STATUS_CODE_AT; at < start + STATUS_CODE_END; at += 1) {
    const digit = (bytes[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    status = status * 10 + digit;
  }
  return status >= 100 && status < 600 ? status : undefined;
}

/** The offset behind the status line, from that of its code's end; -1 when it is malformed. */
function skipReason(bytes: Buffer, from: number, end: number): number {
  let at = from;
  if (at < end && bytes[at] !== CR && bytes[at] !== SPACE) return -1;
  while (at < end && bytes[at] !== CR && bytes[at] !== LF && bytes[at] !== 0) at += 1;
  return lineEnd(bytes, at, end);
}

/** The offset behind the line end at `at`, or the end of the head; -1 when there is something else. */
function lineEnd(bytes: Buffer, at: number, end: number): number {
  if (at === end) return end;
  // A head does not end in a line end: that is part of the empty line behind it.
  return bytes[at] === CR && bytes[at + 1] === LF && at + 2 < end ? at + 2 : -1;
}

/** Reads one field line into `headers`; the offset behind it, -1 when it is malformed. */
function readField(bytes: Buffer, from: number, end: number, headers: Fields): number {
  let at = from;
  while (at < end && IN_NAME[bytes[at] ?? 0] === 1) at += 1;
  if (at === from || at >= end || bytes[at] !== COLON) return -1;
  const name = knownName(bytes, from, at);
  at += 1;
  while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at += 1;
  const valueStart = at;
  while (at < end && IN_VALUE[bytes[at] ?? 0] === 1) at += 1;
  if (name !== undefined) {
    let valueEnd = at;
    // Only blanks are cut off: what else looks like one to somebody stays, and spoils a coding or a length.
    while (valueEnd > valueStart && bytes[valueEnd - 1] === SPACE) valueEnd -= 1;
    note(headers, name, bytes.toString('latin1', valueStart, valueEnd));
  }
  return lineEnd(bytes, at, end);
}

function knownName(bytes: Buffer, start: number, end: number): string | undefined {
  const candidates = NAMES_BY_LENGTH[end - start];
  if (candidates === undefined) return undefined;
  for (const candidate of candidates) {
    let index = 0;
    while (
      index < candidate.bytes.length &&
      ((bytes[start + index] ?? 0) | CASE_BIT) === candidate.bytes[index]
    )
      index += 1;
    if (index === candidate.bytes.length) return candidate.name;
  }
  return undefined;
}

function note(headers: Fields, name: string, value: string): void {
  const before = headers[name];
  if (before === undefined) headers[name] = value;
  else if (typeof before === 'string') headers[name] = [before, value];
  else before.push(value);
}

function framingOf(status: number, headers: Fields, isCurrent: boolean): BodyFraming | undefined {
  const length = headers['content-length'];
  const coding = headers['transfer-encoding'];
  if (length !== undefined && (typeof length !== 'string' || !LENGTH.test(length))) return undefined;
  if (coding !== undefined) {
    const isChunked = typeof coding === 'string' && coding.toLowerCase() === 'chunked';
    if (!isChunked || length !== undefined || !isCurrent) return undefined;
  }
  if (status < 200 || status === 204 || status === 304) return NO_BODY;
  if (coding !== undefined) return CHUNKED;
  if (length === undefined) return UNTIL_CLOSE;
  const bytes = Number(length);
  return bytes === 0 ? NO_BODY : { kind: 'length', bytes };
}

function closes(connection: string | readonly string[] | undefined): boolean {
  if (connection === undefined) return false;
  const text = typeof connection === 'string' ? connection : connection.join(',');
  return text
    .toLowerCase()
    .split(',')
    .some((option) => option.trim() === 'close');
}
