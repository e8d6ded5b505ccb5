import { authenticate } from '#data-plane/admission/authenticate.ts';
import type { ClientDialect } from '#data-plane/dialects/client-dialect.ts';
import type { Gateway } from '#data-plane/gateway.ts';
import type { CompiledSnapshot } from '#data-plane/snapshot/compiled-snapshot.ts';
import { CallerNetworks } from '#data-plane/usage/caller-networks.ts';
import { FAULTS, type Fault, isFault } from '#shared/fault.ts';
import { type AdmittedRequest, RequestAdmission } from './admit-request.ts';
import { answerFault, answerUnexpected, type Exchange, unexpectedFault } from './exchange.ts';
import type { RefusalRecords } from './refusal-records.ts';
import { buildRecord, openFacts, type RequestFacts, unbilled } from './request-record.ts';
import { RequestRun } from './request-run.ts';
import { callerOf } from './shared-get.ts';

/**
 * The story of one inference request: authenticate, read, resolve, admit, forward, settle, record. Every request of a known
 * key ends in exactly one usage record, and every hold is settled exactly once.
 */
export class InferenceEndpoint {
  readonly #gateway: Gateway;
  readonly #refusals: RefusalRecords;
  readonly #dialect: ClientDialect;
  readonly #admission: RequestAdmission;
  readonly #networks = new CallerNetworks();

  constructor(gateway: Gateway, refusals: RefusalRecords, dialect: ClientDialect) {
    this.#gateway = gateway;
    this.#refusals = refusals;
    this.#dialect = dialect;
    this.#admission = new RequestAdmission(gateway, dialect);
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
    const network = this.#networks.note(caller.config.id, clock.nowMs(), presented.address);
    const facts = openFacts(this.#dialect.name, caller, network);
    exchange.intake.keepProviderHeaders(exchange.shape);
    exchange.writer.onAborted = () => exchange.intake.discardBody();
    exchange.intake.readBody(bodyLimits, (body) => {
      if (isFault(body)) this.#refuse(exchange, facts, body);
      else this.#serve(exchange, facts, snapshot, body);
    });
  }

  /** Admits and runs a request. Never throws, and never rejects. */
  #serve(exchange: Exchange, facts: RequestFacts, snapshot: CompiledSnapshot, body: Buffer): void {
    try {
      const admitted = this.#admission.admit(exchange, facts, snapshot, body);
      if (!(admitted instanceof Promise)) {
        this.#run(exchange, facts, admitted);
        return;
      }
      admitted.then(
        (decided) => this.#run(exchange, facts, decided),
        (error: unknown) => this.#fail(exchange, facts, error),
      );
    } catch (error) {
      this.#fail(exchange, facts, error);
    }
  }

  #run(exchange: Exchange, facts: RequestFacts, admitted: AdmittedRequest | Fault): void {
    if (!isFault(admitted)) new RequestRun(this.#gateway, exchange, facts, admitted).start();
    else
      try {
        this.#refuse(exchange, facts, admitted);
      } catch (error) {
        answerUnexpected(this.#gateway, exchange, error);
      }
  }

  #fail(exchange: Exchange, facts: RequestFacts, error: unknown): void {
    this.#run(exchange, facts, unexpectedFault(this.#gateway, exchange, error));
  }

  /** Answers a request that never reached a provider. */
  #refuse(exchange: Exchange, facts: RequestFacts, refusal: Fault): void {
    const { clock, spool } = this.#gateway;
    const left = exchange.writer.aborted;
    const result = left
      ? unbilled('aborted', FAULTS.client_closed.status, 'client_closed')
      : unbilled('error', FAULTS[refusal.kind].status, refusal.kind);
    const record = buildRecord(exchange, facts, result, 0n, clock.monotonicMs());
    const answer = () => answerFault(exchange, refusal);
    if (FAULTS[refusal.kind].blame === 'client') this.#refusals.add(record, answer);
    else spool.append(record, answer);
  }
}
