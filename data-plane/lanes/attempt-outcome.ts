import type { UpstreamFailure } from '#data-plane/upstream/upstream-client.ts';
import type { Fault } from '#shared/fault.ts';

/** Why an attempt failed, for operators; clients learn only the fault. */
export type FailureReason =
  | UpstreamFailure
  | 'first_byte_timeout'
  | 'idle_timeout'
  /** It answered with an error status, or with an error inside a 200. */
  | 'provider_refused'
  | 'unreadable_answer'
  | 'answer_too_large'
  | 'answer_cut_short'
  /** The provider's protocol has no words for what was asked; nothing was sent. */
  | 'not_expressible'
  /** Its output has no stated limit, and there is no money for more of it. */
  | 'out_of_money'
  | 'bug_of_ours';

/**
 * How an attempt ended. `finish` sends the client what is still due; call it once the request is recorded. A `failed`
 * attempt has sent no content: another may follow, or the fault be answered.
 */
export type AttemptOutcome =
  | { readonly kind: 'complete'; readonly finish: () => void }
  | {
      readonly kind: 'failed';
      readonly fault: Fault;
      readonly retryable: boolean;
      readonly reason: FailureReason;
    }
  | {
      readonly kind: 'broken';
      readonly fault: Fault;
      readonly reason: FailureReason;
      readonly finish: () => void;
    }
  /** There is no more money for it: what was delivered is billed. */
  | { readonly kind: 'cut_off'; readonly fault: Fault; readonly finish: () => void }
  | { readonly kind: 'client_left' };

/** Who made an attempt and hears of it. */
export interface AttemptOwner {
  /** The first content reaches the client. */
  onFirstContent(): void;
  /** How it ended; called once, and nothing is heard after it. */
  onOutcome(outcome: AttemptOutcome): void;
}
