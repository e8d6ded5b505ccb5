import {
  filledText,
  objectOf,
  objectsOf,
  parseJsonObject,
  textOf,
} from '#data-plane/dialects/json-access.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';

/** Names of the free-text tools that a request offers. */
export function customToolNames(body: JsonObject): ReadonlySet<string> {
  const names = objectsOf(body.tools).flatMap((tool) => filledText(objectOf(tool.custom)?.name) ?? []);
  return new Set(names);
}

/** The free text of a call whose tool was offered as a function with one parameter `input`. */
export function unwrappedInput(argumentsJson: string): string {
  return textOf(parseJsonObject(argumentsJson)?.input) ?? argumentsJson;
}
