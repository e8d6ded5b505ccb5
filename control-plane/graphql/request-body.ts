import type { Plugin } from 'graphql-yoga';
import { apiError } from './api-error.ts';

/** The deepest honest body, a thousand keys with aliases, has eight levels. */
const MAX_NESTING = 32;
/** Documents are short, long values belong into variables; and a name in a document may be repeated in many errors. */
const MAX_DOCUMENT_LENGTH = 100_000;
const MAX_NAME_LENGTH = 256;

/**
 * Reads the JSON body of a POST in place of Yoga's own reader, which takes any depth of nesting, texts that Postgres cannot
 * store and documents of any length.
 */
export const safeRequestBody: Plugin = {
  onRequestParse({ request, setRequestParser }) {
    if (request.method === 'POST') setRequestParser(async (posted) => parseBody(await posted.text()));
  },
  onParams({ params }) {
    const { query, operationName } = params;
    if (typeof query === 'string' && query.length > MAX_DOCUMENT_LENGTH) {
      const message = `A document has at most ${MAX_DOCUMENT_LENGTH} characters; put long values into variables.`;
      throw apiError('QUERY_TOO_COMPLEX', message, 400);
    }
    if (typeof operationName === 'string' && operationName.length > MAX_NAME_LENGTH)
      throw badRequest(`The name of an operation has at most ${MAX_NAME_LENGTH} characters.`);
  },
};

function parseBody(text: string): Record<string, unknown> {
  if (nestsDeeperThan(text, MAX_NESTING))
    throw badRequest(`A body may nest objects and lists at most ${MAX_NESTING} levels deep.`);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw badRequest('POST body sent invalid JSON.');
  }
  if (Array.isArray(body)) throw badRequest('Batching is not supported.');
  if (body === null || typeof body !== 'object')
    throw badRequest('POST body is expected to be a JSON object.');
  if (!isStorable(body)) {
    const message =
      'A text contains a character that cannot be stored: a NUL or one half of a surrogate pair.';
    throw apiError('BAD_USER_INPUT', message, 400);
  }
  return body as Record<string, unknown>;
}

function badRequest(message: string) {
  return apiError('BAD_REQUEST', message, 400);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Counts brackets outside of texts, so that no parser has to climb down first. */
function nestsDeeperThan(text: string, max: number): boolean {
  let depth = 0;
  let inText = false;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (inText) {
      if (unit === BACKSLASH) index += 1;
      else if (unit === QUOTE) inText = false;
    } else if (unit === QUOTE) inText = true;
    else if (unit === 0x5b || unit === 0x7b) {
      depth += 1;
      if (depth > max) return true;
    } else if (unit === 0x5d || unit === 0x7d) depth -= 1;
  }
  return false;
}

/** Goes no deeper than {@link MAX_NESTING}. */
function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0');
  if (value === null || typeof value !== 'object') return true;
  return Object.entries(value).every(([name, member]) => isStorable(name) && isStorable(member));
}
