import { parseJsonObject } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';

/** The object that a call's arguments are in this dialect; text that is none is kept under `input`. */
export function callInput(argumentsJson: string): JsonObject {
  if (argumentsJson.trim() === '') return {};
  return parseJsonObject(argumentsJson) ?? { input: parseJson(argumentsJson) };
}

/** The same of arguments that were cut: what they say up to the last value that is whole, as clients read a stream. */
export function cutCallInput(argumentsJson: string): JsonObject {
  const begun = parseJsonObject(argumentsJson) === undefined ? completed(argumentsJson) : undefined;
  return (begun === undefined ? undefined : parseJsonObject(begun)) ?? callInput(argumentsJson);
}

function parseJson(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text;
  }
}

/** A string, a bracket, a comma or colon, or the letters of a number or a literal. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/gsy;
const SPACE = /\s*/y;

/** Text of an object that ends too early, up to its last whole value and with its brackets closed. */
function completed(text: string): string | undefined {
  const closers: string[] = [];
  let whole: string | undefined;
  let before = '';
  for (let at = skipSpace(text, 0); ; at = skipSpace(text, at)) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[0];
    if (token === undefined) return whole;
    at += token.length;
    const isKey = token.startsWith('"') && closers.at(-1) === '}' && (before === '{' || before === ',');
    before = token;
    if (token === '{' || token === '[') closers.push(token === '{' ? '}' : ']');
    else if (token === '}' || token === ']') closers.pop();
    else if (token === ',' || token === ':' || isKey) continue;
    // The next piece could go on with a number or a literal.
    else if (!token.startsWith('"') && at === text.length) return whole;
    whole = text.slice(0, at) + closers.toReversed().join('');
  }
}

function skipSpace(text: string, from: number): number {
  SPACE.lastIndex = from;
  return from + (SPACE.exec(text)?.[0].length ?? 0);
}
