import { type ClientField, type ClientFieldList, pathSteps } from './client-field.ts';
import { objectOf, textOf } from './json-access.ts';
import type { ClientNames, JsonObject, JsonValue } from './turn.ts';

/** The names that a body of a client dialect gives, by the dialect's list of fields. */
export function clientNames(list: ClientFieldList, body: JsonObject): ClientNames {
  return {
    ofRequest: (feature) => {
      const paths = list.fields
        .filter((field) => field.asks === feature && !field.path.includes('['))
        .flatMap((field) => givenPath(field, body) ?? []);
      return [...new Set(paths)];
    },
    within: (feature) => suffixOf(list, feature),
  };
}

/** The plain path of a field that the body has with a value that asks for something. */
function givenPath(field: ClientField, body: JsonObject): string | undefined {
  let value: JsonValue | undefined = body;
  const names: string[] = [];
  for (const step of pathSteps(field.path)) {
    value = objectOf(value)?.[step.name];
    names.push(step.name);
    if (value === undefined || value === null) return undefined;
    if (step.types !== undefined && !step.types.includes(textOf(objectOf(value)?.type) ?? ''))
      return undefined;
    if (step.value !== undefined && value !== step.value) return undefined;
  }
  return names.join('.');
}

function suffixOf(list: ClientFieldList, feature: string): string {
  const field = list.fields.find(({ asks, path }) => asks === feature && path.includes(']'));
  if (field === undefined) return '';
  return field.path.slice(field.path.lastIndexOf(']') + 1).replace(/\([^)]*\)|=.*$/g, '');
}
