/** Kinds of JSON values, as small integers so that a scan allocates nothing. */
export const JSON_KINDS = {
  string: 1,
  number: 2,
  object: 3,
  array: 4,
  true: 5,
  false: 6,
  null: 7,
} as const;
export type JsonKind = (typeof JSON_KINDS)[keyof typeof JSON_KINDS];

/** What to look at inside a value: named fields if it is an object, every item if it is an array. */
export interface JsonWatch {
  readonly fields?: WatchedFields;
  readonly items?: WatchedValue;
}

/** A value to report under `slot`, and what to look at inside it. */
export interface WatchedValue {
  readonly slot: number;
  readonly within?: JsonWatch;
}

export interface WatchedField extends WatchedValue {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Position among its siblings: one bit of the duplicate check. */
  readonly bit: number;
}

export interface WatchedFields {
  /** Candidates by the length of their name. */
  readonly byLength: readonly (readonly WatchedField[] | undefined)[];
  readonly byFoldedName: ReadonlyMap<string, WatchedField>;
}

/** Receives what a scan finds, innermost values first. It must not start another scan. */
export interface JsonSink {
  /** The bytes from `start` to `end` hold a watched value. */
  value(slot: number, kind: JsonKind, start: number, end: number): void;
  /**
   * A watched key came twice, or in a spelling that some parsers take for the watched one (`Model`). Whoever reads the
   * bytes next may pick another value than we did.
   */
  ambiguousKey(name: string, reason: 'duplicate' | 'spelling'): void;
}

const MAX_WATCHED_FIELDS = 32;

/** Compiles the fields to watch in an object. */
export function watchFields(fields: Readonly<Record<string, WatchedValue>>): WatchedFields {
  const byLength: WatchedField[][] = [];
  const byFoldedName = new Map<string, WatchedField>();
  for (const [name, watched] of Object.entries(fields)) {
    const field = { ...watched, name, bytes: Buffer.from(name), bit: 1 << byFoldedName.size };
    byFoldedName.set(foldKey(name), field);
    const sameLength = byLength[name.length] ?? [];
    sameLength.push(field);
    byLength[name.length] = sameLength;
  }
  if (byFoldedName.size > MAX_WATCHED_FIELDS) throw new Error('Too many watched fields for one object');
  return { byLength, byFoldedName };
}

/** Upper and lower case both, because folding parsers also take `ſ` for `s` and `K` (Kelvin) for `k`. */
export function foldKey(key: string): string {
  return key.toUpperCase().toLowerCase();
}
