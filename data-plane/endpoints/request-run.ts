import { estimatedInputTokens, estimatedTextTokens } from '#data-plane/admission/worst-case-cost.ts';
import type { ClientDialect } from '#data-plane/dialects/client-dialect.ts';
import type { InlineMedia } from '#data-plane/dialects/inline-media.ts';
import type { Gateway } from '#data-plane/gateway.ts';
import { Attempt, type ClientSilence } from '#data-plane/lanes/attempt.ts';
import type { AttemptOutcome, AttemptOwner } from '#data-plane/lanes/attempt-outcome.ts';
import type { AnswerLane } from '#data-plane/lanes/lane.ts';
import type { CompiledRoute } from '#data-plane/snapshot/compiled-snapshot.ts';
import { FAULTS, type Fault, isFault } from '#shared/fault.ts';
import { costOf } from '#shared/price.ts';
import { NO_TOKENS, promptTokens, type TokenUsage } from '#shared/token-usage.ts';
import type { AdmittedRequest } from './admit-request.ts';
import { chooseLane } from './choose-lane.ts';
import { droppedHeader } from './dropped-header.ts';
import { answerFault, answerUnexpected, baseHeaders, type Exchange, unexpectedFault } from './exchange.ts';
import { fetchMedia, NO_MEDIA } from './request-media.ts';
import { buildRecord, type RequestFacts, type RequestResult, unbilled } from './request-record.ts';

/** How the last attempt ended, and what its answer told on the way. */
interface RunEnd {
  readonly outcome: AttemptOutcome;
  readonly lane: AnswerLane | undefined;
}

/**
 * An admitted request on its way: tries the planned routes in turn, until one answers, the client's own mistake shows or
 * content has been sent; then settles the hold, records the request and ends the answer, each exactly once. Nothing here
 * waits on a promise unless media must be fetched.
 */
export class RequestRun implements AttemptOwner {
  readonly #gateway: Gateway;
  readonly #exchange: Exchange;
  readonly #facts: RequestFacts;
  readonly #admitted: AdmittedRequest;
  readonly #clientSilence: ClientSilence = { silentMs: 0 };
  #nextRoute = 0;
  /** The route that is being tried, and its lane. */
  #route: CompiledRoute | undefined;
  #lane: AnswerLane | undefined;
  /** The last attempt that was made. */
  #end: RunEnd | undefined;
  #inexpressible: RunEnd | undefined;
  #concluded = false;

  constructor(gateway: Gateway, exchange: Exchange, facts: RequestFacts, admitted: AdmittedRequest) {
    this.#gateway = gateway;
    this.#exchange = exchange;
    this.#facts = facts;
    this.#admitted = admitted;
  }

  /** Tries the next route. Never throws. */
  start(): void {
    try {
      this.#tryNext();
    } catch (error) {
      this.#failUnexpectedly(error);
    }
  }

  #tryNext(): void {
    const { attempts, request } = this.#admitted;
    for (;;) {
      const route = attempts[this.#nextRoute];
      if (route === undefined) {
        this.#conclude(this.#end ?? this.#inexpressible ?? LEFT);
        return;
      }
      this.#nextRoute += 1;
      // The attempts so far have failed, and failed ones cost nothing.
      if (this.#exchange.writer.aborted) {
        this.#conclude(LEFT);
        return;
      }
      if (request.mediaUrls.length > 0) {
        this.#fetchFor(route);
        return;
      }
      if (this.#send(route, NO_MEDIA)) return;
    }
  }

  #fetchFor(route: CompiledRoute): void {
    const asked = { upstream: route.upstream, ...this.#admitted };
    fetchMedia(this.#gateway, this.#exchange, asked).then(
      (media) => this.#goOn(route, media),
      (error: unknown) => this.#failUnexpectedly(error),
    );
  }

  #goOn(route: CompiledRoute, media: ReadonlyMap<string, InlineMedia> | Fault): void {
    try {
      if (this.#exchange.writer.aborted) this.#conclude(LEFT);
      else if (!this.#send(route, media)) this.#tryNext();
    } catch (error) {
      this.#failUnexpectedly(error);
    }
  }

  /** Asks the provider of a route; false when the request cannot be said in its protocol. */
  #send(route: CompiledRoute, media: ReadonlyMap<string, InlineMedia> | Fault): boolean {
    const exchange = this.#exchange;
    const admitted = this.#admitted;
    const { body, request, dialect, model } = admitted;
    const choice = isFault(media)
      ? media
      : chooseLane({ exchange, route, media, body, request, dialect, model });
    if (isFault(choice)) {
      // Another route may have the words for it; what a provider has answered tells more than that this one has not.
      this.#inexpressible ??= { outcome: notExpressible(choice), lane: undefined };
      return false;
    }
    this.#facts.upstream = route.upstream;
    this.#facts.lane = choice.kind;
    this.#route = route;
    this.#lane = choice.lane;
    const { upstreams, watch, silenceLimits } = this.#gateway;
    const job = {
      client: upstreams,
      watch,
      limits: silenceLimits,
      lane: choice.lane,
      writer: exchange.writer,
      stream: request.stream,
      clientSilence: this.#clientSilence,
      guard: admitted.guard,
      owner: this,
    };
    new Attempt(job, successHeaders(exchange, admitted, route, choice.dropped)).start(choice.request);
    return true;
  }

  onFirstContent(): void {
    const { clock } = this.#gateway;
    this.#facts.firstTokenMs = Math.round(clock.monotonicMs() - this.#exchange.startedAtMs);
    // No other provider will be asked now, and streams last.
    this.#admitted.body.forget();
  }

  onOutcome(outcome: AttemptOutcome): void {
    this.#noteFailure(outcome);
    const end = { outcome, lane: this.#lane };
    if (outcome.kind !== 'failed' || !outcome.retryable) {
      this.#conclude(end);
      return;
    }
    this.#end = end;
    this.start();
  }

  #failUnexpectedly(error: unknown): void {
    const failure = unexpectedFault(this.#gateway, this.#exchange, error);
    const outcome = { kind: 'failed', fault: failure, retryable: false, reason: 'bug_of_ours' } as const;
    this.#conclude({ outcome, lane: undefined });
  }

  /** Settles, records and answers. Never throws: it is called from within the provider's connection. */
  #conclude(end: RunEnd): void {
    if (this.#concluded) return;
    this.#concluded = true;
    try {
      this.#settle(end);
    } catch (error) {
      answerUnexpected(this.#gateway, this.#exchange, error);
    }
  }

  #settle(end: RunEnd): void {
    const { quotas, clock, spool, tokenCounter } = this.#gateway;
    const admitted = this.#admitted;
    const result = resultOf(admitted, end);
    const promptCount = promptTokens(result.usage);
    if (admitted.sample !== undefined && result.status === 'success' && result.usage.source === 'upstream')
      tokenCounter.learn(admitted.sample, promptCount);
    const usedTokens = promptCount + result.usage.output;
    const excessNano = quotas.settle(admitted.hold, result.costNano, usedTokens);
    const record = buildRecord(this.#exchange, this.#facts, result, excessNano, clock.monotonicMs());
    spool.append(record, () => finish(this.#exchange, end.outcome, admitted.dialect));
  }

  /** Logs failures that are ours or a provider's to fix; the client's own are in the usage records. */
  #noteFailure(outcome: AttemptOutcome): void {
    if (outcome.kind !== 'failed' && outcome.kind !== 'broken') return;
    const code = outcome.fault.kind;
    if (FAULTS[code].status < 500) return;
    const { reason } = outcome;
    const upstream = this.#route?.upstream.name;
    this.#gateway.log.warn({ requestId: this.#exchange.publicId, code, reason, upstream }, 'attempt failed');
  }
}

const LEFT: RunEnd = { outcome: { kind: 'client_left' }, lane: undefined };

function notExpressible(refusal: Fault): AttemptOutcome {
  return { kind: 'failed', fault: refusal, retryable: false, reason: 'not_expressible' };
}

function successHeaders(
  exchange: Exchange,
  { model, request }: AdmittedRequest,
  route: CompiledRoute,
  dropped: readonly string[],
): string[] {
  const type = request.stream ? 'text/event-stream; charset=utf-8' : 'application/json';
  const headers = baseHeaders(exchange, type);
  headers.push('x-crossmodel-model', model.config.id);
  if (request.stream) headers.push('cache-control', 'no-cache');
  if (route.upstream.sandbox) headers.push('x-crossmodel-sandbox', 'true');
  if (dropped.length > 0) headers.push('x-crossmodel-dropped', droppedHeader(dropped));
  return headers;
}

/** What the request comes to: failures cost nothing, everything else what was produced. */
function resultOf(admitted: AdmittedRequest, end: RunEnd): RequestResult {
  const { outcome, lane } = end;
  switch (outcome.kind) {
    case 'failed':
      return unbilled(
        'error',
        outcome.fault.relayed?.status ?? FAULTS[outcome.fault.kind].status,
        outcome.fault.kind,
      );
    case 'broken':
      return unbilled('error', 200, outcome.fault.kind);
    case 'client_left': {
      const closed = FAULTS.client_closed.status;
      if (lane === undefined) return unbilled('aborted', closed, 'client_closed');
      return billed(admitted, lane, { status: 'aborted', httpStatus: closed, errorCode: 'client_closed' });
    }
    case 'cut_off':
      if (lane === undefined) throw new Error('An answer that was cut off has a lane');
      return billed(admitted, lane, { status: 'aborted', httpStatus: 200, errorCode: outcome.fault.kind });
    case 'complete':
      if (lane === undefined) throw new Error('A complete answer has a lane');
      return billed(admitted, lane, { status: 'success', httpStatus: 200, errorCode: null });
  }
}

function billed(
  admitted: AdmittedRequest,
  lane: AnswerLane,
  ending: Pick<RequestResult, 'status' | 'httpStatus' | 'errorCode'>,
): RequestResult {
  const { request, model, price } = admitted;
  const usage: TokenUsage = lane.usage ?? {
    ...NO_TOKENS,
    input: estimatedInputTokens(request.prompt, model.config),
    output: estimatedTextTokens(lane.textBytes),
    source: 'estimated',
  };
  return { ...ending, usage, priceVersionId: price.id, costNano: costOf(usage, price) };
}

/** Sends the client what is still due, now that the request is recorded. */
function finish(exchange: Exchange, outcome: AttemptOutcome, dialect: ClientDialect): void {
  switch (outcome.kind) {
    case 'complete':
    case 'broken':
    case 'cut_off':
      outcome.finish();
      return;
    case 'failed':
      if (exchange.writer.committed)
        exchange.writer.breakOff(dialect.forward.encodeStreamFault(outcome.fault, exchange.publicId));
      else answerFault(exchange, outcome.fault);
      return;
    case 'client_left':
      return;
  }
}
