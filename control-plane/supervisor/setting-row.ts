/** One row of the table that the README and `--help` show. */
export interface SettingRow {
  readonly name: string;
  readonly allowed: string;
  /** What holds when it is not set; '' when nothing does. */
  readonly fallback: string;
  readonly meaning: string;
  /** For a setting that only a child uses: what the supervisor checks before it passes it on as it is. */
  readonly check?: WholeNumbers | OneOf;
}

export interface WholeNumbers {
  readonly from: number;
  readonly to: number;
}

export interface OneOf {
  readonly values: readonly string[];
}

export const ONE_HOUR_MS = 3_600_000;

/** A setting that is a whole number of `range`, both ends included. */
export function wholeNumber(
  name: string,
  range: WholeNumbers,
  fallback: string,
  meaning: string,
): SettingRow {
  return { name, allowed: `${range.from} to ${range.to}`, fallback, meaning, check: range };
}
