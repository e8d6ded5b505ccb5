import { type Fault, fault } from '#shared/fault.ts';
import type { Extension, Hold, Quotas } from './quotas.ts';
import { type OutputSteps, worstTextTokens } from './worst-case-cost.ts';

/** `wait`: more money has been asked for; `onDecided` tells when to go on. */
export type GuardVerdict = 'go' | 'wait' | 'stop';

/** More is asked for when this much of a step is left. */
const ASK_BEFORE = 0.5;

/**
 * Watches a stream whose output has no stated limit: its hold covers a few thousand tokens and grows in steps, each before it
 * is needed. When there is no more money the stream must end.
 */
export class OutputGuard {
  /** Called when an answer that was waited for is there. */
  onDecided: (() => void) | undefined;
  readonly #quotas: Quotas;
  readonly #hold: Hold;
  readonly #steps: OutputSteps;
  #heldTokens: number;
  #asking = false;
  #last: Extension = 'held';

  constructor(quotas: Quotas, hold: Hold, steps: OutputSteps) {
    this.#quotas = quotas;
    this.#hold = hold;
    this.#steps = steps;
    this.#heldTokens = steps.firstTokens;
  }

  /** Judges a stream that has brought `textBytes` of text so far. */
  check(textBytes: number): GuardVerdict {
    const { ceilingTokens, stepTokens } = this.#steps;
    const tokens = worstTextTokens(textBytes);
    while (this.#heldTokens < ceilingTokens && tokens >= this.#heldTokens - stepTokens * ASK_BEFORE)
      if (!this.#askForMore()) break;
    if (tokens < this.#heldTokens || this.#heldTokens >= ceilingTokens) return 'go';
    return this.#asking ? 'wait' : 'stop';
  }

  /** Why the stream must stop. */
  get refusal(): Fault {
    return this.#last === 'short'
      ? fault('insufficient_balance', 'Insufficient balance. Please recharge your wallet.')
      : fault('model_unavailable', 'Balances cannot be checked right now. Please retry in a moment.');
  }

  /** True when another step is held already. */
  #askForMore(): boolean {
    if (this.#asking || this.#last === 'short') return false;
    const outcome = this.#quotas.extend(this.#hold, this.#steps.stepNano);
    if (!(outcome instanceof Promise)) return this.#note(outcome);
    this.#asking = true;
    void outcome.then((extension) => {
      this.#asking = false;
      this.#note(extension);
      this.onDecided?.();
    });
    return false;
  }

  #note(extension: Extension): boolean {
    this.#last = extension;
    if (extension === 'held') this.#heldTokens += this.#steps.stepTokens;
    return extension === 'held';
  }
}
