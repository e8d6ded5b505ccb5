import { authenticate } from '#data-plane/admission/authenticate.ts';
import { OutputGuard } from '#data-plane/admission/output-guard.ts';
import type { Hold } from '#data-plane/admission/quotas.ts';
import { rateLimitHeaders } from '#data-plane/admission/rate-limit-headers.ts';
import { serverToolHold } from '#data-plane/admission/server-tool-hold.ts';
import {
  estimatedInputTokens,
  estimatedTextTokens,
  holdFor,
  reservedTokens,
} from '#data-plane/admission/worst-case-cost.ts';
import type { ClientDialect, WatchedRequest } from '#data-plane/dialects/client-dialect.ts';
import type { Gateway } from '#data-plane/gateway.ts';
import { Attempt, type AttemptJob, type AttemptOutcome } from '#data-plane/lanes/attempt.ts';
import type { AnswerLane } from '#data-plane/lanes/lane.ts';
import { planAttempts } from '#data-plane/routing/plan-attempts.ts';
import { resolveModel } from '#data-plane/routing/resolve-model.ts';
import type {
  CompiledModel,
  CompiledRoute,
  CompiledSnapshot,
} from '#data-plane/snapshot/compiled-snapshot.ts';
import type { CountSample } from '#data-plane/token-count/token-counter.ts';
import { FAULTS, type Fault, fault, isFault } from '#shared/fault.ts';
import { costOf, type PriceVersion, priceAt } from '#shared/price.ts';
import { keyedDigest, SEAL_PURPOSES } from '#shared/sealed-secret.ts';
import { NO_TOKENS, promptTokens, type TokenUsage } from '#shared/token-usage.ts';
import { chooseLane, isForwarded } from './choose-lane.ts';
import { droppedHeader } from './dropped-header.ts';
import { answerFault, answerUnexpected, baseHeaders, type Exchange, unexpectedFault } from './exchange.ts';
import type { RefusalRecords } from './refusal-records.ts';
import { RequestBody } from './request-body.ts';
import { fetchMedia, judgeMedia } from './request-media.ts';
import { buildRecord, openFacts, type RequestFacts, type RequestResult, unbilled } from './request-record.ts';
import { callerOf } from './shared-get.ts';

/** A request that passed every check and holds its money. */
interface AdmittedRequest {
  readonly body: RequestBody;
  readonly request: WatchedRequest;
  /** The endpoint's own, or the one that the body turned out to be in. */
  readonly dialect: ClientDialect;
  readonly model: CompiledModel;
  readonly price: PriceVersion;
  readonly attempts: readonly CompiledRoute[];
  readonly hold: Hold;
  /** Kept for those few requests that teach how their model counts. */
  readonly sample: CountSample | undefined;
  /** Of a stream without a stated limit. */
  readonly guard: OutputGuard | undefined;
}

/** How the last attempt ended, and what its answer told on the way. */
interface ForwardEnd {
  readonly outcome: AttemptOutcome;
  readonly lane: AnswerLane | undefined;
}

/**
 * The story of one inference request: authenticate, read, resolve, admit, forward, settle, record. Every request of a known
 * key ends in exactly one usage record, and every hold is settled exactly once.
 */
export class InferenceEndpoint {
  readonly #gateway: Gateway;
  readonly #refusals: RefusalRecords;
  readonly #dialect: ClientDialect;

  constructor(gateway: Gateway, refusals: RefusalRecords, dialect: ClientDialect) {
    this.#gateway = gateway;
    this.#refusals = refusals;
    this.#dialect = dialect;
  }

  /** Must be called inside the route's handler: it starts to read the body, once the key is known. */
  handle(exchange: Exchange): void {
    const { snapshots, clock, bodyLimits } = this.#gateway;
    const snapshot = snapshots.current();
    const presented = callerOf(this.#gateway, exchange, this.#dialect.keyPreference);
    const caller = authenticate(presented, snapshot, clock.nowMs());
    if (isFault(caller)) {
      this.#gateway.counts.strangers += 1;
      answerFault(exchange, caller);
      return;
    }
    if ('fault' in caller) {
      this.#refuse(exchange, openFacts(this.#dialect.name, caller.key), caller.fault);
      return;
    }
    const facts = openFacts(this.#dialect.name, caller);
    exchange.writer.onAborted = () => exchange.intake.discardBody();
    exchange.intake.readBody(bodyLimits, (body) => {
      if (isFault(body)) this.#refuse(exchange, facts, body);
      else
        this.#serve(exchange, facts, snapshot, body).catch((error) =>
          answerUnexpected(this.#gateway, exchange, error),
        );
    });
  }

  async #serve(
    exchange: Exchange,
    facts: RequestFacts,
    snapshot: CompiledSnapshot,
    body: Buffer,
  ): Promise<void> {
    let admitted: AdmittedRequest | Fault;
    try {
      admitted = await this.#admit(exchange, facts, snapshot, body);
    } catch (error) {
      admitted = unexpectedFault(this.#gateway, exchange, error);
    }
    if (isFault(admitted)) {
      this.#refuse(exchange, facts, admitted);
      return;
    }
    let end: ForwardEnd;
    try {
      end = await this.#forward(exchange, facts, admitted);
    } catch (error) {
      const failure = unexpectedFault(this.#gateway, exchange, error);
      const outcome = { kind: 'failed', fault: failure, retryable: false, reason: 'bug_of_ours' } as const;
      end = { outcome, lane: undefined };
    }
    const result = resultOf(admitted, end);
    const promptCount = promptTokens(result.usage);
    if (admitted.sample !== undefined && result.status === 'success' && result.usage.source === 'upstream')
      this.#gateway.tokenCounter.learn(admitted.sample, promptCount);
    const usedTokens = promptCount + result.usage.output;
    const excessNano = this.#gateway.quotas.settle(admitted.hold, result.costNano, usedTokens);
    const endedAtMs = this.#gateway.clock.monotonicMs();
    const record = buildRecord(exchange, facts, { ...result, excessNano }, endedAtMs);
    this.#gateway.spool.append(record, () => finish(exchange, end.outcome, this.#dialect));
  }

  async #admit(
    exchange: Exchange,
    facts: RequestFacts,
    snapshot: CompiledSnapshot,
    bytes: Buffer,
  ): Promise<AdmittedRequest | Fault> {
    const { quotas, spool, clock, random } = this.#gateway;
    const read = this.#read(bytes);
    if (isFault(read)) return read;
    const { dialect, request } = read;
    this.#noteRequest(facts, request);
    const resolved = resolveModel(request.model, facts.key, snapshot);
    if (isFault(resolved)) return resolved;
    const { model, alias } = resolved;
    facts.model = model.config.id;
    facts.alias = alias;
    const effortFault = checkReasoningEffort(request, model, dialect.effortParam);
    if (effortFault !== undefined) return effortFault;
    const price = priceAt(model.prices, clock.nowMs());
    if (price === undefined || model.routes.length === 0 || !spool.accepting)
      return unavailable(request.model);
    const body = new RequestBody(dialect, bytes);
    // The best route speaks the client's dialect if any does: otherwise a body that cannot be understood is refused here.
    const isNative = model.routes.some((route) => isForwarded(dialect, route));
    const understood = isNative ? undefined : body.understand();
    if (isFault(understood)) return understood;
    const callsFunctions = (understood?.turn.tools.length ?? 0) > 0;
    const attempts = planAttempts(model, dialect.forwardProtocol, random, callsFunctions);
    const mediaFault = await judgeMedia(this.#gateway, exchange, request);
    if (mediaFault !== undefined) return mediaFault;
    const mayWriteHourCache = attempts.some((route) => route.upstream.protocol === 'messages');
    const cost = holdFor(request, model.config, price, mayWriteHourCache);
    const toolsNano = serverToolHold(body.bytes, price);
    const asked = quotas.hold({
      key: facts.key,
      worstCaseNano: cost.worstCaseNano + toolsNano,
      ...(cost.leastNano === undefined ? {} : { leastNano: cost.leastNano + toolsNano }),
      reservedTokens: reservedTokens(request, model.config),
    });
    const hold = asked instanceof Promise ? await asked : asked;
    if (hold.standing !== undefined)
      exchange.rateHeaders = rateLimitHeaders(exchange.shape, hold.standing, clock.nowMs());
    if (isFault(hold)) return hold;
    facts.budgetPeriod = hold.budgetPeriod;
    const guard = cost.steps && new OutputGuard(quotas, hold, cost.steps);
    const sample = this.#sample(dialect, model, request, bytes);
    return { body, dialect, request, model, price, attempts, hold, guard, sample };
  }

  #sample(
    { forwardProtocol }: ClientDialect,
    model: CompiledModel,
    request: WatchedRequest,
    bytes: Buffer,
  ): CountSample | undefined {
    if (forwardProtocol === undefined) return undefined;
    return this.#gateway.tokenCounter.sample(forwardProtocol, model, request, bytes);
  }

  #read(body: Buffer): { dialect: ClientDialect; request: WatchedRequest } | Fault {
    const request = this.#dialect.readRequest(body);
    if (!isFault(request)) return { dialect: this.#dialect, request };
    const dialect = this.#dialect.dialectOfRefused?.(body);
    if (dialect === undefined) return request;
    const other = dialect.readRequest(body);
    return isFault(other) ? other : { dialect, request: other };
  }

  #noteRequest(facts: RequestFacts, request: WatchedRequest): void {
    facts.requestedModel = request.model;
    facts.stream = request.stream;
    if (request.endUser === undefined) return;
    facts.endUser = keyedDigest(request.endUser, this.#gateway.sealingKey, SEAL_PURPOSES.endUser);
  }

  /** Tries the planned routes in turn, until one answers, the client's own mistake shows or content has been sent. */
  async #forward(exchange: Exchange, facts: RequestFacts, admitted: AdmittedRequest): Promise<ForwardEnd> {
    let end: ForwardEnd | undefined;
    let inexpressible: ForwardEnd | undefined;
    const clientSilence = { silentMs: 0 };
    for (const route of admitted.attempts) {
      // The attempts so far have failed, and failed ones cost nothing.
      if (exchange.writer.aborted) return { outcome: CLIENT_LEFT, lane: undefined };
      const media = await fetchMedia(this.#gateway, exchange, { upstream: route.upstream, ...admitted });
      if (exchange.writer.aborted) return { outcome: CLIENT_LEFT, lane: undefined };
      const choice = isFault(media) ? media : chooseLane({ exchange, route, media, ...admitted });
      if (isFault(choice)) {
        // Another route may have the words for it; what a provider has answered tells more than that this one has not.
        inexpressible ??= { outcome: notExpressible(choice), lane: undefined };
        continue;
      }
      facts.upstream = route.upstream;
      facts.lane = choice.kind;
      end = await this.#attempt(exchange, facts, admitted, {
        ...choice,
        clientSilence,
        successHeaders: successHeaders(exchange, admitted, route, choice.dropped),
      });
      this.#noteFailure(exchange, route, end.outcome);
      if (end.outcome.kind !== 'failed' || !end.outcome.retryable) return end;
    }
    return end ?? inexpressible ?? { outcome: CLIENT_LEFT, lane: undefined };
  }

  async #attempt(
    exchange: Exchange,
    facts: RequestFacts,
    admitted: AdmittedRequest,
    job: Pick<AttemptJob, 'lane' | 'request' | 'clientSilence' | 'successHeaders'>,
  ): Promise<ForwardEnd> {
    const { upstreams, watch, silenceLimits, clock } = this.#gateway;
    const attempt = new Attempt({
      client: upstreams,
      watch,
      limits: silenceLimits,
      writer: exchange.writer,
      stream: admitted.request.stream,
      guard: admitted.guard,
      ...job,
    });
    attempt.onFirstContent = () => {
      facts.firstTokenMs = Math.round(clock.monotonicMs() - exchange.startedAtMs);
      // No other provider will be asked now, and streams last.
      admitted.body.forget();
    };
    return { outcome: await attempt.outcome, lane: job.lane };
  }

  /** Answers a request that never reached a provider. */
  #refuse(exchange: Exchange, facts: RequestFacts, refusal: Fault): void {
    const { clock, spool } = this.#gateway;
    const left = exchange.writer.aborted;
    const result = left
      ? unbilled('aborted', FAULTS.client_closed.status, 'client_closed')
      : unbilled('error', FAULTS[refusal.kind].status, refusal.kind);
    const record = buildRecord(exchange, facts, result, clock.monotonicMs());
    const answer = () => answerFault(exchange, refusal);
    if (FAULTS[refusal.kind].blame === 'client') this.#refusals.add(record, answer);
    else spool.append(record, answer);
  }

  /** Logs failures that are ours or a provider's to fix; the client's own are in the usage records. */
  #noteFailure(exchange: Exchange, route: CompiledRoute, outcome: AttemptOutcome): void {
    if (outcome.kind !== 'failed' && outcome.kind !== 'broken') return;
    const code = outcome.fault.kind;
    if (FAULTS[code].status < 500) return;
    const { reason } = outcome;
    const upstream = route.upstream.name;
    this.#gateway.log.warn({ requestId: exchange.publicId, code, reason, upstream }, 'attempt failed');
  }
}

const CLIENT_LEFT: AttemptOutcome = { kind: 'client_left' };
const REASONING_EFFORTS: ReadonlySet<string> = new Set(['none', 'minimal', 'low', 'medium', 'high', 'xhigh']);

/** The documented values, and those that the model's own capabilities list beyond them (`max`). */
function checkReasoningEffort(
  request: WatchedRequest,
  model: CompiledModel,
  param: string,
): Fault | undefined {
  const { reasoningEffort } = request;
  if (reasoningEffort === undefined || REASONING_EFFORTS.has(reasoningEffort)) return undefined;
  if (model.config.capabilities.reasoning?.effort?.includes(reasoningEffort)) return undefined;
  return fault(
    'unsupported_parameter',
    `'${param}' must be one of none, minimal, low, medium, high, xhigh.`,
    { param },
  );
}

function notExpressible(refusal: Fault): AttemptOutcome {
  return { kind: 'failed', fault: refusal, retryable: false, reason: 'not_expressible' };
}

function unavailable(model: string): Fault {
  return fault(
    'model_unavailable',
    `Model '${model.slice(0, 256)}' is temporarily unavailable. Please retry later.`,
  );
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
function resultOf(admitted: AdmittedRequest, end: ForwardEnd): RequestResult {
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
