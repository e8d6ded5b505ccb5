import { JSON_KINDS, type JsonKind } from '#data-plane/json/json-watch.ts';
import { decodeJsonString } from '#data-plane/json/scan-json.ts';

import type { MediaKind } from './turn.ts';

/** A URL in a request that somebody is to fetch. */
export interface MediaUrl {
  /** The client's name of its field, e.g. `messages[0].content[1].image_url.url`. */
  readonly param: string;
  readonly url: string;
  /** What is behind it, where the field alone tells and takes a data URL as well. */
  readonly media?: MediaKind;
  /** Where its JSON string lies in the body, quotes included. */
  readonly start: number;
  readonly end: number;
}

const DATA_SCHEME = Buffer.from('data:');
const LOWER_CASE_BIT = 0x20;
/** So many characters tell base64 from a URL: a URL has a colon or a dot by then. */
const TELLING_CHARACTERS = 64;
const BASE64 = /^[A-Za-z0-9+/=_-]+$/;
const NONE: readonly MediaUrl[] = [];

/** Gathers the URLs of one request while its bytes are scanned. Data URLs and bare base64 lead nowhere and are left out. */
export class MediaUrls {
  #bytes: Buffer = Buffer.alloc(0);
  #found: MediaUrl[] | undefined;

  get found(): readonly MediaUrl[] {
    return this.#found ?? NONE;
  }

  reset(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#found = undefined;
  }

  /**
   * Whether the JSON value there is a text that somebody may fetch: {@link add} it then. Fields for `data` hold base64 as a
   * rule; where a URL is due, only a text that is long enough to be a picture passes for it.
   */
  isUrl(kind: JsonKind, start: number, end: number, field: 'url' | 'data' = 'url'): boolean {
    if (kind !== JSON_KINDS.string || end - start <= 2) return false;
    const bytes = this.#bytes;
    for (let index = 0; index < DATA_SCHEME.length; index += 1) {
      if (((bytes[start + 1 + index] ?? 0) | LOWER_CASE_BIT) !== ((DATA_SCHEME[index] ?? 0) | LOWER_CASE_BIT))
        return !this.#isBase64(start + 1, end - 1, field === 'data' ? 1 : TELLING_CHARACTERS);
    }
    return false;
  }

  add(param: string, start: number, end: number, media?: MediaKind): void {
    const url = decodeJsonString(this.#bytes, start, end);
    // The scheme may have been written with escapes, or behind blanks that readers of URLs skip.
    if (/^\s*data:/i.test(url.slice(0, TELLING_CHARACTERS))) return;
    this.#found ??= [];
    this.#found.push({ param, url, start, end, ...(media === undefined ? {} : { media }) });
  }

  #isBase64(start: number, end: number, leastCharacters: number): boolean {
    if (end - start < leastCharacters) return false;
    return BASE64.test(this.#bytes.toString('latin1', start, Math.min(end, start + TELLING_CHARACTERS)));
  }
}
