import { type Fault, fault } from '#shared/fault.ts';
import type { CacheMark, ClientNames } from './turn.ts';
import type { TurnFeature } from './turn-feature.ts';

/** What becomes of one request feature at a provider. */
export type LossOutcome = 'carried' | 'mapped' | 'emulated' | 'dropped' | 'refused';

/** One cell of the published loss table; encoders decide by it, so the table cannot say anything else than the code. */
export interface LossRule {
  readonly outcome: LossOutcome;
  /** What it becomes or why it cannot be said, in words for the published table. */
  readonly note: string;
  /** It is what happens anyway, so that nothing has to be said. */
  readonly unsaid?: boolean;
}

export type LossRules = Readonly<Record<TurnFeature, LossRule>>;

export function carried(note = ''): LossRule {
  return { outcome: 'carried', note };
}

/** Carried without a word: the provider does so anyway. */
export function unsaid(note: string): LossRule {
  return { outcome: 'carried', note, unsaid: true };
}

export function mapped(note: string): LossRule {
  return { outcome: 'mapped', note };
}

export function emulated(note: string): LossRule {
  return { outcome: 'emulated', note };
}

export function dropped(note: string): LossRule {
  return { outcome: 'dropped', note };
}

export function refused(note: string): LossRule {
  return { outcome: 'refused', note };
}

/**
 * Applies the loss rules to one request and keeps what came of it, under the client's own names. `at` is the client's path
 * of the message, part or tool that has the feature; features of the whole request have none.
 */
export class RequestLosses {
  readonly #ruleOf: (feature: TurnFeature) => LossRule;
  readonly #names: ClientNames | undefined;
  readonly #dropped = new Set<string>();
  #refusal: Fault | undefined;

  constructor(ruleOf: (feature: TurnFeature) => LossRule, names: ClientNames | undefined) {
    this.#ruleOf = ruleOf;
    this.#names = names;
  }

  /** True when the feature is to be written; otherwise it is noted as dropped, or the request as refused. */
  admits(feature: TurnFeature, at?: string): boolean {
    const { outcome } = this.#ruleOf(feature);
    if (outcome === 'dropped') this.drop(feature, at);
    if (outcome === 'refused') this.refuse(feature, at);
    return outcome !== 'dropped' && outcome !== 'refused';
  }

  /** The same for a field outside the turn, by its path. */
  admitsField(feature: TurnFeature, path: string): boolean {
    const { outcome, note } = this.#ruleOf(feature);
    if (outcome === 'dropped') this.dropField(path);
    if (outcome === 'refused') this.refuseField(path, note);
    return outcome !== 'dropped' && outcome !== 'refused';
  }

  outcomeOf(feature: TurnFeature): LossOutcome {
    return this.#ruleOf(feature).outcome;
  }

  /** Notes a feature that cannot be said this time, whatever its rule says in general. */
  drop(feature: TurnFeature, at?: string): void {
    for (const name of this.#namesOf(feature, at)) this.#dropped.add(name);
  }

  /** Notes a breakpoint that has no place. */
  dropMark(mark: CacheMark): void {
    this.dropField(mark.at ?? 'cache_control');
  }

  /** Notes a field of the client by its path. */
  dropField(path: string): void {
    this.#dropped.add(path);
  }

  /** The first refusal stands. `reason` replaces the words of the rule. */
  refuse(feature: TurnFeature, at?: string, reason: string = this.#ruleOf(feature).note): void {
    this.refuseField(this.#namesOf(feature, at)[0] ?? at ?? feature, reason);
  }

  refuseField(param: string, reason: string): void {
    this.fail(
      fault(
        'unsupported_parameter',
        `'${param}' is not supported by the provider of this model: ${reason}.`,
        {
          param,
        },
      ),
    );
  }

  /** Refuses the request for a reason of its own. */
  fail(problem: Fault): void {
    this.#refusal ??= problem;
  }

  get refusal(): Fault | undefined {
    return this.#refusal;
  }

  get dropped(): readonly string[] {
    return [...this.#dropped];
  }

  #namesOf(feature: TurnFeature, at: string | undefined): readonly string[] {
    if (this.#names === undefined) return [at ?? feature];
    return at === undefined ? this.#names.ofRequest(feature) : [`${at}${this.#names.within(feature)}`];
  }
}
