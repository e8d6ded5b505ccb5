import type { CompiledKey } from '#data-plane/snapshot/compiled-snapshot.ts';
import type { Fault } from '#shared/fault.ts';
import type { NanoUsd } from '#shared/money.ts';

export interface HoldRequest {
  readonly key: CompiledKey;
  /** Worst plausible cost of the request. */
  readonly worstCaseNano: NanoUsd;
  /** Input estimate + expected output, capped at the key's TPM limit by the callee. */
  readonly reservedTokens: number;
}

/** Money and rate held for one request in flight. Opaque to everybody but the quotas. */
export interface Hold {
  readonly accountId: string;
  readonly apiKeyId: string;
  readonly heldNano: NanoUsd;
  readonly reservedTokens: number;
  /** Unix second whose rate bucket carries `reservedTokens`. */
  readonly bucketSecond: number;
}

/** Figures for `GET /v1/credits`, nano-USD. */
export interface WalletFigures {
  /** Ledger balance minus what is held and what is spent but not yet settled. */
  readonly spendableNano: NanoUsd;
  /** Held by requests in flight or spent and not yet settled. */
  readonly uncollectedNano: NanoUsd;
}

/** Rate limits and money, exact across processes. */
export interface Quotas {
  /**
   * Takes one request, its tokens and its worst-case cost, all or nothing. Refusals: `rate_limit_exceeded` (with
   * `retryAfterMs`), `insufficient_balance`, `no_wallet`, `model_unavailable` while quotas cannot be checked. Never throws.
   */
  hold(request: HoldRequest): Promise<Hold | Fault>;
  /** Ends a hold: `costNano` stays taken until the ledger settles it, the rest is free again. Call exactly once per hold. */
  settle(hold: Hold, costNano: NanoUsd, usedTokens: number): void;
  /** `undefined`: the account has no wallet. A `db_error` fault when no figure of the last minute is at hand. */
  readWallet(accountId: string): Promise<WalletFigures | undefined | Fault>;
}
