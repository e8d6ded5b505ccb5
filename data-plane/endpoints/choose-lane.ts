import type { ClientDialect, WatchedRequest } from '#data-plane/dialects/client-dialect.ts';
import type { ProviderTarget } from '#data-plane/dialects/codec.ts';
import { formatDataUrl } from '#data-plane/dialects/data-url.ts';
import { type InlineMedia, withInlineMedia } from '#data-plane/dialects/inline-media.ts';
import { providerCodecs } from '#data-plane/dialects/provider-codecs.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { RequestIntake } from '#data-plane/http/request-intake.ts';
import { jsonName } from '#data-plane/json/json-name.ts';
import { type Splice, spliceBytes } from '#data-plane/json/splice-json.ts';
import { ForwardLane } from '#data-plane/lanes/forward-lane.ts';
import type { AnswerLane } from '#data-plane/lanes/lane.ts';
import { TranslateLane } from '#data-plane/lanes/translate-lane.ts';
import type { CompiledModel, CompiledRoute } from '#data-plane/snapshot/compiled-snapshot.ts';
import { providerHeaders } from '#data-plane/upstream/provider-headers.ts';
import type { UpstreamRequest } from '#data-plane/upstream/upstream-client.ts';
import { type Fault, isFault } from '#shared/fault.ts';
import { uuidHex, uuidTimeMs } from '#shared/identifiers.ts';
import type { Dialect } from '#shared/usage-record.ts';
import type { Exchange } from './exchange.ts';
import { parseBody, type RequestBody } from './request-body.ts';

const MS_PER_SECOND = 1_000;

export interface LaneRequest {
  readonly exchange: Exchange;
  readonly dialect: ClientDialect;
  readonly route: CompiledRoute;
  readonly body: RequestBody;
  readonly request: WatchedRequest;
  readonly model: CompiledModel;
  /** Bytes to send in the place of URLs that this upstream does not take. */
  readonly media: ReadonlyMap<string, InlineMedia>;
}

/** What is sent to one provider and how its answer comes back. */
export interface LaneChoice {
  readonly kind: 'forward' | 'translate';
  readonly lane: AnswerLane;
  readonly request: UpstreamRequest;
  /** Request fields that have no effect at this provider. */
  readonly dropped: readonly string[];
}

/** The lane where the provider speaks the client's dialect; only there its bytes can be sent as they are. */
export function isForwarded(dialect: ClientDialect, route: CompiledRoute): boolean {
  return route.upstream.protocol === dialect.forwardProtocol;
}

/** What to send to the provider of a route, or why that cannot be said in its protocol. */
export function chooseLane(asked: LaneRequest): LaneChoice | Fault {
  const { dialect, body, route } = asked;
  if (!isForwarded(dialect, route)) return translate(asked);
  const { bytes } = body;
  const { vendor } = route.upstream;
  const cleaned = dialect.mayHoldForeignState(bytes, vendor, asked.request)
    ? dialect.withoutForeignState(parseBody(bytes), vendor)
    : undefined;
  if (cleaned === undefined) return forward(asked, asked.request, bytes, []);
  const cleanedBytes = Buffer.from(JSON.stringify(cleaned.body));
  const request = dialect.readRequest(cleanedBytes);
  return isFault(request) ? request : forward(asked, request, cleanedBytes, cleaned.dropped);
}

/** `bytes` under the provider's names, and without the URLs that this provider is known not to take. */
function forward(
  asked: LaneRequest,
  request: WatchedRequest,
  bytes: Buffer,
  dropped: readonly string[],
): LaneChoice | Fault {
  const { dialect, media } = asked;
  if (media.size === 0) return forwardBytes(asked, request, bytes, dropped);
  const splices = request.mediaUrls.flatMap(({ url, start, end }): Splice[] => {
    const inline = media.get(url);
    if (inline === undefined) return [];
    return [{ start, end, bytes: Buffer.from(`"${formatDataUrl(inline.mediaType, inline.base64)}"`) }];
  });
  const spliced = spliceBytes(bytes, splices);
  const splicedRequest = dialect.readRequest(spliced);
  return isFault(splicedRequest) ? splicedRequest : forwardBytes(asked, splicedRequest, spliced, dropped);
}

function forwardBytes(
  { exchange, dialect, route, model }: LaneRequest,
  request: WatchedRequest,
  bytes: Buffer,
  dropped: readonly string[],
): LaneChoice {
  const { upstream, providerModel } = route;
  return {
    kind: 'forward',
    lane: new ForwardLane({
      dialect: dialect.forward,
      hidesUsageChunk: dialect.hidesUsageChunk(request),
      modelName: jsonName(model.config.id),
      requestId: exchange.publicId,
    }),
    request: {
      origin: upstream.origin,
      path: `${upstream.basePath}${dialect.forwardPath}${queryOf(exchange.intake)}`,
      headers: forwardHeaders(providerHeaders(upstream, request.stream), dialect.name, exchange.intake),
      body: dialect.forwardBody(bytes, request, providerModel),
    },
    dropped,
  };
}

function translate({
  exchange,
  dialect,
  route,
  body,
  request,
  model,
  media,
}: LaneRequest): LaneChoice | Fault {
  const understood = body.understand();
  if (isFault(understood)) return understood;
  const { upstream } = route;
  const provider = providerCodecs[upstream.protocol];
  const turn = media.size === 0 ? understood.turn : withInlineMedia(understood.turn, media);
  const encoded = provider.encodeRequest(turn, targetOf(model, route));
  if (isFault(encoded)) return encoded;
  return {
    kind: 'translate',
    lane: new TranslateLane({
      client: dialect.codec,
      provider,
      answer: {
        idSeed: uuidHex(exchange.requestId),
        model: model.config.id,
        createdAt: Math.floor(uuidTimeMs(exchange.requestId) / MS_PER_SECOND),
        body: withoutConversation(understood.json),
      },
      issuer: upstream.vendor,
      encodeStreamFault: (refusal) => dialect.forward.encodeStreamFault(refusal, exchange.publicId),
    }),
    request: {
      origin: upstream.origin,
      path: `${upstream.basePath}${encoded.path}`,
      headers: [...providerHeaders(upstream, request.stream), ...encoded.headers],
      body: Buffer.from(JSON.stringify(encoded.body)),
    },
    dropped: [...encoded.dropped, ...droppedHeaders(dialect.name, exchange.intake)],
  };
}

/** What an answer may echo of its request: the conversation, by far the most of it, is not kept while it streams. */
function withoutConversation({ messages: _, input: __, ...rest }: JsonObject): JsonObject {
  return rest;
}

/** Betas of another provider's API mean nothing here. */
function droppedHeaders(dialect: Dialect, intake: RequestIntake): readonly string[] {
  return dialect === 'messages' && intake.forProvider.anthropicBeta !== '' ? ['anthropic-beta'] : [];
}

/** What the provider of a route must be told of the model. */
export function targetOf(model: CompiledModel, route: CompiledRoute): ProviderTarget {
  const { capabilities, maxOutputTokens } = model.config;
  const { reasoning, temperature, json } = capabilities;
  return {
    providerModel: route.providerModel,
    vendor: route.upstream.vendor,
    maxOutputTokens: maxOutputTokens ?? undefined,
    capabilities: {
      reasoningEfforts: reasoning?.effort,
      thinkingBudget: reasoning?.budget_tokens !== undefined,
      reasoning: reasoning !== undefined,
      ...(temperature === null ? {} : { temperature }),
      ...(json === null ? {} : { structuredOutput: json }),
    },
  };
}

const DEFAULT_ANTHROPIC_VERSION = '2023-06-01';

function forwardHeaders(ours: readonly string[], dialect: Dialect, intake: RequestIntake): readonly string[] {
  const theirs = dialectHeaders(dialect, intake);
  return theirs.length === 0 ? ours : [...ours, ...theirs];
}

/**
 * Headers of the client that belong to its dialect and choose what its provider does. Nothing else of it is passed on: the
 * account that it may name is not the one that is asked.
 */
export function dialectHeaders(dialect: Dialect, intake: RequestIntake): string[] {
  if (dialect !== 'messages')
    return intake.forProvider.openaiBeta === '' ? [] : ['openai-beta', intake.forProvider.openaiBeta];
  const headers = ['anthropic-version', intake.forProvider.anthropicVersion || DEFAULT_ANTHROPIC_VERSION];
  if (intake.forProvider.anthropicBeta !== '')
    headers.push('anthropic-beta', intake.forProvider.anthropicBeta);
  return headers;
}

function queryOf(intake: RequestIntake): string {
  return intake.query ? `?${intake.query}` : '';
}
