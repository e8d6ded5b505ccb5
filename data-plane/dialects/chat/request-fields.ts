import { countOf, isJsonObject } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import { type Fault, fault } from '#shared/fault.ts';

/** Reads typed fields and keeps the first that is of another type. `null` counts as absent. */
export class RequestFields {
  failure: Fault | undefined;
  readonly #body: JsonObject;

  constructor(body: JsonObject) {
    this.#body = body;
  }

  fail(param: string, rule: string): undefined {
    this.failure ??= fault('unsupported_parameter', `'${param}' ${rule}`, { param });
    return undefined;
  }

  value(name: string): JsonValue | undefined {
    return this.#body[name] ?? undefined;
  }

  flag(name: string): boolean | undefined {
    const value = this.value(name);
    if (value === undefined || typeof value === 'boolean') return value;
    return this.fail(name, 'must be a boolean.');
  }

  number(name: string): number | undefined {
    const value = this.value(name);
    if (value === undefined || typeof value === 'number') return value;
    return this.fail(name, 'must be a number.');
  }

  count(name: string, min: number, max = Number.MAX_SAFE_INTEGER): number | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    const count = countOf(value);
    if (count !== undefined && count >= min && count <= max) return count;
    return this.fail(
      name,
      max === Number.MAX_SAFE_INTEGER
        ? 'must be a positive integer.'
        : `must be an integer from ${min} to ${max}.`,
    );
  }

  text(name: string): string | undefined {
    const value = this.value(name);
    if (value === undefined || typeof value === 'string') return value;
    return this.fail(name, 'must be a string.');
  }

  object(name: string): JsonObject | undefined {
    const value = this.value(name);
    if (value === undefined || isJsonObject(value)) return value;
    return this.fail(name, 'must be an object.');
  }

  list(name: string): readonly JsonValue[] | undefined {
    const value = this.value(name);
    if (value === undefined || Array.isArray(value)) return value;
    return this.fail(name, 'must be an array.');
  }
}
