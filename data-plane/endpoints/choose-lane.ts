import type { ClientDialect, WatchedRequest } from '#data-plane/dialects/client-dialect.ts';
import type { JsonObject, ProviderTarget } from '#data-plane/dialects/codec.ts';
import { providerCodecs } from '#data-plane/dialects/provider-codecs.ts';
import type { TurnRequest } from '#data-plane/dialects/turn.ts';
import type { RequestIntake } from '#data-plane/http/request-intake.ts';
import { jsonName } from '#data-plane/json/json-name.ts';
import { ForwardLane } from '#data-plane/lanes/forward-lane.ts';
import type { AnswerLane } from '#data-plane/lanes/lane.ts';
import { TranslateLane } from '#data-plane/lanes/translate-lane.ts';
import type { CompiledModel, CompiledRoute } from '#data-plane/snapshot/compiled-snapshot.ts';
import { providerHeaders } from '#data-plane/upstream/provider-headers.ts';
import type { UpstreamRequest } from '#data-plane/upstream/upstream-client.ts';
import { type Fault, isFault } from '#shared/fault.ts';
import { uuidTimeMs } from '#shared/identifiers.ts';
import type { Dialect } from '#shared/usage-record.ts';
import type { Exchange } from './exchange.ts';

const MS_PER_SECOND = 1_000;

interface UnderstoodBody {
  readonly json: JsonObject;
  readonly turn: TurnRequest;
}

/** A request as it came, and its meaning once a route needs that: a fallback of another protocol is rarely reached. */
export class RequestBody {
  readonly #dialect: ClientDialect;
  #bytes: Buffer;
  #understood: UnderstoodBody | Fault | undefined;

  constructor(dialect: ClientDialect, bytes: Buffer) {
    this.#dialect = dialect;
    this.#bytes = bytes;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** The byte scanner has already found the body to be a JSON object. */
  understand(): UnderstoodBody | Fault {
    this.#understood ??= this.#decode();
    return this.#understood;
  }

  /** Gives back the memory, once no other provider will be asked. */
  forget(): void {
    this.#bytes = FORGOTTEN;
    this.#understood = undefined;
  }

  #decode(): UnderstoodBody | Fault {
    const json = parseBody(this.#bytes);
    const turn = this.#dialect.codec.decodeRequest(json);
    return isFault(turn) ? turn : { json, turn };
  }
}

const FORGOTTEN = Buffer.alloc(0);

export interface LaneRequest {
  readonly exchange: Exchange;
  readonly dialect: ClientDialect;
  readonly route: CompiledRoute;
  readonly body: RequestBody;
  readonly request: WatchedRequest;
  readonly model: CompiledModel;
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
  const { dialect, body, route, request } = asked;
  if (!isForwarded(dialect, route)) return translate(asked);
  const { bytes } = body;
  const { vendor } = route.upstream;
  const cleaned = dialect.mayHoldForeignState(bytes, vendor)
    ? dialect.withoutForeignState(parseBody(bytes), vendor)
    : undefined;
  if (cleaned === undefined) return forward(asked, bytes, request, []);
  const cleanedBytes = Buffer.from(JSON.stringify(cleaned.body));
  const cleanedRequest = dialect.readRequest(cleanedBytes);
  if (isFault(cleanedRequest)) return cleanedRequest;
  return forward(asked, cleanedBytes, cleanedRequest, cleaned.dropped);
}

function forward(
  { exchange, dialect, route, model }: LaneRequest,
  bytes: Buffer,
  request: WatchedRequest,
  dropped: readonly string[],
): LaneChoice {
  const { upstream, providerModel } = route;
  return {
    kind: 'forward',
    lane: new ForwardLane({
      dialect: dialect.forward,
      hidesUsageChunk: dialect.hidesUsageChunk(request),
      modelName: jsonName(model.config.id),
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

function translate({ exchange, dialect, route, body, request, model }: LaneRequest): LaneChoice | Fault {
  const understood = body.understand();
  if (isFault(understood)) return understood;
  const { upstream } = route;
  const provider = providerCodecs[upstream.protocol];
  const encoded = provider.encodeRequest(understood.turn, targetOf(model, route));
  if (isFault(encoded)) return encoded;
  return {
    kind: 'translate',
    lane: new TranslateLane({
      client: dialect.codec,
      provider,
      answer: {
        idSeed: exchange.requestId.replaceAll('-', ''),
        model: model.config.id,
        createdAt: Math.floor(uuidTimeMs(exchange.requestId) / MS_PER_SECOND),
        body: understood.json,
      },
      encodeStreamFault: dialect.forward.encodeStreamFault,
    }),
    request: {
      origin: upstream.origin,
      path: `${upstream.basePath}${encoded.path}`,
      headers: [...providerHeaders(upstream, request.stream), ...encoded.headers],
      body: Buffer.from(JSON.stringify(encoded.body)),
    },
    dropped: encoded.dropped,
  };
}

function targetOf(model: CompiledModel, route: CompiledRoute): ProviderTarget {
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

/** Headers of the client that belong to its dialect: an Anthropic provider needs the version and honours the betas. */
export function dialectHeaders(dialect: Dialect, intake: RequestIntake): string[] {
  if (dialect !== 'messages') return [];
  const headers = ['anthropic-version', intake.anthropicVersion || DEFAULT_ANTHROPIC_VERSION];
  if (intake.anthropicBeta !== '') headers.push('anthropic-beta', intake.anthropicBeta);
  return headers;
}

function queryOf(intake: RequestIntake): string {
  return intake.query ? `?${intake.query}` : '';
}

function parseBody(body: Buffer): JsonObject {
  return JSON.parse(body.toString('utf8')) as JsonObject;
}
