import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';

/** One step of a tool loop: opaque state, calls of `get_weather`, or the last word. */
export interface LoopStep {
  readonly whole: JsonObject;
  /** Events of its stream, named where the protocol names them. */
  readonly stream: readonly { readonly event?: string; readonly data: JsonValue }[];
  /** What must come back in every later request, in this order and exactly so. */
  readonly state: readonly JsonValue[];
  /** Texts that nobody but the issuer may ever be sent. */
  readonly secrets: readonly string[];
}

export interface FoundState {
  readonly state: readonly JsonValue[];
  /** What this provider would refuse about the place of its state. */
  readonly problems: readonly string[];
}

/** A provider that thinks before each step, and knows what of its thoughts a request gives back. */
export interface ThinkingProvider {
  /** One step of a loop. `tag` makes state and ids unique; the last step says something instead of calling tools. */
  step(tag: string, isLast: boolean): LoopStep;
  stateIn(body: JsonObject): FoundState;
}

/** State as providers write it: long base64 with padding, another for every tag. */
export function opaque(tag: string): string {
  return Buffer.from(`${tag}:${'\u00ff\u00fe~?>'.repeat(60)}`, 'latin1').toString('base64');
}

export function callArguments(tag: string): JsonObject {
  return { city: `Città "${tag}" ☂`, days: 2 };
}

export function objectsIn(value: JsonValue | undefined): JsonObject[] {
  return Array.isArray(value) ? (value as JsonObject[]) : [];
}

/** Cuts a text in three, in the middle of characters where it has wide ones. */
export function inPieces(text: string): string[] {
  const third = Math.ceil(text.length / 3);
  return [text.slice(0, third), text.slice(third, 2 * third), text.slice(2 * third)].filter(
    (piece) => piece !== '',
  );
}
