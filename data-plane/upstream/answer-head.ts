import type { UpstreamHeaders } from './upstream-client.ts';

/** How the body behind a head is framed. */
export type BodyFraming =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'until_close' };

export interface AnswerHead {
  readonly status: number;
  readonly headers: UpstreamHeaders;
  readonly framing: BodyFraming;
  /** Whether the connection serves further requests once the body has ended. */
  readonly keepsAlive: boolean;
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [^\0\r\n]*)?$/;
const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const LENGTH = /^\d{1,15}$/;
/** Control characters, which no field value may hold but for the tab; lines end nowhere else. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
const FORBIDDEN_IN_VALUE = /[\0-\x08\x0a-\x1f\x7f]/;
/** Only blanks are cut off: what else looks like one to somebody stays, and spoils a coding or a length. */
const AROUND_VALUE = /^[ \t]+| +$/g;
const MAX_FIELDS = 256;

/**
 * Reads the head of an answer, without the empty line at its end, by RFC 9112. `undefined`: malformed. Whatever two readers
 * could understand differently is refused: both length headers, repeated or odd lengths, folded lines, blanks before a
 * colon, codings that we did not ask for.
 */
export function parseAnswerHead(text: string): AnswerHead | undefined {
  const lines = text.split('\r\n');
  const status = STATUS_LINE.exec(lines[0] ?? '');
  if (status === null || lines.length > MAX_FIELDS) return undefined;
  const headers = parseFields(lines);
  if (headers === undefined) return undefined;
  const code = Number(status[2]);
  const isCurrent = status[1] === '1';
  const framing = framingOf(code, headers, isCurrent);
  if (framing === undefined) return undefined;
  const keepsAlive = isCurrent && framing.kind !== 'until_close' && !closes(headers.connection);
  return { status: code, headers, framing, keepsAlive };
}

function parseFields(lines: readonly string[]): Record<string, string | string[]> | undefined {
  const headers: Record<string, string | string[]> = Object.create(null);
  for (let index = 1; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    const colon = line.indexOf(':');
    const name = line.slice(0, colon === -1 ? 0 : colon).toLowerCase();
    const value = line.slice(colon + 1).replace(AROUND_VALUE, '');
    if (!FIELD_NAME.test(name) || FORBIDDEN_IN_VALUE.test(value)) return undefined;
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (typeof before === 'string') headers[name] = [before, value];
    else before.push(value);
  }
  return headers;
}

function framingOf(status: number, headers: UpstreamHeaders, isCurrent: boolean): BodyFraming | undefined {
  const length = headers['content-length'];
  const coding = headers['transfer-encoding'];
  if (length !== undefined && (typeof length !== 'string' || !LENGTH.test(length))) return undefined;
  if (coding !== undefined) {
    const isChunked = typeof coding === 'string' && coding.toLowerCase() === 'chunked';
    if (!isChunked || length !== undefined || !isCurrent) return undefined;
  }
  if (status < 200 || status === 204 || status === 304) return { kind: 'none' };
  if (coding !== undefined) return { kind: 'chunked' };
  if (length === undefined) return { kind: 'until_close' };
  const bytes = Number(length);
  return bytes === 0 ? { kind: 'none' } : { kind: 'length', bytes };
}

function closes(connection: string | readonly string[] | undefined): boolean {
  if (connection === undefined) return false;
  const text = typeof connection === 'string' ? connection : connection.join(',');
  return text
    .toLowerCase()
    .split(',')
    .some((option) => option.trim() === 'close');
}
