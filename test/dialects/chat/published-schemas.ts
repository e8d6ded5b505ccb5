import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { isJsonObject } from '#data-plane/dialects/json-access.ts';
import { specFolder } from '#test/dialects/provider-recordings.ts';

/** Validators of the published OpenAI schemas, compiled once; `nullable` is translated, as it is no JSON Schema word. */
const validators = new Map<string, ValidateFunction>();
let ajv: Ajv2020 | undefined;

export function departuresFromOpenAi(schema: string, value: unknown): string[] {
  const validate = validators.get(schema) ?? compile(schema);
  validators.set(schema, validate);
  if (validate(value)) return [];
  return (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message ?? ''}`);
}

function compile(schema: string): ValidateFunction {
  ajv ??= load();
  return ajv.compile({ $ref: `openai#/components/schemas/${schema}` });
}

function load(): Ajv2020 {
  const path = join(specFolder ?? '', 'openai', 'openapi.json');
  const spec: unknown = JSON.parse(readFileSync(path, 'utf8'));
  const schemas = isJsonObject(spec) && isJsonObject(spec.components) ? spec.components.schemas : undefined;
  const loaded = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  loaded.addSchema({ $id: 'openai', components: { schemas: withoutNullable(schemas) } });
  return loaded;
}

function withoutNullable(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutNullable);
  if (typeof schema !== 'object' || schema === null) return schema;
  const entries = Object.entries(schema).map(([name, value]) => [name, withoutNullable(value)] as const);
  const { nullable, discriminator: _, ...rest } = Object.fromEntries(entries);
  return nullable === true ? { anyOf: [rest, { type: 'null' }] } : rest;
}
