import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { isJsonObject } from '#data-plane/dialects/json-access.ts';
import { specFolder } from '#test/dialects/provider-recordings.ts';

/** A validator of one of Google's published shapes of API version v1beta. */
export function compileGeminiSchema(name: string): ValidateFunction {
  const spec: unknown = JSON.parse(
    readFileSync(join(specFolder ?? '', 'gemini', 'openapi-v1beta.json'), 'utf8'),
  );
  const schemas = isJsonObject(spec) && isJsonObject(spec.components) ? spec.components.schemas : undefined;
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  ajv.addSchema({ $id: 'gemini', components: { schemas: closed(schemas) } });
  return ajv.compile({ $ref: `gemini#/components/schemas/${name}` });
}

/** Objects with named properties accept no others here: Gemini refuses unknown fields. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const entries = Object.entries(schema).map(([name, value]) => [name, closed(value)] as const);
  const result: Record<string, unknown> = Object.fromEntries(entries);
  const isNamed =
    result.type === 'object' && typeof result.properties === 'object' && !('additionalProperties' in result);
  return isNamed ? { ...result, additionalProperties: false } : result;
}
