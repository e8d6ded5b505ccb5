import { stringForPattern } from './string-for-pattern.ts';
import type { JsonObject, JsonSchema, JsonValue } from './turn.ts';
import type { ValueHints } from './value-hints.ts';

/** From this depth on a recursive schema takes its shortest way out. */
const SHALLOW_DEPTH = 6;
const MAX_DEPTH = 24;
const MAX_ITEMS = 64;

interface Walk {
  readonly root: JsonSchema;
  readonly hints: ValueHints;
  /** Whether properties that are not required are given as well. */
  readonly fillOptional: boolean;
}

interface Place {
  readonly field: string;
  readonly depth: number;
  /** Which item of an array this is: keeps items different from one another. */
  readonly item: number;
}

/**
 * Makes a value that satisfies a JSON schema, from what the hints offer and plain samples otherwise. Deterministic.
 * Covers what structured output and tool definitions use; `not`, `if` and `patternProperties` are not looked at.
 */
export function valueForSchema(schema: JsonSchema, hints: ValueHints, fillOptional: boolean): JsonValue {
  return valueAt(schema, { root: schema, hints, fillOptional }, { field: 'value', depth: 0, item: 0 });
}

function valueAt(declared: JsonSchema, walk: Walk, place: Place): JsonValue {
  const schema = resolve(declared, walk, place.depth);
  if (schema.const !== undefined) return schema.const;
  if (Array.isArray(schema.enum) && schema.enum.length > 0) return enumValue(schema.enum, walk, place);
  switch (typeOf(schema)) {
    case 'object':
      return objectValue(schema, walk, place);
    case 'array':
      return arrayValue(schema, walk, place);
    case 'integer':
      return numberValue(schema, walk, place, 'integer');
    case 'number':
      return numberValue(schema, walk, place, 'number');
    case 'boolean':
      return typeof schema.default === 'boolean' ? schema.default : true;
    case 'null':
      return null;
    default:
      return stringValue(schema, walk, place);
  }
}

/** Follows references and merges combined schemas until one plain schema is left. */
function resolve(declared: JsonSchema, walk: Walk, depth: number): JsonObject {
  let schema = asObject(declared);
  for (let step = 0; step < MAX_DEPTH; step += 1) {
    if (typeof schema.$ref === 'string') {
      const { $ref, ...rest } = schema;
      schema = merge(asObject(dereference($ref, walk.root)), rest);
    } else if (Array.isArray(schema.allOf)) {
      const { allOf, ...rest } = schema;
      schema = allOf.reduce<JsonObject>((merged, part) => merge(merged, asObject(part as JsonSchema)), rest);
    } else if (Array.isArray(schema.anyOf) || Array.isArray(schema.oneOf)) {
      const { anyOf, oneOf, ...rest } = schema;
      schema = merge(rest, pickBranch((anyOf ?? oneOf) as readonly JsonSchema[], depth));
    } else {
      return schema;
    }
  }
  return {};
}

function pickBranch(branches: readonly JsonSchema[], depth: number): JsonObject {
  const objects = branches.map(asObject);
  const isNull = (branch: JsonObject): boolean => branch.type === 'null';
  const plain = objects.find((branch) => !isNull(branch) && !('$ref' in branch));
  const shortest = objects.find(isNull) ?? plain;
  const natural = objects.find((branch) => !isNull(branch));
  return (depth >= SHALLOW_DEPTH ? shortest : natural) ?? objects[0] ?? {};
}

function merge(base: JsonObject, extra: JsonObject): JsonObject {
  const required = [...listOf(base.required), ...listOf(extra.required)];
  const properties = { ...asObject(base.properties), ...asObject(extra.properties) };
  return {
    ...base,
    ...extra,
    ...(required.length > 0 ? { required } : {}),
    ...(Object.keys(properties).length > 0 ? { properties } : {}),
  };
}

function dereference(reference: JsonValue | undefined, root: JsonSchema): JsonSchema {
  if (typeof reference !== 'string' || !reference.startsWith('#')) return {};
  let target: JsonValue | undefined = root;
  for (const step of reference.split('/').slice(1)) {
    const name = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
    target = asObject(target)[name];
  }
  return typeof target === 'boolean' ? target : asObject(target);
}

function typeOf(schema: JsonObject): string {
  const type = schema.type;
  if (typeof type === 'string') return type;
  if (Array.isArray(type)) return String(type.find((candidate) => candidate !== 'null') ?? 'null');
  if (schema.properties !== undefined || schema.required !== undefined) return 'object';
  if (schema.items !== undefined || schema.prefixItems !== undefined) return 'array';
  if (schema.minimum !== undefined || schema.maximum !== undefined) return 'number';
  return 'string';
}

function enumValue(values: readonly JsonValue[], walk: Walk, place: Place): JsonValue {
  const named = values.find((value) => typeof value === 'string' && walk.hints.names(value));
  if (named !== undefined && place.item === 0) return named;
  return values[place.item % values.length] ?? null;
}

function objectValue(schema: JsonObject, walk: Walk, place: Place): JsonObject {
  const properties = asObject(schema.properties);
  const required = new Set(listOf(schema.required));
  const names = new Set([...Object.keys(properties), ...required]);
  const value: Record<string, JsonValue> = {};
  for (const name of names) {
    const property = (properties[name] ?? {}) as JsonSchema;
    const wanted =
      required.has(name) || (place.depth < SHALLOW_DEPTH && isWorthGiving(name, property, walk, place));
    if (wanted && place.depth < MAX_DEPTH)
      value[name] = valueAt(property, walk, { field: name, depth: place.depth + 1, item: place.item });
  }
  const missing = numberOf(schema.minProperties, 0) - Object.keys(value).length;
  const further = schema.additionalProperties;
  for (let extra = 0; extra < Math.min(missing, MAX_ITEMS); extra += 1)
    value[`field_${extra + 1}`] = valueAt((further ?? {}) as JsonSchema, walk, {
      ...place,
      depth: place.depth + 1,
    });
  return value;
}

function isWorthGiving(name: string, property: JsonSchema, walk: Walk, place: Place): boolean {
  if (walk.fillOptional) return true;
  if (place.depth > 0) return false;
  const schema = resolve(property, walk, place.depth);
  if (Array.isArray(schema.enum))
    return schema.enum.some((value) => typeof value === 'string' && walk.hints.names(value));
  return typeOf(schema) === 'string' && walk.hints.valueFor(name, 'string') !== undefined;
}

function arrayValue(schema: JsonObject, walk: Walk, place: Place): JsonValue[] {
  const prefix = Array.isArray(schema.prefixItems) ? (schema.prefixItems as readonly JsonSchema[]) : [];
  const minimum = numberOf(schema.minItems, 0);
  const natural = place.depth >= SHALLOW_DEPTH ? prefix.length : Math.max(prefix.length, 1);
  const count = Math.min(Math.max(minimum, natural), numberOf(schema.maxItems, MAX_ITEMS), MAX_ITEMS);
  const items = (schema.items ?? schema.contains ?? {}) as JsonSchema;
  if (items === false && count > prefix.length) return prefix.map((item) => valueAt(item, walk, place));
  return Array.from({ length: count }, (_, item) =>
    valueAt(prefix[item] ?? items, walk, { field: singular(place.field), depth: place.depth + 1, item }),
  );
}

function numberValue(schema: JsonObject, walk: Walk, place: Place, type: 'integer' | 'number'): number {
  const step = numberOf(schema.multipleOf, type === 'integer' ? 1 : 0);
  const nudge = step > 0 ? step : 0.5;
  const exclusiveMinimum = schema.exclusiveMinimum;
  const exclusiveMaximum = schema.exclusiveMaximum;
  const low =
    typeof exclusiveMinimum === 'number' ? exclusiveMinimum + nudge : numberOf(schema.minimum, -Infinity);
  const high =
    typeof exclusiveMaximum === 'number' ? exclusiveMaximum - nudge : numberOf(schema.maximum, Infinity);
  const onStep = (value: number): number => (step > 0 ? Math.ceil(value / step) * step : value);
  const hint = walk.hints.valueFor(place.field, type);
  const isAllowed = (value: number): boolean => value >= low && value <= high && onStep(value) === value;
  if (typeof hint === 'number' && place.item === 0 && isAllowed(hint)) return hint;
  const start = onStep(Math.min(Math.max(1, low), high));
  const varied = start + place.item * (step > 0 ? step : 1);
  return varied <= high ? varied : start;
}

const FORMAT_SAMPLES: Readonly<Record<string, string>> = {
  date: '2026-01-15',
  'date-time': '2026-01-15T09:30:00Z',
  time: '09:30:00Z',
  duration: 'PT1H',
  email: 'sandbox@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/sandbox',
  url: 'https://example.com/sandbox',
  uuid: '123e4567-e89b-42d3-a456-426614174000',
};
const SENTENCE_FIELDS =
  /(answer|summary|message|text|content|reply|response|explanation|reasoning|description|result|output|body|note)/i;

function stringValue(schema: JsonObject, walk: Walk, place: Place): string {
  const minimum = numberOf(schema.minLength, 0);
  const maximum = numberOf(schema.maxLength, Infinity);
  const pattern = typeof schema.pattern === 'string' ? schema.pattern : undefined;
  const format = FORMAT_SAMPLES[String(schema.format)];
  const isAllowed = (text: string): boolean => {
    const length = [...text].length;
    return length >= minimum && length <= maximum && (pattern === undefined || matches(pattern, text));
  };
  const hint =
    format === undefined && place.item === 0 ? walk.hints.valueFor(place.field, 'string') : undefined;
  const declaredDefault = schema.default;
  for (const candidate of [hint, declaredDefault])
    if (typeof candidate === 'string' && candidate !== '' && isAllowed(candidate)) return candidate;
  if (pattern !== undefined) return stringForPattern(pattern) ?? '';
  if (format !== undefined) return format;
  const words = place.field.replaceAll(/[_-]+/g, ' ');
  const plain = SENTENCE_FIELDS.test(place.field)
    ? 'A sample answer of the sandbox: no language model was asked.'
    : `sample ${words}`;
  const numbered = place.item > 0 ? `${plain} ${place.item + 1}` : plain;
  return [...numbered.padEnd(Math.min(minimum, 100_000), '.')].slice(0, Math.max(0, maximum)).join('');
}

function matches(pattern: string, text: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(text);
  } catch {
    return true;
  }
}

function singular(field: string): string {
  return field.length > 3 && field.endsWith('s') ? field.slice(0, -1) : field;
}

function numberOf(value: JsonValue | undefined, fallback: number): number {
  return typeof value === 'number' ? value : fallback;
}

function listOf(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

/** `true`, `false` and everything that is no object read as the schema that allows anything. */
function asObject(value: JsonValue | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}
