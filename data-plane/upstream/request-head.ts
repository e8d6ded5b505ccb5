import type { UpstreamRequest } from './upstream-client.ts';

const MAX_KEPT_PATHS = 64;
/** Would end the line, or a part of the request line. */
const FORBIDDEN_IN_PATH = /[\0-\x20\x7f]/;
const FORBIDDEN_IN_HEADER = /[\0\r\n]/;

/** Heads by their list of headers (one per upstream) and path: everything but the length of the body. */
const keptHeads = new WeakMap<readonly string[], Map<string, string>>();

/** A request up to its body; `undefined` when its path or a header would break out of its line: it cannot be sent. */
export function encodeRequestHead({ origin, path, headers, body }: UpstreamRequest): string | undefined {
  let heads = keptHeads.get(headers);
  if (heads === undefined) {
    heads = new Map();
    keptHeads.set(headers, heads);
  }
  const key = `${origin}${path}`;
  let head = heads.get(key);
  if (head === undefined) {
    head = buildHead(origin, path, headers);
    if (head === undefined) return undefined;
    if (heads.size >= MAX_KEPT_PATHS) heads.clear();
    heads.set(key, head);
  }
  return `${head}${body.length}\r\n\r\n`;
}

function buildHead(origin: string, path: string, headers: readonly string[]): string | undefined {
  if (FORBIDDEN_IN_PATH.test(path)) return undefined;
  let head = `POST ${path} HTTP/1.1\r\nhost: ${new URL(origin).host}\r\nconnection: keep-alive\r\n`;
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? '';
    const value = headers[index + 1] ?? '';
    if (FORBIDDEN_IN_HEADER.test(name) || FORBIDDEN_IN_HEADER.test(value)) return undefined;
    head += `${name}: ${value}\r\n`;
  }
  return `${head}content-length: `;
}
