import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv } from 'ajv';
import type { FormObject } from '#control-plane/development/fake-stripe/form-body.ts';
import { sharedMaterialFolder } from '#test/setup/settings.ts';

interface TypeSchema {
  properties?: Record<string, unknown>;
  additionalProperties?: unknown;
}

/** Checks the parameters of a request against the types that Stripe publishes for the API version we use. */
export type ParameterCheck = (typeName: string, form: FormObject) => readonly string[];

let check: ParameterCheck | undefined;

/** `undefined` where the published types are not at hand. */
export function publishedParameterCheck(): ParameterCheck | undefined {
  const folder = sharedMaterialFolder();
  if (folder === undefined) return undefined;
  check ??= compileCheck(path.join(folder, 'specs', 'stripe', 'types-2026-10-28.schema.json'));
  return check;
}

function compileCheck(file: string): ParameterCheck {
  const schema = JSON.parse(readFileSync(file, 'utf8')) as { definitions: Record<string, TypeSchema> };
  // The types come from TypeScript, where a parameter that does not exist is an error too.
  for (const [name, type] of Object.entries(schema.definitions))
    if (name.includes('Params') && type.properties && type.additionalProperties === undefined)
      type.additionalProperties = false;
  // A form has only texts: numbers and booleans are written as they are read.
  const ajv = new Ajv({ strict: false, coerceTypes: true, allErrors: true });
  ajv.addSchema(schema, 'stripe');
  return (typeName, form) => {
    const validate = ajv.getSchema(`stripe#/definitions/${typeName}`);
    if (validate === undefined) return [`The published types have no ${typeName}`];
    if (validate(structuredClone(form))) return [];
    return (validate.errors ?? []).map(
      (error) => `${error.instancePath} ${error.message ?? ''} ${JSON.stringify(error.params)}`,
    );
  };
}
