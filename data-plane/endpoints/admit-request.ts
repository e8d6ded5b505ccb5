import { OutputGuard } from '#data-plane/admission/output-guard.ts';
import type { Hold, QuotaRefusal } from '#data-plane/admission/quotas.ts';
import { rateLimitHeaders } from '#data-plane/admission/rate-limit-headers.ts';
import { serverToolHold } from '#data-plane/admission/server-tool-hold.ts';
import { type HeldCost, holdFor, reservedTokens } from '#data-plane/admission/worst-case-cost.ts';
import type { ClientDialect, WatchedRequest } from '#data-plane/dialects/client-dialect.ts';
import type { Gateway } from '#data-plane/gateway.ts';
import { planAttempts } from '#data-plane/routing/plan-attempts.ts';
import { resolveModel } from '#data-plane/routing/resolve-model.ts';
import type {
  CompiledModel,
  CompiledRoute,
  CompiledSnapshot,
} from '#data-plane/snapshot/compiled-snapshot.ts';
import type { CountSample } from '#data-plane/token-count/token-counter.ts';
import { type Fault, fault, isFault } from '#shared/fault.ts';
import { type PriceVersion, priceAt } from '#shared/price.ts';
import { keyedDigest, SEAL_PURPOSES } from '#shared/sealed-secret.ts';
import { isForwarded } from './choose-lane.ts';
import type { Exchange } from './exchange.ts';
import { RequestBody } from './request-body.ts';
import { judgeMedia } from './request-media.ts';
import type { RequestFacts } from './request-record.ts';

/** A request that passed every check and holds its money. */
export interface AdmittedRequest {
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

/** A request that passed every check of its own and asks for its money. */
interface CheckedRequest
  extends Pick<AdmittedRequest, 'body' | 'dialect' | 'request' | 'model' | 'price' | 'attempts'> {
  readonly exchange: Exchange;
  readonly facts: RequestFacts;
}

/**
 * Checks requests and takes their money: reads, resolves, plans and holds. Everything happens at once unless a URL must be
 * judged or Redis be asked: a request of a busy key waits for nothing.
 */
export class RequestAdmission {
  readonly #gateway: Gateway;
  readonly #dialect: ClientDialect;

  constructor(gateway: Gateway, dialect: ClientDialect) {
    this.#gateway = gateway;
    this.#dialect = dialect;
  }

  /** What becomes of a body. `facts` learns on the way what is to be recorded. May throw or reject for bugs only. */
  admit(
    exchange: Exchange,
    facts: RequestFacts,
    snapshot: CompiledSnapshot,
    bytes: Buffer,
  ): AdmittedRequest | Fault | Promise<AdmittedRequest | Fault> {
    const checked = this.#check(exchange, facts, snapshot, bytes);
    if (isFault(checked)) return checked;
    if (checked.request.mediaUrls.length === 0) return this.#hold(checked);
    return judgeMedia(this.#gateway, exchange, checked.request).then(
      (refusal) => refusal ?? this.#hold(checked),
    );
  }

  #check(
    exchange: Exchange,
    facts: RequestFacts,
    snapshot: CompiledSnapshot,
    bytes: Buffer,
  ): CheckedRequest | Fault {
    const { spool, clock, random } = this.#gateway;
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
    return { exchange, facts, body, dialect, request, model, price, attempts };
  }

  #hold(checked: CheckedRequest): AdmittedRequest | Fault | Promise<AdmittedRequest | Fault> {
    const { facts, body, request, model, price, attempts } = checked;
    const mayWriteHourCache = attempts.some((route) => route.upstream.protocol === 'messages');
    const cost = holdFor(request, model.config, price, mayWriteHourCache);
    const toolsNano = serverToolHold(body.bytes, request.historyPlace, price);
    const asked = this.#gateway.quotas.hold({
      key: facts.key,
      worstCaseNano: cost.worstCaseNano + toolsNano,
      ...(cost.leastNano === undefined ? {} : { leastNano: cost.leastNano + toolsNano }),
      reservedTokens: reservedTokens(request, model.config),
    });
    if (asked instanceof Promise) return asked.then((hold) => this.#held(checked, cost, hold));
    return this.#held(checked, cost, asked);
  }

  #held(checked: CheckedRequest, cost: HeldCost, hold: Hold | QuotaRefusal): AdmittedRequest | Fault {
    const { exchange, facts, body, dialect, request, model, price, attempts } = checked;
    const { quotas, clock } = this.#gateway;
    if (hold.standing !== undefined)
      exchange.rateHeaders = rateLimitHeaders(exchange.shape, hold.standing, clock.nowMs());
    if (isFault(hold)) return hold;
    facts.budgetPeriod = hold.budgetPeriod;
    const guard = cost.steps && new OutputGuard(quotas, hold, cost.steps);
    const sample = this.#sample(dialect, model, request, body.bytes);
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
}

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

function unavailable(model: string): Fault {
  return fault(
    'model_unavailable',
    `Model '${model.slice(0, 256)}' is temporarily unavailable. Please retry later.`,
  );
}
