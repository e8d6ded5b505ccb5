import { isJsonObject, objectOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';

const KEPT: ReadonlySet<string> = new Set(['title', 'default', 'type', 'enum', 'const', '$ref', 'required']);
const KEPT_FORMATS: ReadonlySet<JsonValue> = new Set([
  'date-time',
  'time',
  'date',
  'duration',
  'email',
  'hostname',
  'uri',
  'ipv4',
  'ipv6',
  'uuid',
]);
const LOCAL_REFERENCE = /^#\/(\$defs|definitions)\/[^/]+$/;
/** Keywords with a place of their own below, or without meaning for the answer. */
const HANDLED: ReadonlySet<string> = new Set([
  'properties',
  'items',
  'anyOf',
  'oneOf',
  'allOf',
  '$defs',
  'definitions',
  'additionalProperties',
  'description',
  'format',
  'minItems',
  '$schema',
  '$id',
  '$comment',
  'examples',
  'strict',
]);

/** A schema that the provider can hold an answer to, and how much of its limits that takes. */
export interface EnforceableSchema {
  readonly schema: JsonObject;
  readonly optionalProperties: number;
  readonly unions: number;
}

/**
 * Rewrites a JSON Schema into the part of the language that the provider enforces: objects are closed, keywords that it
 * refuses are told in words instead. `undefined` when the schema allows what cannot be enforced: free-form objects or
 * values, recursion, references to the outside.
 */
export function enforceableSchema(schema: JsonObject): EnforceableSchema | undefined {
  const rewriting = new SchemaRewriting();
  const rewritten = rewriting.rewrite(schema);
  if (rewritten === undefined || isRecursive(schema)) return undefined;
  return { schema: rewritten, optionalProperties: rewriting.optionalProperties, unions: rewriting.unions };
}

class SchemaRewriting {
  optionalProperties = 0;
  unions = 0;

  rewrite(value: JsonValue | undefined): JsonObject | undefined {
    if (!isJsonObject(value)) return undefined;
    const result: JsonObject = {};
    const told: string[] = [];
    for (const [keyword, setting] of Object.entries(value)) {
      if (KEPT.has(keyword)) result[keyword] = setting;
      else if (!HANDLED.has(keyword)) told.push(`${keyword}: ${JSON.stringify(setting)}`);
    }
    if (value.$ref !== undefined && !(typeof value.$ref === 'string' && LOCAL_REFERENCE.test(value.$ref)))
      return undefined;
    if (!saysSomething(value)) return undefined;
    this.#rewriteBounds(value, result, told);
    const nested =
      this.#rewriteUnions(value, result) &&
      this.#rewriteDefinitions(value, result) &&
      this.#rewriteObject(value, result) &&
      this.#rewriteItems(value, result);
    if (!nested) return undefined;
    const description = [value.description, ...(told.length > 0 ? [`{${told.join(', ')}}`] : [])];
    const words = description.filter((text) => typeof text === 'string' && text !== '').join('\n\n');
    if (words !== '') result.description = words;
    return result;
  }

  #rewriteBounds(value: JsonObject, result: JsonObject, told: string[]): void {
    if (value.format !== undefined) {
      if (KEPT_FORMATS.has(value.format)) result.format = value.format;
      else told.push(`format: ${JSON.stringify(value.format)}`);
    }
    if (value.minItems === 0 || value.minItems === 1) result.minItems = value.minItems;
    else if (value.minItems !== undefined) told.push(`minItems: ${JSON.stringify(value.minItems)}`);
  }

  #rewriteUnions(value: JsonObject, result: JsonObject): boolean {
    if (Array.isArray(value.type)) this.unions += 1;
    for (const keyword of ['anyOf', 'oneOf', 'allOf'] as const) {
      const branches = value[keyword];
      if (branches === undefined) continue;
      if (!Array.isArray(branches)) return false;
      const rewritten = branches.map((branch) => this.rewrite(branch));
      if (!rewritten.every((branch) => branch !== undefined)) return false;
      if (keyword !== 'allOf') this.unions += 1;
      result[keyword === 'oneOf' ? 'anyOf' : keyword] = rewritten;
    }
    return true;
  }

  #rewriteDefinitions(value: JsonObject, result: JsonObject): boolean {
    for (const keyword of ['$defs', 'definitions'] as const) {
      const definitions = value[keyword];
      if (definitions === undefined) continue;
      const rewritten = this.#rewriteAll(definitions);
      if (rewritten === undefined) return false;
      result[keyword] = rewritten;
    }
    return true;
  }

  #rewriteObject(value: JsonObject, result: JsonObject): boolean {
    if (!allows(value, 'object') && value.properties === undefined) return true;
    const properties = this.#rewriteAll(value.properties ?? {});
    if (properties === undefined || isJsonObject(value.additionalProperties)) return false;
    const names = Object.keys(properties);
    // An object without a single name is meant to be filled freely, unless it says that it is closed.
    if (names.length === 0 && value.additionalProperties !== false) return false;
    const required: readonly JsonValue[] = Array.isArray(value.required) ? value.required : [];
    this.optionalProperties += names.filter((name) => !required.includes(name)).length;
    result.properties = properties;
    result.additionalProperties = false;
    return true;
  }

  #rewriteItems(value: JsonObject, result: JsonObject): boolean {
    if (!allows(value, 'array')) return true;
    const items = this.rewrite(value.items);
    if (items === undefined || value.prefixItems !== undefined) return false;
    result.items = items;
    return true;
  }

  #rewriteAll(schemas: JsonValue): JsonObject | undefined {
    if (!isJsonObject(schemas)) return undefined;
    const result: JsonObject = {};
    for (const [name, schema] of Object.entries(schemas)) {
      const rewritten = this.rewrite(schema);
      if (rewritten === undefined || name === '__proto__') return undefined;
      result[name] = rewritten;
    }
    return result;
  }
}

function allows(schema: JsonObject, type: string): boolean {
  return schema.type === type || (Array.isArray(schema.type) && schema.type.includes(type));
}

const SAYING: readonly string[] = ['type', 'enum', 'const', '$ref', 'anyOf', 'oneOf', 'allOf', 'properties'];

function saysSomething(schema: JsonObject): boolean {
  return SAYING.some((keyword) => schema[keyword] !== undefined);
}

/** True when a definition leads back to itself. */
function isRecursive(schema: JsonObject): boolean {
  const definitions = { ...objectOf(schema.definitions), ...objectOf(schema.$defs) };
  const targets = new Map(
    Object.entries(definitions).map(([name, definition]) => [name, referencesIn(definition)]),
  );
  const leadsTo = (from: string, goal: string, seen: Set<string>): boolean =>
    (targets.get(from) ?? []).some((next) => {
      if (next === goal) return true;
      if (seen.has(next)) return false;
      return leadsTo(next, goal, seen.add(next));
    });
  return [...targets.keys()].some((name) => leadsTo(name, name, new Set()));
}

function referencesIn(value: JsonValue): string[] {
  if (Array.isArray(value)) return value.flatMap(referencesIn);
  if (!isJsonObject(value)) return [];
  const own = typeof value.$ref === 'string' ? [value.$ref.slice(value.$ref.lastIndexOf('/') + 1)] : [];
  return [...own, ...Object.values(value).flatMap(referencesIn)];
}
