import { RateWindow } from '#data-plane/admission/rate-window.ts';
import type { ClientDialect } from '#data-plane/dialects/client-dialect.ts';
import { messagesClientDialect } from '#data-plane/dialects/client-dialects.ts';
import { withInlineMedia } from '#data-plane/dialects/inline-media.ts';
import { decodeCountRequest } from '#data-plane/dialects/messages/decode-request.ts';
import { providerMessagesBody } from '#data-plane/dialects/messages/provider-request.ts';
import { type MessagesRequest, readCountTokensRequest } from '#data-plane/dialects/messages/read-request.ts';
import { COUNT_TOKENS_PATH } from '#data-plane/dialects/messages/token-count.ts';
import { providerCodecs } from '#data-plane/dialects/provider-codecs.ts';
import type { Gateway } from '#data-plane/gateway.ts';
import { resolveModel } from '#data-plane/routing/resolve-model.ts';
import type {
  CompiledKey,
  CompiledModel,
  CompiledRoute,
  CompiledSnapshot,
} from '#data-plane/snapshot/compiled-snapshot.ts';
import { providerHeaders } from '#data-plane/upstream/provider-headers.ts';
import type { UpstreamRequest } from '#data-plane/upstream/upstream-client.ts';
import { type Fault, fault, isFault } from '#shared/fault.ts';
import { askTokenCount, countingRoutes } from './ask-token-count.ts';
import { dialectHeaders, targetOf } from './choose-lane.ts';
import { answerFault, answerUnexpected, baseHeaders, type Exchange } from './exchange.ts';
import { RequestBody } from './request-body.ts';
import { departureOf, fetchMedia, judgeMedia } from './request-media.ts';
import { withKey } from './shared-get.ts';

/** Counting is free, so it has a limit of its own: agents ask once or twice per turn. Per key and process. */
const COUNTS_PER_MINUTE = 600;
const MAX_KEYS_REMEMBERED = 10_000;

/** Messages as it is spoken here: without the limit that every other request states. */
const COUNT_DIALECT: ClientDialect<MessagesRequest> = {
  ...messagesClientDialect,
  codec: { ...messagesClientDialect.codec, decodeRequest: decodeCountRequest },
};

/** A question that passed every check. */
interface AskedCount {
  readonly body: RequestBody;
  readonly request: MessagesRequest;
  readonly model: CompiledModel;
}

/**
 * `POST /v1/messages/count_tokens`: the provider's own count where one of the model's providers counts, otherwise an estimate,
 * marked by `x-crossmodel-estimate: true`. Free of charge; leaves no usage record.
 */
export class CountTokensEndpoint {
  readonly #gateway: Gateway;
  readonly #windows = new Map<string, RateWindow>();

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  /** Must be called inside the route's handler. */
  handle(exchange: Exchange): void {
    withKey(this.#gateway, exchange, 'x-api-key', (key, snapshot) => {
      const refusal = this.#takeTurn(key);
      if (refusal !== undefined) {
        answerFault(exchange, refusal);
        return;
      }
      exchange.intake.keepProviderHeaders(exchange.shape);
      exchange.writer.onAborted = () => exchange.intake.discardBody();
      exchange.intake.readBody(this.#gateway.bodyLimits, (body) => {
        if (isFault(body)) answerFault(exchange, body);
        else
          this.#answer(exchange, key, snapshot, body).catch((error) =>
            answerUnexpected(this.#gateway, exchange, error),
          );
      });
    });
  }

  #takeTurn({ config }: CompiledKey): Fault | undefined {
    let window = this.#windows.get(config.id);
    if (window === undefined) {
      if (this.#windows.size >= MAX_KEYS_REMEMBERED) this.#windows.clear();
      window = new RateWindow();
      this.#windows.set(config.id, window);
    }
    const nowMs = this.#gateway.clock.nowMs();
    const refusal = window.take(nowMs, 0, COUNTS_PER_MINUTE, Number.MAX_SAFE_INTEGER);
    if (refusal === undefined) return undefined;
    const message = `Rate limit exceeded: max ${COUNTS_PER_MINUTE} token counts per minute.`;
    return fault('rate_limit_exceeded', message, { retryAfterMs: refusal.retryAfterMs });
  }

  async #answer(
    exchange: Exchange,
    key: CompiledKey,
    snapshot: CompiledSnapshot,
    bytes: Buffer,
  ): Promise<void> {
    const asked = readAsked(key, snapshot, bytes);
    if (isFault(asked)) {
      answerFault(exchange, asked);
      return;
    }
    const { model, request } = asked;
    const mediaFault = await judgeMedia(this.#gateway, exchange, request);
    if (mediaFault !== undefined) {
      answerFault(exchange, mediaFault);
      return;
    }
    const exact = await this.#askProviders(exchange, asked);
    if (exchange.writer.aborted) return;
    const headers = baseHeaders(exchange, 'application/json');
    headers.push('x-crossmodel-model', model.config.id);
    if (exact === undefined) headers.push('x-crossmodel-estimate', 'true');
    const inputTokens =
      exact ?? (await this.#gateway.tokenCounter.estimate('messages', model, request, bytes));
    exchange.writer.respond(200, headers, JSON.stringify({ input_tokens: inputTokens }));
  }

  async #askProviders(exchange: Exchange, asked: AskedCount): Promise<number | undefined> {
    for (const route of countingRoutes(asked.model)) {
      if (exchange.writer.aborted) return undefined;
      const request =
        route.upstream.protocol === 'messages'
          ? forwardedQuestion(exchange, route, asked)
          : await this.#translatedQuestion(exchange, route, asked);
      if (request === undefined) continue;
      const count = await askTokenCount(this.#gateway, route.upstream, request, departureOf(exchange));
      if (count !== undefined) return count;
    }
    return undefined;
  }

  /** `undefined` when this provider cannot be asked in its protocol; its refusals are for real requests to meet. */
  async #translatedQuestion(
    exchange: Exchange,
    route: CompiledRoute,
    { body, request, model }: AskedCount,
  ): Promise<UpstreamRequest | undefined> {
    const { upstream } = route;
    const codec = providerCodecs[upstream.protocol];
    const understood = body.understand();
    if (isFault(understood) || codec.tokenCount === undefined) return undefined;
    const asked = { dialect: COUNT_DIALECT, upstream, request, body };
    const media = await fetchMedia(this.#gateway, exchange, asked);
    if (isFault(media)) return undefined;
    const encoded = codec.encodeRequest(withInlineMedia(understood.turn, media), targetOf(model, route));
    if (isFault(encoded)) return undefined;
    const question = codec.tokenCount.encode(encoded);
    return {
      origin: upstream.origin,
      path: `${upstream.basePath}${question.path}`,
      headers: [...providerHeaders(upstream, false), ...encoded.headers],
      body: Buffer.from(JSON.stringify(question.body)),
    };
  }
}

function readAsked(key: CompiledKey, snapshot: CompiledSnapshot, bytes: Buffer): AskedCount | Fault {
  const request = readCountTokensRequest(bytes);
  if (isFault(request)) return request;
  const resolved = resolveModel(request.model, key, snapshot);
  if (isFault(resolved)) return resolved;
  return { body: new RequestBody(COUNT_DIALECT, bytes), request, model: resolved.model };
}

function forwardedQuestion(
  exchange: Exchange,
  { upstream, providerModel }: CompiledRoute,
  { body, request }: AskedCount,
): UpstreamRequest {
  return {
    origin: upstream.origin,
    path: `${upstream.basePath}${COUNT_TOKENS_PATH}`,
    headers: [...providerHeaders(upstream, false), ...dialectHeaders('messages', exchange.intake)],
    body: providerMessagesBody(body.bytes, request, providerModel),
  };
}
