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
