import { authenticate, presentedKey } from '#data-plane/admission/authenticate.ts';
import type { Hold } from '#data-plane/admission/quotas.ts';
import {
  estimatedInputTokens,
  estimatedTextTokens,
  reservedTokens,
  worstCaseCost,
} from '#data-plane/admission/worst-case-cost.ts';
import { chatDialect } from '#data-plane/dialects/chat/chat-dialect.ts';
import { providerChatBody } from '#data-plane/dialects/chat/provider-request.ts';
import { type ChatRequest, readChatRequest } from '#data-plane/dialects/chat/read-request.ts';
import type { AnswerReader } from '#data-plane/dialects/dialect.ts';
import type { Gateway } from '#data-plane/gateway.ts';
import { jsonName } from '#data-plane/json/json-name.ts';
import { type AttemptOutcome, ForwardAttempt } from '#data-plane/lanes/forward.ts';
import { planAttempts } from '#data-plane/routing/plan-attempts.ts';
import { resolveModel } from '#data-plane/routing/resolve-model.ts';
import type {
  CompiledModel,
  CompiledRoute,
  CompiledSnapshot,
} from '#data-plane/snapshot/compiled-snapshot.ts';
import { providerHeaders } from '#data-plane/upstream/provider-headers.ts';
import { FAULTS, type Fault, fault, isFault } from '#shared/fault.ts';
import { costOf, type PriceVersion, priceAt } from '#shared/price.ts';
import { keyedDigest, SEAL_PURPOSES } from '#shared/sealed-secret.ts';
import { NO_TOKENS, promptTokens, type TokenUsage } from '#shared/token-usage.ts';
import { answerFault, answerUnexpected, baseHeaders, type Exchange, unexpectedFault } from './exchange.ts';
import type { RefusalRecords } from './refusal-records.ts';
import { buildRecord, openFacts, type RequestFacts, type RequestResult, unbilled } from './request-record.ts';

/** A request that passed every check and holds its money. */
interface AdmittedRequest {
  /** Let go of once content has been sent: no other provider will be asked then, and streams last. */
  body: Buffer;
  readonly request: ChatRequest;
  readonly model: CompiledModel;
  readonly price: PriceVersion;
  readonly attempts: readonly CompiledRoute[];
  readonly hold: Hold;
}

/** How the last attempt ended, and what its answer told on the way. */
interface ForwardEnd {
  readonly outcome: AttemptOutcome;
  readonly reader: AnswerReader | undefined;
}

/**
 * The story of one inference request: authenticate, read, resolve, admit, forward, settle, record. Every request of a known
 * key ends in exactly one usage record, and every hold is settled exactly once.
 */
export class InferenceEndpoint {
  readonly #gateway: Gateway;
  readonly #refusals: RefusalRecords;

  constructor(gateway: Gateway, refusals: RefusalRecords) {
    this.#gateway = gateway;
    this.#refusals = refusals;
  }

  /** Must be called inside the route's handler: it starts to read the body, once the key is known. */
  handle(exchange: Exchange): void {
    const { snapshots, clock, bodyLimits } = this.#gateway;
    const snapshot = snapshots.current();
    const secret = presentedKey(exchange.intake, 'bearer');
    const caller = authenticate(secret, exchange.shape, snapshot, clock.nowMs());
    if (isFault(caller)) {
      answerFault(exchange, caller);
      return;
    }
    if ('fault' in caller) {
      this.#refuse(exchange, openFacts('chat', caller.key), caller.fault);
      return;
    }
    const facts = openFacts('chat', caller);
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
      admitted = await this.#admit(facts, snapshot, body);
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
      end = { outcome, reader: undefined };
    }
    const result = resultOf(admitted, end);
    const usedTokens = promptTokens(result.usage) + result.usage.output;
    this.#gateway.quotas.settle(admitted.hold, result.costNano, usedTokens);
    const record = buildRecord(exchange, facts, result, this.#gateway.clock.monotonicMs());
    this.#gateway.spool.append(record, () => finish(exchange, end.outcome));
  }

  async #admit(
    facts: RequestFacts,
    snapshot: CompiledSnapshot,
    body: Buffer,
  ): Promise<AdmittedRequest | Fault> {
    const { quotas, spool, clock, random } = this.#gateway;
    const request = readChatRequest(body);
    if (isFault(request)) return request;
    this.#noteRequest(facts, request);
    const resolved = resolveModel(request.model, facts.key, snapshot);
    if (isFault(resolved)) return resolved;
    const { model, alias } = resolved;
    facts.model = model.config.id;
    facts.alias = alias;
    const effortFault = checkReasoningEffort(request, model);
    if (effortFault !== undefined) return effortFault;
    const price = priceAt(model.prices, clock.nowMs());
    const attempts = planAttempts(model, 'chat', random);
    if (price === undefined || attempts.length === 0 || !spool.accepting) return unavailable(request.model);
    const hold = await quotas.hold({
      key: facts.key,
      worstCaseNano: worstCaseCost(request, model.config, price),
      reservedTokens: reservedTokens(request, model.config),
    });
    return isFault(hold) ? hold : { body, request, model, price, attempts, hold };
  }

  #noteRequest(facts: RequestFacts, request: ChatRequest): void {
    facts.requestedModel = request.model;
    facts.stream = request.stream;
    if (request.endUser === undefined) return;
    facts.endUser = keyedDigest(request.endUser, this.#gateway.sealingKey, SEAL_PURPOSES.endUser);
  }

  /** Tries the planned routes in turn, until one answers, the client's own mistake shows or content has been sent. */
  async #forward(exchange: Exchange, facts: RequestFacts, admitted: AdmittedRequest): Promise<ForwardEnd> {
    let end: ForwardEnd = { outcome: CLIENT_LEFT, reader: undefined };
    for (const route of admitted.attempts) {
      if (exchange.writer.aborted) return { outcome: CLIENT_LEFT, reader: end.reader };
      facts.upstream = route.upstream;
      const attempt = this.#startAttempt(exchange, admitted, route);
      attempt.onFirstContent = () => {
        facts.firstTokenMs = Math.round(this.#gateway.clock.monotonicMs() - exchange.startedAtMs);
        admitted.body = RELEASED_BODY;
      };
      end = { outcome: await attempt.outcome, reader: attempt.reader };
      this.#noteFailure(exchange, route, end.outcome);
      if (end.outcome.kind !== 'failed' || !end.outcome.retryable) return end;
    }
    return end;
  }

  #startAttempt(exchange: Exchange, admitted: AdmittedRequest, route: CompiledRoute): ForwardAttempt {
    const { upstreams, watch, silenceLimits } = this.#gateway;
    const { request, body, model } = admitted;
    const { upstream } = route;
    return new ForwardAttempt({
      client: upstreams,
      watch,
      limits: silenceLimits,
      dialect: chatDialect,
      writer: exchange.writer,
      request: {
        origin: upstream.origin,
        path: `${upstream.basePath}/chat/completions`,
        headers: providerHeaders(upstream, request.stream),
        body: providerChatBody(body, request, route.providerModel),
      },
      stream: request.stream,
      hidesUsageChunk: !request.wantsUsageChunk,
      modelName: jsonName(model.config.id),
      successHeaders: successHeaders(exchange, model, route, request.stream),
    });
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

const RELEASED_BODY = Buffer.alloc(0);
const CLIENT_LEFT: AttemptOutcome = { kind: 'client_left' };
const REASONING_EFFORTS: ReadonlySet<string> = new Set(['none', 'minimal', 'low', 'medium', 'high', 'xhigh']);

/** The documented values, and those that the model's own capabilities list beyond them (`max`). */
function checkReasoningEffort(request: ChatRequest, model: CompiledModel): Fault | undefined {
  const { reasoningEffort } = request;
  if (reasoningEffort === undefined || REASONING_EFFORTS.has(reasoningEffort)) return undefined;
  if (model.config.capabilities.reasoning?.effort?.includes(reasoningEffort)) return undefined;
  return fault(
    'unsupported_parameter',
    "'reasoning_effort' must be one of none, minimal, low, medium, high, xhigh.",
    { param: 'reasoning_effort' },
  );
}

function unavailable(model: string): Fault {
  return fault(
    'model_unavailable',
    `Model '${model.slice(0, 256)}' is temporarily unavailable. Please retry later.`,
  );
}

function successHeaders(
  exchange: Exchange,
  model: CompiledModel,
  route: CompiledRoute,
  isStream: boolean,
): string[] {
  const headers = baseHeaders(exchange, isStream ? 'text/event-stream; charset=utf-8' : 'application/json');
  headers.push('x-crossmodel-model', model.config.id);
  if (isStream) headers.push('cache-control', 'no-cache');
  if (route.upstream.sandbox) headers.push('x-crossmodel-sandbox', 'true');
  return headers;
}

/** What the request comes to: failures cost nothing, everything else what was produced. */
function resultOf(admitted: AdmittedRequest, end: ForwardEnd): RequestResult {
  const { outcome, reader } = end;
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
      if (reader === undefined) return unbilled('aborted', closed, 'client_closed');
      return billed(admitted, reader, { status: 'aborted', httpStatus: closed, errorCode: 'client_closed' });
    }
    case 'complete':
      if (reader === undefined) throw new Error('A complete answer has a reader');
      return billed(admitted, reader, { status: 'success', httpStatus: 200, errorCode: null });
  }
}

function billed(
  admitted: AdmittedRequest,
  reader: AnswerReader,
  ending: Pick<RequestResult, 'status' | 'httpStatus' | 'errorCode'>,
): RequestResult {
  const { request, model, price } = admitted;
  const usage: TokenUsage = reader.usage ?? {
    ...NO_TOKENS,
    input: estimatedInputTokens(request.prompt, model.config),
    output: estimatedTextTokens(reader.textBytes),
    source: 'estimated',
  };
  return { ...ending, usage, priceVersionId: price.id, costNano: costOf(usage, price) };
}

/** Sends the client what is still due, now that the request is recorded. */
function finish(exchange: Exchange, outcome: AttemptOutcome): void {
  switch (outcome.kind) {
    case 'complete':
    case 'broken':
      outcome.finish();
      return;
    case 'failed':
      if (exchange.writer.committed) exchange.writer.breakOff(chatDialect.encodeStreamFault(outcome.fault));
      else answerFault(exchange, outcome.fault);
      return;
    case 'client_left':
      return;
  }
}
