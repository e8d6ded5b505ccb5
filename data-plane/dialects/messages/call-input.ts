import { parseJsonObject } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';

/** The object that a call's arguments are in this dialect; text that is none is kept under `input`. */
export function callInput(argumentsJson: string): JsonObject {
  if (argumentsJson.trim() === '') return {};
  return parseJsonObject(argumentsJson) ?? { input: parseJson(argumentsJson) };
}

function parseJson(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text;
  }
}
