import {
  foldKey,
  JSON_KINDS,
  type JsonKind,
  type JsonSink,
  type JsonWatch,
  type WatchedField,
  type WatchedFields,
  type WatchedValue,
} from './json-watch.ts';

/**
 * One pass over JSON bytes: checks the whole grammar, exactly as `JSON.parse` would, and reports where watched values lie.
 * No objects are built, so a megabyte costs about a millisecond and nothing can be lost or reordered.
 */
export const MAX_JSON_DEPTH = 512;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const LOWER_E = 0x65;
const LOWER_U = 0x75;
const LOWER_CASE_BIT = 0x20;
const FIRST_NON_ASCII = 0x80;
const SPACE = 0x20;

/** 1 for bytes that end a run of plain string bytes: the quote, the backslash and control characters. */
const ENDS_PLAIN_RUN = new Uint8Array(256);
ENDS_PLAIN_RUN.fill(1, 0, SPACE);
ENDS_PLAIN_RUN[QUOTE] = 1;
ENDS_PLAIN_RUN[BACKSLASH] = 1;

/** 1 for the letters that may follow a backslash, 2 for the `u` that needs four hex digits. */
const ESCAPES = new Uint8Array(256);
for (const letter of '"\\/bfnrt') ESCAPES[letter.charCodeAt(0)] = 1;
ESCAPES[LOWER_U] = 2;

const HEX_DIGITS = new Uint8Array(256);
for (const digit of '0123456789abcdefABCDEF') HEX_DIGITS[digit.charCodeAt(0)] = 1;

const WORD_TRUE = Buffer.from('true');
const WORD_FALSE = Buffer.from('false');
const WORD_NULL = Buffer.from('null');

const NOTHING = new Uint8Array(0);
const NO_WORDS = new Int32Array(0);
const WORD_BYTES = 4;
/** Texts from this size on are read in words. */
const WORDS_FROM_BYTES = 2_048;

/** State of the scan under way; one at a time, which a synchronous function guarantees. */
let input: Uint8Array = NOTHING;
let limit = 0;
let sink: JsonSink;
/** The same bytes four at a time, for long texts; empty for short ones, where making the view costs more than it saves. */
let words: Int32Array = NO_WORDS;
/** Whether the string read last holds an escape. */
let sawEscape = false;
/** Kind of the value read last. */
let lastKind: JsonKind = JSON_KINDS.null;
/** Where the scan failed. */
let failedAt = 0;

/** The text is JSON. */
export const SCAN_OK = -1;
const FAILED = -1;

/**
 * Scans `bytes` from `start` to `end` as one JSON text and tells `into` about watched values.
 * Returns {@link SCAN_OK}, or the offset of the first byte that cannot belong to JSON (or nests deeper than
 * {@link MAX_JSON_DEPTH}). UTF-8 inside strings is not checked: ask `isUtf8` first where that matters.
 */
export function scanJson(
  bytes: Uint8Array,
  start: number,
  end: number,
  watch: JsonWatch,
  into: JsonSink,
): number {
  input = bytes;
  limit = end;
  sink = into;
  const isAligned = bytes.byteOffset % WORD_BYTES === 0;
  words =
    isAligned && end - start >= WORDS_FROM_BYTES
      ? new Int32Array(bytes.buffer, bytes.byteOffset, Math.floor(end / WORD_BYTES))
      : NO_WORDS;
  const valueEnd = scanValue(skipWhitespace(start), watch, 0);
  const rest = valueEnd === FAILED ? failedAt : skipWhitespace(valueEnd);
  input = NOTHING;
  words = NO_WORDS;
  return valueEnd !== FAILED && rest === end ? SCAN_OK : rest;
}

/**
 * Every function below takes the offset where it starts and returns the offset behind what it read, or `FAILED` with
 * `failedAt` set. Offsets travel as arguments because locals are what V8 keeps in registers.
 */
function fail(at: number): typeof FAILED {
  failedAt = at;
  return FAILED;
}

function skipWhitespace(from: number): number {
  const bytes = input;
  const end = limit;
  let at = from;
  while (at < end) {
    const byte = bytes[at];
    if (byte !== SPACE && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
    at += 1;
  }
  return at;
}

function scanValue(at: number, watch: JsonWatch | undefined, depth: number): number {
  if (at >= limit) return fail(at);
  switch (input[at]) {
    case QUOTE: {
      const end = scanString(at);
      lastKind = JSON_KINDS.string;
      return end;
    }
    case OPEN_BRACE:
      return depth < MAX_JSON_DEPTH ? scanObject(at, watch?.fields, depth) : fail(at);
    case OPEN_BRACKET:
      return depth < MAX_JSON_DEPTH ? scanArray(at, watch?.items, depth) : fail(at);
    case 0x74:
      lastKind = JSON_KINDS.true;
      return scanWord(at, WORD_TRUE);
    case 0x66:
      lastKind = JSON_KINDS.false;
      return scanWord(at, WORD_FALSE);
    case 0x6e:
      lastKind = JSON_KINDS.null;
      return scanWord(at, WORD_NULL);
    default:
      lastKind = JSON_KINDS.number;
      return scanNumber(at);
  }
}

function scanObject(from: number, fields: WatchedFields | undefined, depth: number): number {
  const bytes = input;
  const end = limit;
  let seen = 0;
  let at = from + 1;
  if (at < end && (bytes[at] ?? 0) <= SPACE) at = skipWhitespace(at);
  if (at < end && bytes[at] === CLOSE_BRACE) {
    lastKind = JSON_KINDS.object;
    return at + 1;
  }
  for (;;) {
    if (at >= end || bytes[at] !== QUOTE) return fail(at);
    const keyStart = at + 1;
    at = scanString(at);
    if (at === FAILED) return FAILED;
    let field: WatchedField | undefined;
    if (fields !== undefined) {
      field = findField(fields, keyStart, at - 1);
      if (field !== undefined) {
        if ((seen & field.bit) !== 0) sink.ambiguousKey(field.name, 'duplicate');
        seen |= field.bit;
      }
    }
    if (at < end && (bytes[at] ?? 0) <= SPACE) at = skipWhitespace(at);
    if (at >= end || bytes[at] !== COLON) return fail(at);
    at += 1;
    if (at < end && (bytes[at] ?? 0) <= SPACE) at = skipWhitespace(at);
    const valueStart = at;
    at = scanValue(at, field?.within, depth + 1);
    if (at === FAILED) return FAILED;
    if (field !== undefined) sink.value(field.slot, lastKind, valueStart, at);
    if (at < end && (bytes[at] ?? 0) <= SPACE) at = skipWhitespace(at);
    if (at >= end) return fail(at);
    const next = bytes[at];
    if (next === CLOSE_BRACE) break;
    if (next !== COMMA) return fail(at);
    at += 1;
    if (at < end && (bytes[at] ?? 0) <= SPACE) at = skipWhitespace(at);
  }
  lastKind = JSON_KINDS.object;
  return at + 1;
}

function scanArray(from: number, items: WatchedValue | undefined, depth: number): number {
  const bytes = input;
  const end = limit;
  let at = skipWhitespace(from + 1);
  if (at < end && bytes[at] === CLOSE_BRACKET) {
    lastKind = JSON_KINDS.array;
    return at + 1;
  }
  for (;;) {
    at = skipWhitespace(at);
    const valueStart = at;
    at = scanValue(at, items?.within, depth + 1);
    if (at === FAILED) return FAILED;
    if (items !== undefined) sink.value(items.slot, lastKind, valueStart, at);
    at = skipWhitespace(at);
    if (at >= end) return fail(at);
    const next = bytes[at];
    if (next === CLOSE_BRACKET) break;
    if (next !== COMMA) return fail(at);
    at += 1;
  }
  lastKind = JSON_KINDS.array;
  return at + 1;
}

/** Scans a string from its opening quote. */
function scanString(from: number): number {
  const bytes = input;
  const end = limit;
  let at = from + 1;
  sawEscape = false;
  for (;;) {
    if (words.length > 0) at = skipPlainWords(at);
    while (at < end && ENDS_PLAIN_RUN[bytes[at] ?? 0] === 0) at += 1;
    if (at >= end) return fail(end);
    const byte = bytes[at];
    if (byte === QUOTE) return at + 1;
    const escapeKind = byte === BACKSLASH && at + 1 < end ? ESCAPES[bytes[at + 1] ?? 0] : 0;
    if (escapeKind === 0 || (escapeKind === 2 && !hasFourHexDigits(at + 2))) return fail(at);
    sawEscape = true;
    at += escapeKind === 2 ? 6 : 2;
  }
}

/**
 * Skips words of plain string bytes; stops at or before the first byte that ends the run. Four words are judged at once:
 * the strings that are long enough for words are texts and pictures of thousands of bytes.
 */
function skipPlainWords(from: number): number {
  const bytes = input;
  let at = from;
  while ((at & (WORD_BYTES - 1)) !== 0) {
    if (at >= limit || ENDS_PLAIN_RUN[bytes[at] ?? 0] !== 0) return at;
    at += 1;
  }
  const all = words;
  let index = at >> 2;
  const last = all.length - 3;
  while (index < last) {
    const ends =
      endsOfRun(all[index] ?? 0) |
      endsOfRun(all[index + 1] ?? 0) |
      endsOfRun(all[index + 2] ?? 0) |
      endsOfRun(all[index + 3] ?? 0);
    if ((ends & 0x80808080) !== 0) break;
    index += 4;
  }
  while (index < all.length && (endsOfRun(all[index] ?? 0) & 0x80808080) === 0) index += 1;
  return Math.max(at, index << 2);
}

/**
 * A zero byte makes the bit trick `(x - 0x01) & ~x & 0x80` light up: once for the quote, once for the backslash, once for
 * everything below a space.
 */
function endsOfRun(word: number): number {
  const quotes = word ^ 0x22222222;
  const backslashes = word ^ 0x5c5c5c5c;
  return (
    ((quotes - 0x01010101) & ~quotes) |
    ((backslashes - 0x01010101) & ~backslashes) |
    ((word - 0x20202020) & ~word)
  );
}

/** Scans one JSON string from its opening quote; the offset behind its closing quote, or -1 when it is none. */
export function scanJsonString(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start] !== QUOTE) return FAILED;
  input = bytes;
  limit = end;
  const stringEnd = scanString(start);
  input = NOTHING;
  return stringEnd;
}

function hasFourHexDigits(at: number): boolean {
  if (at + 4 > limit) return false;
  for (let index = at; index < at + 4; index += 1) {
    if (HEX_DIGITS[input[index] ?? 0] === 0) return false;
  }
  return true;
}

function scanWord(at: number, word: Uint8Array): number {
  const end = at + word.length;
  if (end > limit) return fail(at);
  for (let index = 1; index < word.length; index += 1) {
    if (input[at + index] !== word[index]) return fail(at);
  }
  return end;
}

function scanNumber(from: number): number {
  const bytes = input;
  let at = bytes[from] === MINUS ? from + 1 : from;
  const digits = at;
  at = skipDigits(at);
  if (at === digits) return fail(at);
  if (bytes[digits] === ZERO && at > digits + 1) return fail(digits + 1);
  if (at < limit && bytes[at] === DOT) {
    const fraction = at + 1;
    at = skipDigits(fraction);
    if (at === fraction) return fail(at);
  }
  if (at < limit && ((bytes[at] ?? 0) | LOWER_CASE_BIT) === LOWER_E) {
    at += 1;
    if (at < limit && (bytes[at] === PLUS || bytes[at] === MINUS)) at += 1;
    const exponent = at;
    at = skipDigits(exponent);
    if (at === exponent) return fail(at);
  }
  return at;
}

function skipDigits(from: number): number {
  const bytes = input;
  let at = from;
  while (at < limit) {
    const byte = bytes[at] ?? 0;
    if (byte < ZERO || byte > NINE) break;
    at += 1;
  }
  return at;
}

/** The watched field that the key between `start` and `end` names. Reports a spelling that only looks like one. */
function findField(fields: WatchedFields, start: number, end: number): WatchedField | undefined {
  if (sawEscape) return findDecodedField(fields, start, end);
  const candidates = fields.byLength[end - start];
  if (candidates !== undefined) {
    for (let index = 0; index < candidates.length; index += 1) {
      const candidate = candidates[index];
      if (candidate !== undefined && equalsIgnoringCase(candidate.bytes, start)) {
        return equals(candidate.bytes, start) ? candidate : findDecodedField(fields, start, end);
      }
    }
  }
  for (let at = start; at < end; at += 1) {
    if ((input[at] ?? 0) >= FIRST_NON_ASCII) return findDecodedField(fields, start, end);
  }
  return undefined;
}

function findDecodedField(fields: WatchedFields, start: number, end: number): WatchedField | undefined {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  const key = decodeJsonString(bytes, start - 1, end + 1);
  const field = fields.byFoldedName.get(foldKey(key));
  if (field === undefined || field.name === key) return field;
  sink.ambiguousKey(key, 'spelling');
  return undefined;
}

function equals(name: Uint8Array, at: number): boolean {
  for (let index = 0; index < name.length; index += 1) {
    if (input[at + index] !== name[index]) return false;
  }
  return true;
}

function equalsIgnoringCase(name: Uint8Array, at: number): boolean {
  for (let index = 0; index < name.length; index += 1) {
    if (((input[at + index] ?? 0) | LOWER_CASE_BIT) !== ((name[index] ?? 0) | LOWER_CASE_BIT)) return false;
  }
  return true;
}

/** The text of the JSON string whose quotes are at `start` and `end - 1`, as a scan has found it. */
export function decodeJsonString(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('utf8', start + 1, end - 1);
  if (!text.includes('\\')) return text;
  const decoded: unknown = JSON.parse(`"${text}"`);
  return typeof decoded === 'string' ? decoded : '';
}
