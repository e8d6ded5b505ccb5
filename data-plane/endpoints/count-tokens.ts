import { estimatedInputTokens } from '#data-plane/admission/worst-case-cost.ts';
import { providerMessagesBody } from '#data-plane/dialects/messages/provider-request.ts';
import { type MessagesRequest, readCountTokensRequest } from '#data-plane/dialects/messages/read-request.ts';
import type { Gateway } from '#data-plane/gateway.ts';
import { planAttempts } from '#data-plane/routing/plan-attempts.ts';
import { resolveModel } from '#data-plane/routing/resolve-model.ts';
import type {
  CompiledKey,
  CompiledModel,
  CompiledRoute,
  CompiledSnapshot,
} from '#data-plane/snapshot/compiled-snapshot.ts';
import { providerHeaders } from '#data-plane/upstream/provider-headers.ts';
import type { UpstreamRequest } from '#data-plane/upstream/upstream-client.ts';
import { type Fault, isFault } from '#shared/fault.ts';
import { dialectHeaders } from './choose-lane.ts';
import { answerFault, answerUnexpected, baseHeaders, type Exchange } from './exchange.ts';
import { withKey } from './shared-get.ts';

const COUNT_PATH = '/v1/messages/count_tokens';
/** A count is asked for before each turn of an agent: an estimate now is worth more than an exact answer later. */
const COUNT_TIMEOUT_MS = 5_000;
const MAX_COUNT_BYTES = 64 * 1024;

/**
 * `POST /v1/messages/count_tokens`: the provider's own count where it offers one in this dialect, otherwise an estimate from
 * the size of the request, marked by `x-crossmodel-estimate: true`. Free of charge; leaves no usage record.
 */
export function countTokens(gateway: Gateway, exchange: Exchange): void {
  withKey(gateway, exchange, 'x-api-key', (key, snapshot) => {
    exchange.writer.onAborted = () => exchange.intake.discardBody();
    exchange.intake.readBody(gateway.bodyLimits, (body) => {
      if (isFault(body)) answerFault(exchange, body);
      else
        answerCount(gateway, exchange, key, snapshot, body).catch((error) =>
          answerUnexpected(gateway, exchange, error),
        );
    });
  });
}

async function answerCount(
  gateway: Gateway,
  exchange: Exchange,
  key: CompiledKey,
  snapshot: CompiledSnapshot,
  body: Buffer,
): Promise<void> {
  const asked = readAsked(key, snapshot, body);
  if (isFault(asked)) {
    answerFault(exchange, asked);
    return;
  }
  const { request, model } = asked;
  const [route] = planAttempts(model, 'messages', gateway.random);
  const exact =
    route?.upstream.protocol === 'messages'
      ? await askProvider(gateway, upstreamRequest(exchange, route, body, request))
      : undefined;
  const headers = baseHeaders(exchange, 'application/json');
  headers.push('x-crossmodel-model', model.config.id);
  if (exact === undefined) headers.push('x-crossmodel-estimate', 'true');
  const inputTokens = exact ?? estimatedInputTokens(request.prompt, model.config);
  exchange.writer.respond(200, headers, JSON.stringify({ input_tokens: inputTokens }));
}

function readAsked(
  key: CompiledKey,
  snapshot: CompiledSnapshot,
  body: Buffer,
): { request: MessagesRequest; model: CompiledModel } | Fault {
  const request = readCountTokensRequest(body);
  if (isFault(request)) return request;
  const resolved = resolveModel(request.model, key, snapshot);
  return isFault(resolved) ? resolved : { request, model: resolved.model };
}

function upstreamRequest(
  exchange: Exchange,
  { upstream, providerModel }: CompiledRoute,
  body: Buffer,
  request: MessagesRequest,
): UpstreamRequest {
  return {
    origin: upstream.origin,
    path: `${upstream.basePath}${COUNT_PATH}`,
    headers: [...providerHeaders(upstream, false), ...dialectHeaders('messages', exchange.intake)],
    body: providerMessagesBody(body, request, providerModel),
  };
}

/** The provider's count; `undefined` when it gives none in time. */
function askProvider(gateway: Gateway, request: UpstreamRequest): Promise<number | undefined> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let bytes = 0;
    let status = 0;
    const call = gateway.upstreams.send(request, {
      onHead: (headStatus) => {
        status = headStatus;
      },
      onData: (piece) => {
        bytes += piece.length;
        if (bytes <= MAX_COUNT_BYTES) pieces.push(piece);
      },
      onEnd: () => settle(status === 200 ? readCount(Buffer.concat(pieces)) : undefined),
      onFailure: () => settle(undefined),
    });
    const timer = setTimeout(() => {
      call.abort();
      settle(undefined);
    }, COUNT_TIMEOUT_MS);
    function settle(count: number | undefined): void {
      clearTimeout(timer);
      resolve(count);
    }
  });
}

function readCount(body: Buffer): number | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    if (typeof value !== 'object' || value === null || !('input_tokens' in value)) return undefined;
    const { input_tokens: count } = value;
    return typeof count === 'number' && Number.isInteger(count) && count >= 0 ? count : undefined;
  } catch {
    return undefined;
  }
}
