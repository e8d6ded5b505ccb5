import type { JsonValue } from './turn.ts';
import type { TurnFeature } from './turn-feature.ts';

/**
 * What a field of a client's request is for:
 * - a feature of the turn, judged by the provider's loss rules;
 * - `structure`: it holds other fields or tells of which kind they are;
 * - `gateway`: the gateway itself acts on it and says what the provider needs to know;
 * - `refused`: no lane can serve it.
 */
export type FieldMeaning = TurnFeature | 'structure' | 'gateway' | 'refused';

/**
 * One field of a client dialect. Paths are in the client's words: `a.b` a member, `a[]` any element of a list, `a[x]` the
 * elements of type (or role) `x`, `a(x)` the object when its type is `x`, `a=x` the value `x`; `x|y` either.
 */
export interface ClientField {
  readonly path: string;
  readonly asks: FieldMeaning;
  /** Words for the published table, behind those of the provider's rule. */
  readonly note?: string;
  /** Everything inside belongs to it and shares its fate. */
  readonly whole?: boolean;
  /** Paths inside that belong to it and share its fate; others inside are not known. */
  readonly members?: readonly string[];
  /** Values that ask for what is done anyway. */
  readonly neutral?: readonly JsonValue[];
  /** Counts only where this other field is absent. */
  readonly yieldsTo?: string;
  /** Not in the published schema, but understood: vendors of the dialect's family and their clients use it. */
  readonly beyondSchema?: boolean;
}

export interface ClientFieldList {
  readonly fields: readonly ClientField[];
  /** Type of the elements of a list that do not tell theirs, by the list's path. */
  readonly impliedTypes: Readonly<Record<string, string>>;
}

type FieldEntry = readonly [path: string, asks: FieldMeaning, more?: Omit<ClientField, 'path' | 'asks'>];

/** Fields from their short form. */
export function clientFields(entries: readonly FieldEntry[]): readonly ClientField[] {
  return entries.map(([path, asks, more]) => ({ path, asks, ...more }));
}

export interface PathStep {
  readonly name: string;
  /** How many levels of lists lie behind the name, and of which types their elements are; absent: any. */
  readonly element?: { readonly types: readonly string[] | undefined };
  /** Type of the object itself. */
  readonly types?: readonly string[];
  readonly value?: string;
}

const STEP = /^([^.[(=]+)(?:\[([^\]]*)\])?(?:\(([^)]*)\))?(?:=(.*))?/;

/** The steps of a field's path. Throws on a malformed one: the lists are ours. */
export function pathSteps(path: string): readonly PathStep[] {
  const steps: PathStep[] = [];
  let rest = path;
  while (rest !== '') {
    const match = STEP.exec(rest);
    if (match === null) throw new Error(`Malformed field path: ${path}`);
    const [whole, name = '', element, types, value] = match;
    steps.push({
      name,
      ...(element === undefined
        ? {}
        : { element: { types: element === '' ? undefined : element.split('|') } }),
      ...(types === undefined ? {} : { types: types.split('|') }),
      ...(value === undefined ? {} : { value }),
    });
    rest = rest.slice(whole.length);
    if (rest.startsWith('.')) rest = rest.slice(1);
    else if (rest !== '') throw new Error(`Malformed field path: ${path}`);
  }
  return steps;
}
