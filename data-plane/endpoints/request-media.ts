import type { ClientDialect, WatchedRequest } from '#data-plane/dialects/client-dialect.ts';
import { type InlineMedia, remoteMedia } from '#data-plane/dialects/inline-media.ts';
import { providerCodecs } from '#data-plane/dialects/provider-codecs.ts';
import type { Gateway } from '#data-plane/gateway.ts';
import type { WantedMedia } from '#data-plane/media/media-guard.ts';
import type { CompiledUpstream } from '#data-plane/snapshot/compiled-snapshot.ts';
import { type Fault, isFault } from '#shared/fault.ts';
import type { Exchange } from './exchange.ts';
import type { RequestBody } from './request-body.ts';

export const NO_MEDIA: ReadonlyMap<string, InlineMedia> = new Map();

/** Judges the URLs of a request, whoever is going to fetch them. Costs nothing where there are none. */
export async function judgeMedia(
  gateway: Gateway,
  exchange: Exchange,
  request: WatchedRequest,
): Promise<Fault | undefined> {
  if (request.mediaUrls.length === 0) return undefined;
  return gateway.media.judge(request.mediaUrls, departureOf(exchange));
}

/** What stands behind the URLs that this upstream does not take, by URL; empty when it takes them all. */
export async function fetchMedia(
  gateway: Gateway,
  exchange: Exchange,
  asked: {
    readonly dialect: ClientDialect;
    readonly upstream: CompiledUpstream;
    readonly request: WatchedRequest;
    readonly body: RequestBody;
  },
): Promise<ReadonlyMap<string, InlineMedia> | Fault> {
  if (asked.request.mediaUrls.length === 0) return NO_MEDIA;
  const codec = providerCodecs[asked.upstream.protocol];
  const mentioned = mentionedMedia(asked);
  if (isFault(mentioned)) return mentioned;
  const wanted = mentioned.filter(({ media, url }) => !codec.readsUrl(media, url, asked.upstream.vendor));
  return wanted.length === 0 ? NO_MEDIA : gateway.media.fetchAll(wanted, departureOf(exchange));
}

/** Each URL once, with what is behind it: said by the field where the bytes are forwarded, by the turn elsewhere. */
function mentionedMedia({
  dialect,
  upstream,
  request,
  body,
}: Parameters<typeof fetchMedia>[2]): WantedMedia[] | Fault {
  const wanted = new Map<string, WantedMedia>();
  if (upstream.protocol === dialect.forwardProtocol) {
    for (const { param, url, media } of request.mediaUrls)
      if (media !== undefined && !wanted.has(url)) wanted.set(url, { param, url, media });
    return [...wanted.values()];
  }
  const understood = body.understand();
  if (isFault(understood)) return understood;
  const params = new Map(request.mediaUrls.map(({ url, param }) => [url, param]));
  for (const { media, source } of remoteMedia(understood.turn)) {
    if (source.kind !== 'url' || wanted.has(source.url)) continue;
    const param = params.get(source.url);
    if (param !== undefined) wanted.set(source.url, { param, url: source.url, media });
  }
  return [...wanted.values()];
}

/** Aborts when the client goes. Replaces whoever listened for that before. */
export function departureOf({ writer }: Exchange): AbortSignal {
  const departure = new AbortController();
  if (writer.aborted) departure.abort();
  else writer.onAborted = () => departure.abort();
  return departure.signal;
}
