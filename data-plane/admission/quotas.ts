import type { CompiledKey } from '#data-plane/snapshot/compiled-snapshot.ts';
import type { Fault } from '#shared/fault.ts';
import type { NanoUsd } from '#shared/money.ts';

export interface HoldRequest {
  readonly key: CompiledKey;
  /** Worst plausible cost of the request. */
  readonly worstCaseNano: NanoUsd;
  /**
   * A smaller hold that will do where the worst case is not free, for one such request of the account at a time: for
   * answers whose length is neither stated nor stoppable.
   */
  readonly leastNano?: NanoUsd;
  /** Input estimate + expected output, capped at the key's TPM limit by the callee. */
  readonly reservedTokens: number;
}

/** Where a key stands in its limits per minute, as the rate-limit headers tell it. */
export interface RateStanding {
  readonly requestLimit: number;
  readonly tokenLimit: number;
  readonly remainingRequests: number;
  readonly remainingTokens: number;
  /** Until the whole limit is free again if nothing more is asked, ms. */
  readonly requestResetMs: number;
  readonly tokenResetMs: number;
}

/** Money and rate held for one request in flight. Opaque to everybody but the quotas. */
export interface Hold {
  readonly heldNano: NanoUsd;
  /** Label of the budget period that the cost counts against; `undefined`: the key has no budget. */
  readonly budgetPeriod: string | undefined;
  readonly standing: RateStanding;
}

/** Why a request may not run. `standing` is present where the rates were looked at. */
export interface QuotaRefusal extends Fault {
  readonly standing?: RateStanding;
}

/** `short`: there is no more money. `unknown`: nobody can say right now; ask again while what is held lasts. */
export type Extension = 'held' | 'short' | 'unknown';

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
   * Takes one request, its tokens and its worst-case cost, all or nothing; at once where this process has been lent enough.
   * Refusals: `rate_limit_exceeded` (with `retryAfterMs`), `insufficient_balance`, `no_wallet`, `model_unavailable` while
   * quotas cannot be checked. Never throws.
   */
  hold(request: HoldRequest): Hold | QuotaRefusal | Promise<Hold | QuotaRefusal>;
  /** Holds more money for a request in flight. Never throws. */
  extend(hold: Hold, additionalNano: NanoUsd): Extension | Promise<Extension>;
  /**
   * Ends a hold: `costNano` stays taken until the ledger settles it, the rest is free again. Call exactly once per hold.
   * Returns by how much the cost exceeds the hold.
   */
  settle(hold: Hold, costNano: NanoUsd, usedTokens: number): NanoUsd;
  /** `undefined`: the account has no wallet. A `db_error` fault when no figure of the last minute is at hand. */
  readWallet(accountId: string): Promise<WalletFigures | undefined | Fault>;
}
