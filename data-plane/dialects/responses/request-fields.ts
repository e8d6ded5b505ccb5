import { isJsonObject } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import { type Fault, type FaultKind, fault } from '#shared/fault.ts';

/**
 * Reads fields of an untrusted request. `null` counts as absent; the first field of a wrong type becomes the fault, and
 * reading goes on with that field absent.
 */
export class RequestFields {
  #fault: Fault | undefined;

  /** The first complaint. */
  get fault(): Fault | undefined {
    return this.#fault;
  }

  refuse(kind: FaultKind, param: string, message: string): undefined {
    this.#fault ??= fault(kind, message, { param });
    return undefined;
  }

  text(value: JsonValue | undefined, param: string): string | undefined {
    if (value === undefined || value === null || typeof value === 'string') return value ?? undefined;
    return this.#wrongType(param, 'a string');
  }

  /** A text that must be there. */
  requiredText(value: JsonValue | undefined, param: string): string {
    if (typeof value === 'string') return value;
    this.#wrongType(param, 'a string');
    return '';
  }

  number(value: JsonValue | undefined, param: string): number | undefined {
    if (value === undefined || value === null || typeof value === 'number') return value ?? undefined;
    return this.#wrongType(param, 'a number');
  }

  integer(value: JsonValue | undefined, param: string, least: number): number | undefined {
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value;
    return this.#wrongType(param, `an integer of at least ${least}`);
  }

  flag(value: JsonValue | undefined, param: string): boolean | undefined {
    if (value === undefined || value === null || typeof value === 'boolean') return value ?? undefined;
    return this.#wrongType(param, 'a boolean');
  }

  object(value: JsonValue | undefined, param: string): JsonObject | undefined {
    if (value === undefined || value === null) return undefined;
    return isJsonObject(value) ? value : this.#wrongType(param, 'an object');
  }

  list(value: JsonValue | undefined, param: string): readonly JsonValue[] {
    if (value === undefined || value === null) return [];
    if (Array.isArray(value)) return value;
    this.#wrongType(param, 'an array');
    return [];
  }

  #wrongType(param: string, wanted: string): undefined {
    return this.refuse('invalid_request', param, `'${param}' must be ${wanted}.`);
  }
}
