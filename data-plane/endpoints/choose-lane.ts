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
import { type Fault, fault, isFault } from '#shared/fault.ts';
import { uuidTimeMs } from '#shared/identifiers.ts';
import type { Dialect } from '#shared/usage-record.ts';
import type { Exchange } from './exchange.ts';

const MS_PER_SECOND = 1_000;

/** A body that a route needs understood. */
export interface UnderstoodBody {
  readonly json: JsonObject;
  readonly turn: TurnRequest;
}

export interface LaneRequest {
  readonly exchange: Exchange;
  readonly dialect: ClientDialect;
  readonly route: CompiledRoute;
  readonly body: Buffer;
  readonly request: WatchedRequest;
  readonly understood: UnderstoodBody | undefined;
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

/** Whether one of the routes speaks another protocol than the client, so that the body has to be understood. */
export function needsUnderstanding(
  dialect: ClientDialect,
  routes: readonly CompiledRoute[],
  body: Buffer,
): boolean {
  return (
    routes.some((route) => route.upstream.protocol !== dialect.forwardProtocol) ||
    (dialect.withoutForeignState === undefined && dialect.mayHoldForeignState(body))
  );
}

/** Parses a body that the byte scanner has already found to be a JSON object, and decodes it. */
export function understand(dialect: ClientDialect, body: Buffer): UnderstoodBody | Fault {
  const json = parseBody(body);
  const turn = dialect.codec.decodeRequest(json);
  return isFault(turn) ? turn : { json, turn };
}

/** The forward lane where the provider speaks the client's dialect and nothing must be taken out, else the translate lane. */
export function chooseLane(asked: LaneRequest): LaneChoice | Fault {
  const { dialect, body, route } = asked;
  if (route.upstream.protocol !== dialect.forwardProtocol) return translate(asked);
  if (!dialect.mayHoldForeignState(body)) return forward(asked, asked, []);
  if (dialect.withoutForeignState === undefined) return translate(asked);
  const cleaned = dialect.withoutForeignState(parseBody(body));
  if (cleaned === undefined) return forward(asked, asked, []);
  const bytes = Buffer.from(JSON.stringify(cleaned.body));
  const request = dialect.readRequest(bytes);
  return isFault(request) ? request : forward(asked, { body: bytes, request }, cleaned.dropped);
}

function forward(
  { exchange, dialect, route, model }: LaneRequest,
  { body, request }: { readonly body: Buffer; readonly request: WatchedRequest },
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
      body: dialect.forwardBody(body, request, providerModel),
    },
    dropped,
  };
}

function translate({
  exchange,
  dialect,
  route,
  request,
  understood,
  model,
}: LaneRequest): LaneChoice | Fault {
  if (understood === undefined) return fault('internal_error', 'An internal error occurred. Please retry.');
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
    dropped: [...encoded.dropped, ...droppedHeaders(dialect.name, exchange.intake)],
  };
}

/** Betas of another provider's API mean nothing here. */
function droppedHeaders(dialect: Dialect, intake: RequestIntake): readonly string[] {
  return dialect === 'messages' && intake.anthropicBeta !== '' ? ['anthropic-beta'] : [];
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
