import { encodeOpenAiFault } from '#data-plane/dialects/chat/faults.ts';
import { encodeAnthropicFault } from '#data-plane/dialects/messages/faults.ts';
import type { Gateway } from '#data-plane/gateway.ts';
import type { RequestIntake } from '#data-plane/http/request-intake.ts';
import type { HeaderList, ResponseWriter } from '#data-plane/http/response-writer.ts';
import { FAULTS, type Fault, fault } from '#shared/fault.ts';
import { formatId } from '#shared/identifiers.ts';

export type ErrorShape = 'openai' | 'anthropic';

/** One request and the way to its answer. */
export interface Exchange {
  /** UUIDv7; shown to the client as `req_cm_…`. */
  readonly requestId: string;
  readonly publicId: string;
  readonly intake: RequestIntake;
  readonly writer: ResponseWriter;
  readonly shape: ErrorShape;
  /** Monotonic ms of its arrival. */
  readonly startedAtMs: number;
  /** Where the key stands in its limits, once they have been looked at. */
  rateHeaders: HeaderList;
}

const NO_HEADERS: HeaderList = [];
const MS_PER_SECOND = 1_000;
/** Of the client's mistakes: too slow, in conflict, too many. */
const WORTH_REPEATING: ReadonlySet<number> = new Set([408, 409, 429]);
const JSON_TYPE = 'application/json';

export function openExchange(
  gateway: Gateway,
  intake: RequestIntake,
  writer: ResponseWriter,
  shape: ErrorShape,
): Exchange {
  const requestId = gateway.mintRequestId();
  const startedAtMs = gateway.clock.monotonicMs();
  const publicId = formatId('UsageRecord', requestId);
  return { requestId, publicId, intake, writer, shape, startedAtMs, rateHeaders: NO_HEADERS };
}

/** The headers of every answer. The rate limits once they are known; both id headers, because the two families of SDKs read different ones. */
export function baseHeaders(exchange: Exchange, contentType: string): string[] {
  const { publicId, rateHeaders } = exchange;
  return ['content-type', contentType, 'x-request-id', publicId, 'request-id', publicId, ...rateHeaders];
}

export function answerJson(exchange: Exchange, body: Buffer | string): void {
  exchange.writer.respond(200, baseHeaders(exchange, JSON_TYPE), body);
}

/** Answers with `refusal` in the shape of the exchange. */
export function answerFault(exchange: Exchange, refusal: Fault, extraHeaders: HeaderList = []): void {
  const headers = [...baseHeaders(exchange, JSON_TYPE), ...extraHeaders];
  if (refusal.retryAfterMs !== undefined) {
    headers.push('retry-after', String(Math.ceil(refusal.retryAfterMs / MS_PER_SECOND)));
  }
  const status = refusal.relayed?.status ?? FAULTS[refusal.kind].status;
  // Both families of SDKs obey it; without it Claude Code repeats a request with a wrong key for a minute.
  if (status < 500 && !WORTH_REPEATING.has(status)) headers.push('x-should-retry', 'false');
  const body =
    exchange.shape === 'openai'
      ? encodeOpenAiFault(refusal)
      : encodeAnthropicFault(refusal, exchange.publicId);
  exchange.writer.respond(status, headers, body);
}

/** Logs a bug that surfaced in `exchange` and gives the fault to answer with; the client learns only its request id. */
export function unexpectedFault(gateway: Gateway, exchange: Exchange, error: unknown): Fault {
  gateway.log.error({ requestId: exchange.publicId, err: error }, 'request failed unexpectedly');
  return fault('internal_error', 'An internal error occurred. Please retry.');
}

/** Last resort for a bug: answers 500 if anything can still be answered. */
export function answerUnexpected(gateway: Gateway, exchange: Exchange, error: unknown): void {
  const failure = unexpectedFault(gateway, exchange, error);
  if (exchange.writer.committed) exchange.writer.breakOff(NOTHING);
  else answerFault(exchange, failure);
}

const NOTHING = Buffer.alloc(0);
