import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isJsonObject, textOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';

const shared = process.env.CROSSMODEL_SHARED;
export const hasSpecs = shared !== undefined;

interface SchemaSource {
  readonly file: string;
  /** Where the schema stands in the file. */
  readonly pointer: string;
}

/** The request schemas of each client dialect; of Messages every version and beta that was published. */
export const REQUEST_SCHEMAS = {
  chat: [{ file: 'openai/openapi.json', pointer: 'components/schemas/CreateChatCompletionRequest' }],
  responses: [{ file: 'openai/openapi.json', pointer: 'components/schemas/CreateResponse' }],
  messages: [
    {
      file: 'anthropic/messages.types-2023-06-01.schema.json',
      pointer: 'definitions/MessageCreateParamsNonStreaming',
    },
    {
      file: 'anthropic/messages.types-2026-10-21.schema.json',
      pointer: 'definitions/MessageCreateParamsNonStreaming',
    },
    { file: 'anthropic/openapi.json', pointer: 'components/schemas/CreateMessageParams' },
    { file: 'anthropic/openapi.json', pointer: 'components/schemas/BetaCreateMessageParams' },
  ],
} as const satisfies Record<string, readonly SchemaSource[]>;

/** Every path of a published request in the grammar of the client field lists, the kinds of unions included. */
export function publishedPaths(sources: readonly SchemaSource[]): readonly string[] {
  const paths = new Set<string>();
  for (const { file, pointer } of sources) {
    const document: unknown = JSON.parse(readFileSync(join(shared ?? '', 'specs', file), 'utf8'));
    if (!isJsonObject(document)) throw new Error(`${file} is no object`);
    new SchemaWalk(document, paths).walk({ $ref: `#/${pointer}` }, '', []);
  }
  return [...paths];
}

class SchemaWalk {
  readonly #document: JsonObject;
  readonly #paths: Set<string>;

  constructor(document: JsonObject, paths: Set<string>) {
    this.#document = document;
    this.#paths = paths;
  }

  /** `open` holds the schemas that are being walked: recursive ones are entered once. */
  walk(schema: JsonValue | undefined, path: string, open: readonly JsonObject[]): void {
    const variants = this.#variants(schema);
    const objects = variants.filter((variant) => isJsonObject(variant.properties));
    for (const { items } of variants) if (items !== undefined) this.walk(items, `${path}[]`, open);
    for (const variant of objects) {
      const properties = variant.properties as JsonObject;
      const kinds = this.#kindsOf(properties);
      const isElement = path.endsWith('[]');
      const tells = kinds !== undefined && (isElement || objects.length > 1);
      const at = tells ? withKinds(path, kinds) : path;
      if (tells) this.#paths.add(at);
      if (open.some((seen) => seen === properties)) continue;
      for (const [name, inner] of Object.entries(properties)) {
        const below = at === '' ? name : `${at}.${name}`;
        this.#paths.add(below);
        this.walk(inner, below, [...open, properties]);
      }
    }
  }

  #resolved(schema: JsonValue | undefined): JsonObject {
    if (!isJsonObject(schema)) return {};
    const reference = textOf(schema.$ref);
    if (reference === undefined) return schema;
    const target = reference
      .slice(2)
      .split('/')
      .reduce<JsonValue | undefined>(
        (value, key) => (isJsonObject(value) ? value[decodeURIComponent(key)] : undefined),
        this.#document,
      );
    return this.#resolved(target);
  }

  /** The alternatives that a schema allows, each with all of its properties. */
  #variants(schema: JsonValue | undefined): readonly JsonObject[] {
    const resolved = this.#resolved(schema);
    const { allOf, oneOf, anyOf, ...own } = resolved;
    const alternatives = [oneOf, anyOf].flatMap((list) => (Array.isArray(list) ? list : []));
    let variants: readonly JsonObject[] =
      alternatives.length === 0
        ? [own]
        : alternatives.flatMap((item) => this.#variants(item)).map((item) => merged(own, item));
    for (const part of Array.isArray(allOf) ? allOf : []) {
      const partVariants = this.#variants(part);
      variants = variants.flatMap((variant) => partVariants.map((other) => merged(variant, other)));
    }
    return variants;
  }

  /** Values of the member by which the alternatives of a union are told apart. */
  #kindsOf(properties: JsonObject): readonly string[] | undefined {
    for (const name of ['type', 'role']) {
      const kinds = this.#constants(properties[name]);
      if (kinds.length > 0) return kinds;
    }
    return undefined;
  }

  #constants(schema: JsonValue | undefined): string[] {
    if (schema === undefined) return [];
    return this.#variants(schema).flatMap((variant) => {
      const listed = Array.isArray(variant.enum) ? variant.enum : [];
      return [...listed, variant.const].filter((value) => typeof value === 'string');
    });
  }
}

/** Keeps the identity of `properties` where nothing is joined to it, by which recursion is found. */
function merged(one: JsonObject, other: JsonObject): JsonObject {
  const both = isJsonObject(one.properties) && isJsonObject(other.properties);
  const properties = both
    ? { ...(one.properties as JsonObject), ...(other.properties as JsonObject) }
    : undefined;
  return { ...one, ...other, ...(properties === undefined ? {} : { properties }) };
}

function withKinds(path: string, kinds: readonly string[]): string {
  const all = kinds.join('|');
  return path.endsWith('[]') ? `${path.slice(0, -2)}[${all}]` : `${path}(${all})`;
}
