import type { JsonObject, JsonSchema, JsonValue } from '../turn.ts';

const FIELDS = new Set(
  'type format title description nullable enum items maxItems minItems properties required minProperties maxProperties minimum maximum minLength maxLength pattern example anyOf propertyOrdering default'.split(
    ' ',
  ),
);
const COUNTS = ['maxItems', 'minItems', 'minProperties', 'maxProperties', 'minLength', 'maxLength'] as const;

/** The first keyword that Google's own kind of schema does not have: JSON Schema has more of them. */
export function findUnknownField(schema: JsonObject): string | undefined {
  const own = Object.keys(schema).find((name) => !FIELDS.has(name));
  if (own !== undefined) return own;
  for (const part of partsOf(schema)) {
    const inner = findUnknownField(part);
    if (inner !== undefined) return inner;
  }
  return undefined;
}

function partsOf(schema: JsonObject): JsonObject[] {
  const anyOf = Array.isArray(schema.anyOf) ? (schema.anyOf as readonly JsonValue[]) : [];
  const properties = isObject(schema.properties) ? Object.values(schema.properties) : [];
  return [...anyOf, ...properties, schema.items].filter(isObject);
}

/** Writes Google's kind of schema as JSON Schema: types in lower case, `nullable` as a type, counts as numbers. */
export function toJsonSchema(schema: JsonObject): JsonSchema {
  const { nullable, properties, items, anyOf, ...rest } = schema;
  const type = typeof schema.type === 'string' ? schema.type.toLowerCase() : undefined;
  const counts = COUNTS.filter((name) => schema[name] !== undefined).map((name) => [
    name,
    Number(schema[name]),
  ]);
  return {
    ...rest,
    ...(type === undefined ? {} : { type: nullable === true ? [type, 'null'] : type }),
    ...Object.fromEntries(counts),
    ...(isObject(items) ? { items: toJsonSchema(items) } : {}),
    ...(Array.isArray(anyOf) ? { anyOf: anyOf.filter(isObject).map(toJsonSchema) } : {}),
    ...(isObject(properties)
      ? {
          properties: Object.fromEntries(
            Object.entries(properties).map(([name, value]) => [
              name,
              isObject(value) ? toJsonSchema(value) : {},
            ]),
          ),
        }
      : {}),
  };
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
