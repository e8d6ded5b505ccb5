import type { InlineMedia } from '#data-plane/dialects/inline-media.ts';
import type { MediaUrl } from '#data-plane/dialects/media-url.ts';
import type { MediaKind } from '#data-plane/dialects/turn.ts';
import { type Fault, fault, isFault } from '#shared/fault.ts';
import type { FetchRefusal, FetchRefusalReason, GuardedFetcher } from '#shared/guarded-fetch.ts';
import { mediaTypeOf, SUPPORTED_TYPES } from './media-type.ts';
import { Turnstile } from './turnstile.ts';

/** A URL that a provider does not take, so that its bytes are sent instead. */
export interface WantedMedia extends Pick<MediaUrl, 'param' | 'url'> {
  readonly media: MediaKind;
}

export interface MediaGuardOptions {
  readonly fetcher: GuardedFetcher;
  /** Of the media of one request together; every one of them is held in memory while the request is sent. */
  readonly maxRequestBytes: number;
}

/** Fetches at once in one process, whatever the number of requests. */
const MAX_FETCHES = 64;
/** Fetches at once for one request. */
const MAX_FETCHES_PER_REQUEST = 6;
const MAX_URLS_PER_REQUEST = 100;
/** For all media of one request together; each has its fetcher's own, shorter deadline besides. */
const REQUEST_DEADLINE_MS = 15_000;

const REFUSALS: Readonly<Record<FetchRefusalReason, string>> = {
  malformed_url: 'must be a valid https URL or a data URL.',
  scheme_not_allowed: 'must be an https URL or a data URL.',
  credentials_in_url: 'must not hold a user name or a password.',
  port_not_allowed: 'must not name another port than 443 or 8443.',
  address_not_public: 'must lead to a public address.',
  name_not_found: 'names a host that cannot be found.',
  too_many_redirects: 'cannot be fetched: it redirects too often.',
  connection_failed: 'cannot be fetched: the connection failed.',
  timed_out: 'cannot be fetched: its server is too slow.',
  too_large:
    'cannot be fetched: it is too large (20 MB at most, together with the other media of the request).',
  error_status: 'cannot be fetched: its server answers with an error.',
  malformed_answer: 'cannot be fetched: its server sends it compressed.',
  aborted: 'cannot be fetched.',
};

/**
 * Stands between a client's URLs and whoever fetches them. What a provider fetches itself is judged; what it does not take by
 * URL is fetched here. A refusal is the client's mistake and names the field.
 */
export class MediaGuard {
  readonly #fetcher: GuardedFetcher;
  readonly #maxRequestBytes: number;
  readonly #turnstile = new Turnstile(MAX_FETCHES);

  constructor({ fetcher, maxRequestBytes }: MediaGuardOptions) {
    this.#fetcher = fetcher;
    this.#maxRequestBytes = maxRequestBytes;
  }

  /** Judges every URL of a request, whoever fetches it. */
  async judge(urls: readonly MediaUrl[], signal: AbortSignal): Promise<Fault | undefined> {
    const distinct = [...new Map(urls.map((url) => [url.url, url])).values()];
    const verdicts = await mapInOrder(distinct, MAX_FETCHES_PER_REQUEST, async ({ url, param }) => {
      const refused = await this.#fetcher.judge(url, signal);
      return refused === undefined ? undefined : refusalFault(param, refused);
    });
    return verdicts.find((verdict) => verdict !== undefined);
  }

  /** Fetches what a provider does not take by URL; the first that is refused ends all. */
  async fetchAll(
    wanted: readonly WantedMedia[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, InlineMedia> | Fault> {
    const [first] = wanted;
    if (first !== undefined && wanted.length > MAX_URLS_PER_REQUEST) {
      const rule = `is one of ${wanted.length} URLs; at most ${MAX_URLS_PER_REQUEST} are fetched for one request.`;
      return fault('invalid_request', `'${first.param}' ${rule}`, { param: first.param });
    }
    const leaving = new AbortController();
    const deadline = AbortSignal.timeout(REQUEST_DEADLINE_MS);
    const either = AbortSignal.any([signal, leaving.signal, deadline]);
    let bytesLeft = this.#maxRequestBytes;
    const found = new Map<string, InlineMedia>();
    let refused: Fault | undefined;
    await mapInOrder(wanted, MAX_FETCHES_PER_REQUEST, async (one) => {
      const media = await this.#fetchOne(one, bytesLeft, either);
      // What is given up once another was refused, or the client has gone, is nobody's mistake.
      if (either.aborted) return;
      if (isFault(media)) refused = media;
      else {
        bytesLeft -= media.bytes;
        found.set(one.url, media);
        if (bytesLeft < 0)
          refused = refusalFault(one.param, { kind: 'refused', reason: 'too_large', redirects: 0 });
      }
      if (refused !== undefined) leaving.abort();
    });
    const missing = deadline.aborted ? wanted.find(({ url }) => !found.has(url)) : undefined;
    if (missing !== undefined)
      refused ??= refusalFault(missing.param, { kind: 'refused', reason: 'timed_out', redirects: 0 });
    return refused ?? found;
  }

  async #fetchOne(
    { url, param, media }: WantedMedia,
    maxBodyBytes: number,
    signal: AbortSignal,
  ): Promise<(InlineMedia & { readonly bytes: number }) | Fault> {
    const answer = await this.#turnstile.pass(() => this.#fetcher.get(url, { maxBodyBytes, signal }));
    if (answer.kind === 'refused') return refusalFault(param, answer);
    const mediaType = mediaTypeOf(media, answer.body, answer.contentType);
    if (mediaType === undefined)
      return fault('invalid_request', `'${param}' does not lead to ${SUPPORTED_TYPES[media]}.`, { param });
    return { mediaType, base64: answer.body.toString('base64'), bytes: answer.body.length };
  }
}

function refusalFault(param: string, { reason, redirects, status }: FetchRefusal): Fault {
  const after = redirects > 0 ? 'leads elsewhere, and what it leads to ' : '';
  const shown = status === undefined ? '' : ` (status ${status})`;
  return fault('invalid_request', `'${param}' ${after}${REFUSALS[reason].replace(/\.$/, '')}${shown}.`, {
    param,
  });
}

/** Runs `work` for all items, at most `limit` at once; results in the order of the items. */
async function mapInOrder<Item, Result>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const turnstile = new Turnstile(limit);
  return Promise.all(items.map((item) => turnstile.pass(() => work(item))));
}
