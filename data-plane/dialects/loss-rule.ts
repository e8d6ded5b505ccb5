import { type Fault, fault } from '#shared/fault.ts';

/** What becomes of one request feature at a provider. */
export type LossOutcome = 'carried' | 'mapped' | 'emulated' | 'dropped' | 'refused';

/** One cell of the published loss table; encoders decide by it, so the table cannot say anything else than the code. */
export interface LossRule {
  readonly outcome: LossOutcome;
  /** What it becomes or why it cannot be said, in words for the published table. */
  readonly note: string;
}

export type LossRules<Feature extends string> = Readonly<Record<Feature, LossRule>>;

export function carried(note = ''): LossRule {
  return { outcome: 'carried', note };
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

/** Applies the loss rules to one request and keeps what came of it. */
export class RequestLosses<Feature extends string> {
  readonly #ruleOf: (feature: Feature) => LossRule;
  readonly #dropped = new Set<string>();
  #refusal: Fault | undefined;

  constructor(ruleOf: (feature: Feature) => LossRule) {
    this.#ruleOf = ruleOf;
  }

  /** True when the feature is to be written; otherwise `field` is noted as dropped, or the request as refused. */
  admits(feature: Feature, field: string): boolean {
    const rule = this.#ruleOf(feature);
    if (rule.outcome === 'dropped') this.drop(field);
    if (rule.outcome === 'refused') this.refuse(field, rule.note);
    return rule.outcome !== 'dropped' && rule.outcome !== 'refused';
  }

  outcomeOf(feature: Feature): LossOutcome {
    return this.#ruleOf(feature).outcome;
  }

  drop(field: string): void {
    this.#dropped.add(field);
  }

  /** The first refusal stands. */
  refuse(field: string, reason: string): void {
    this.#refusal ??= fault(
      'unsupported_parameter',
      `'${field}' is not supported by the provider of this model: ${reason}.`,
      { param: field },
    );
  }

  get refusal(): Fault | undefined {
    return this.#refusal;
  }

  get dropped(): readonly string[] {
    return [...this.#dropped];
  }
}
