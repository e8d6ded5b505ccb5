/**
 * One pass over JSON bytes: checks the whole grammar, exactly as `JSON.parse` would, and reports where watched values lie.
 * No objects are built, so a megabyte costs about a millisecond and nothing can be lost or reordered.
 */
export const MAX_JSON_DEPTH = 512;

/** Kinds of JSON values, as small integers so that a scan allocates nothing. */
export const JSON_KINDS = {
  string: 1,
  number: 2,
  object: 3,
  array: 4,
  true: 5,
  false: 6,
  null: 7,
} as const;
export type JsonKind = (typeof JSON_KINDS)[keyof typeof JSON_KINDS];

/** What to look at inside a value: named fields if it is an object, every item if it is an array. */
export interface JsonWatch {
  readonly fields?: WatchedFields;
  readonly items?: WatchedValue;
}

/** A value to report under `slot`, and what to look at inside it. */
export interface WatchedValue {
  readonly slot: number;
  readonly within?: JsonWatch;
}

interface WatchedField extends WatchedValue {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Position among its siblings: one bit of the duplicate check. */
  readonly bit: number;
}

export interface WatchedFields {
  /** Candidates by the length of their name. */
  readonly byLength: readonly (readonly WatchedField[] | undefined)[];
  readonly byFoldedName: ReadonlyMap<string, WatchedField>;
}

/** Receives what a scan finds, innermost values first. It must not start another scan. */
export interface JsonSink {
  /** The bytes from `start` to `end` hold a watched value. */
  value(slot: number, kind: JsonKind, start: number, end: number): void;
  /**
   * A watched key came twice, or in a spelling that some parsers take for the watched one (`Model`). Whoever reads the
   * bytes next may pick another value than we did.
   */
  ambiguousKey(name: string, reason: 'duplicate' | 'spelling'): void;
}

const MAX_WATCHED_FIELDS = 32;

/** Compiles the fields to watch in an object. */
export function watchFields(fields: Readonly<Record<string, WatchedValue>>): WatchedFields {
  const byLength: WatchedField[][] = [];
  const byFoldedName = new Map<string, WatchedField>();
  for (const [name, watched] of Object.entries(fields)) {
    const field = { ...watched, name, bytes: Buffer.from(name), bit: 1 << byFoldedName.size };
    byFoldedName.set(foldKey(name), field);
    const sameLength = byLength[name.length] ?? [];
    sameLength.push(field);
    byLength[name.length] = sameLength;
  }
  if (byFoldedName.size > MAX_WATCHED_FIELDS) throw new Error('Too many watched fields for one object');
  return { byLength, byFoldedName };
}

/** Upper and lower case both, because folding parsers also take `ſ` for `s` and `K` (Kelvin) for `k`. */
function foldKey(key: string): string {
  return key.toUpperCase().toLowerCase();
}

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

/** State of the scan under way; one at a time, which a synchronous function guarantees. */
let input: Uint8Array = NOTHING;
let limit = 0;
let position = 0;
let sink: JsonSink;
/** Whether the string read last holds an escape. */
let sawEscape = false;

/** The text is JSON. */
export const SCAN_OK = -1;

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
  position = start;
  limit = end;
  sink = into;
  const valid = scanValue(watch, 0) !== 0;
  if (valid) skipWhitespace();
  const failure = valid && position === limit ? SCAN_OK : position;
  input = NOTHING;
  return failure;
}

function skipWhitespace(): void {
  const bytes = input;
  let at = position;
  while (at < limit) {
    const byte = bytes[at];
    if (byte !== SPACE && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
    at += 1;
  }
  position = at;
}

/** Scans one value and returns its kind, or 0 at an error, with `position` at the offending byte. */
function scanValue(watch: JsonWatch | undefined, depth: number): JsonKind | 0 {
  skipWhitespace();
  if (position >= limit) return 0;
  switch (input[position]) {
    case QUOTE:
      return scanString() ? JSON_KINDS.string : 0;
    case OPEN_BRACE:
      return depth < MAX_JSON_DEPTH && scanObject(watch?.fields, depth) ? JSON_KINDS.object : 0;
    case OPEN_BRACKET:
      return depth < MAX_JSON_DEPTH && scanArray(watch?.items, depth) ? JSON_KINDS.array : 0;
    case 0x74:
      return scanWord(WORD_TRUE) ? JSON_KINDS.true : 0;
    case 0x66:
      return scanWord(WORD_FALSE) ? JSON_KINDS.false : 0;
    case 0x6e:
      return scanWord(WORD_NULL) ? JSON_KINDS.null : 0;
    default:
      return scanNumber() ? JSON_KINDS.number : 0;
  }
}

function scanObject(fields: WatchedFields | undefined, depth: number): boolean {
  position += 1;
  skipWhitespace();
  if (position < limit && input[position] === CLOSE_BRACE) {
    position += 1;
    return true;
  }
  let seen = 0;
  for (;;) {
    if (position >= limit || input[position] !== QUOTE) return false;
    const keyStart = position + 1;
    if (!scanString()) return false;
    const field = fields === undefined ? undefined : findField(fields, keyStart, position - 1);
    if (field !== undefined) {
      if ((seen & field.bit) !== 0) sink.ambiguousKey(field.name, 'duplicate');
      seen |= field.bit;
    }
    skipWhitespace();
    if (position >= limit || input[position] !== COLON) return false;
    position += 1;
    skipWhitespace();
    const valueStart = position;
    const kind = scanValue(field?.within, depth + 1);
    if (kind === 0) return false;
    if (field !== undefined) sink.value(field.slot, kind, valueStart, position);
    skipWhitespace();
    if (position >= limit) return false;
    const next = input[position];
    if (next !== COMMA && next !== CLOSE_BRACE) return false;
    position += 1;
    if (next === CLOSE_BRACE) return true;
    skipWhitespace();
  }
}

function scanArray(items: WatchedValue | undefined, depth: number): boolean {
  position += 1;
  skipWhitespace();
  if (position < limit && input[position] === CLOSE_BRACKET) {
    position += 1;
    return true;
  }
  for (;;) {
    skipWhitespace();
    const valueStart = position;
    const kind = scanValue(items?.within, depth + 1);
    if (kind === 0) return false;
    if (items !== undefined) sink.value(items.slot, kind, valueStart, position);
    skipWhitespace();
    if (position >= limit) return false;
    const next = input[position];
    if (next !== COMMA && next !== CLOSE_BRACKET) return false;
    position += 1;
    if (next === CLOSE_BRACKET) return true;
  }
}

/** Scans a string whose opening quote is at `position`. */
function scanString(): boolean {
  const bytes = input;
  const end = limit;
  let at = position + 1;
  sawEscape = false;
  for (;;) {
    while (at < end && ENDS_PLAIN_RUN[bytes[at] ?? 0] === 0) at += 1;
    if (at >= end) {
      position = end;
      return false;
    }
    const byte = bytes[at];
    if (byte === QUOTE) {
      position = at + 1;
      return true;
    }
    const escapeKind = byte === BACKSLASH && at + 1 < end ? (ESCAPES[bytes[at + 1] ?? 0] ?? 0) : 0;
    if (escapeKind === 0 || (escapeKind === 2 && !hasFourHexDigits(at + 2))) {
      position = at;
      return false;
    }
    sawEscape = true;
    at += escapeKind === 2 ? 6 : 2;
  }
}

function hasFourHexDigits(at: number): boolean {
  if (at + 4 > limit) return false;
  for (let index = at; index < at + 4; index += 1) {
    if (HEX_DIGITS[input[index] ?? 0] === 0) return false;
  }
  return true;
}

function scanWord(word: Uint8Array): boolean {
  if (position + word.length > limit) return false;
  for (let index = 1; index < word.length; index += 1) {
    if (input[position + index] !== word[index]) return false;
  }
  position += word.length;
  return true;
}

function scanNumber(): boolean {
  if (input[position] === MINUS) position += 1;
  if (position >= limit) return false;
  if (input[position] === ZERO) position += 1;
  else if (!skipDigits()) return false;
  if (position < limit && input[position] === DOT) {
    position += 1;
    if (!skipDigits()) return false;
  }
  if (position < limit && ((input[position] ?? 0) | LOWER_CASE_BIT) === 0x65) {
    position += 1;
    if (position < limit && (input[position] === PLUS || input[position] === MINUS)) position += 1;
    if (!skipDigits()) return false;
  }
  return true;
}

/** Skips at least one digit; false when there is none. */
function skipDigits(): boolean {
  const start = position;
  while (position < limit) {
    const byte = input[position] ?? 0;
    if (byte < ZERO || byte > NINE) break;
    position += 1;
  }
  return position > start;
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
  const key = decodeJsonString(input, start - 1, end + 1);
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
export function decodeJsonString(bytes: Uint8Array, start: number, end: number): string {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
  if (view.includes(BACKSLASH)) {
    const text: unknown = JSON.parse(view.toString('utf8'));
    return typeof text === 'string' ? text : '';
  }
  return view.toString('utf8', 1, view.length - 1);
}
