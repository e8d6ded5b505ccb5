import { CONTROL_CHARACTERS } from './input-rules.ts';
import { type UserError, userError } from './user-error.ts';

/** What the owner of an object notes on it: names with texts, searchable, never interpreted. */
export type Metadata = Readonly<Record<string, string>>;

export const MAX_METADATA_ENTRIES = 20;
const MAX_VALUE_LENGTH = 500;
const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$/;

/** At most 20 entries: names of 1 to 64 letters, digits or _ . : -, values of at most 500 characters. */
export function checkMetadata(metadata: Metadata, ...path: string[]): UserError[] {
  const entries = Object.entries(metadata);
  const wellFormed = entries.every(
    ([name, value]) =>
      NAME_PATTERN.test(name) && value.length <= MAX_VALUE_LENGTH && !CONTROL_CHARACTERS.test(value),
  );
  if (wellFormed && entries.length <= MAX_METADATA_ENTRIES) return [];
  const rule = `Metadata has at most ${MAX_METADATA_ENTRIES} entries; a name has 1 to 64 letters, digits or _ . : -, a value at most ${MAX_VALUE_LENGTH} characters without control characters.`;
  return [userError('INVALID_INPUT', rule, ...path)];
}
