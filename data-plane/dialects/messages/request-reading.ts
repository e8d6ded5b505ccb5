import { isJsonObject } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import { type Fault, type FaultKind, fault } from '#shared/fault.ts';

/**
 * Reads one request of unknown types. The first thing that is wrong becomes {@link problem}; reading goes on with a harmless
 * value, so that the readers of nested fields need not pass failures up. `null` counts as absent everywhere.
 */
export class RequestReading {
  /** Fields that the turn has no word for, by their path: reported by whoever encodes the turn. */
  readonly unmodelled = new Set<string>();
  /** Names of the tool calls read so far, by their id. */
  readonly callNames = new Map<string, string>();
  #problem: Fault | undefined;

  get problem(): Fault | undefined {
    return this.#problem;
  }

  refuse(kind: FaultKind, param: string, message: string): void {
    this.#problem ??= fault(kind, message, { param });
  }

  /** Refuses a value of the wrong type: `rule` reads on after the field's name. */
  invalid(param: string, rule: string): void {
    const kind = param.startsWith('messages') ? 'invalid_messages' : 'invalid_request';
    this.refuse(kind, param, `'${param}' ${rule}`);
  }

  text(source: JsonObject, field: string, path: string): string | undefined {
    const value = source[field];
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'string') return value;
    this.invalid(join(path, field), 'must be a string.');
    return undefined;
  }

  /** A text that has to be there; `''` in its place when it is not. */
  requiredText(source: JsonObject, field: string, path: string): string {
    const value = source[field];
    if (typeof value === 'string') return value;
    this.invalid(join(path, field), 'is required and must be a string.');
    return '';
  }

  number(source: JsonObject, field: string, path: string): number | undefined {
    const value = source[field];
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'number') return value;
    this.invalid(join(path, field), 'must be a number.');
    return undefined;
  }

  /** An integer that is at least `least`. */
  integer(source: JsonObject, field: string, path: string, least: number): number | undefined {
    const value = this.number(source, field, path);
    if (value === undefined) return undefined;
    if (Number.isSafeInteger(value) && value >= least) return value;
    this.invalid(join(path, field), `must be an integer of at least ${least}.`);
    return undefined;
  }

  flag(source: JsonObject, field: string, path: string): boolean | undefined {
    const value = source[field];
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'boolean') return value;
    this.invalid(join(path, field), 'must be a boolean.');
    return undefined;
  }

  object(source: JsonObject, field: string, path: string): JsonObject | undefined {
    const value = source[field];
    if (value === undefined || value === null) return undefined;
    return this.asObject(value, join(path, field));
  }

  asObject(value: JsonValue | undefined, path: string): JsonObject | undefined {
    if (isJsonObject(value)) return value;
    this.invalid(path, 'must be an object.');
    return undefined;
  }

  /** Elements of a list; an absent list is empty. */
  list(source: JsonObject, field: string, path: string): readonly JsonValue[] {
    const value = source[field];
    if (value === undefined || value === null) return [];
    if (Array.isArray(value)) return value;
    this.invalid(join(path, field), 'must be an array.');
    return [];
  }
}

export function join(path: string, field: string): string {
  return path === '' ? field : `${path}.${field}`;
}
