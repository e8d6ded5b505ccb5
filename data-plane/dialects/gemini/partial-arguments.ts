import { filledText, isJsonObject, textOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';

/** `$.a.b[0]["c"]`: one step is a name after a dot, a number in brackets, or a quoted name in brackets. */
const STEP = /\.([^.[\]]+)|\[(\d+)\]|\[(?:"([^"]*)"|'([^']*)')\]/g;
/** Longest list that a fragment may point into. */
const MAX_LIST_LENGTH = 10_000;
const FORBIDDEN: ReadonlySet<string> = new Set(['__proto__']);

type Container = JsonObject | JsonValue[];

/** Puts together the arguments of a call that arrive as fragments, each naming the place of its value. */
export class PartialArguments {
  #value: JsonObject = {};
  /** Paths of strings that go on in the next fragment. */
  readonly #growing = new Set<string>();

  get value(): JsonObject {
    return this.#value;
  }

  /** The arguments came whole. */
  replace(value: JsonObject): void {
    if (Object.keys(value).length > 0 || Object.keys(this.#value).length === 0) this.#value = value;
  }

  add(fragment: JsonObject): void {
    const path = filledText(fragment.jsonPath);
    const value = valueIn(fragment);
    if (path === undefined || value === undefined) return;
    const steps = stepsOf(path);
    const last = steps.pop();
    if (last === undefined) return;
    const holder = this.#holderOf(steps, last);
    if (holder === undefined) return;
    const before = valueAt(holder, last);
    const goesOn = this.#growing.has(path) && typeof before === 'string' && typeof value === 'string';
    put(holder, last, goesOn ? before + value : value);
    if (fragment.willContinue === true) this.#growing.add(path);
    else this.#growing.delete(path);
  }

  #holderOf(steps: readonly (string | number)[], last: string | number): Container | undefined {
    let holder: Container = this.#value;
    for (const [index, step] of steps.entries()) {
      const next = steps[index + 1] ?? last;
      const inside = valueAt(holder, step);
      if (isContainer(inside)) {
        holder = inside;
        continue;
      }
      const created: Container = typeof next === 'number' ? [] : {};
      if (!put(holder, step, created)) return undefined;
      holder = created;
    }
    return holder;
  }
}

function stepsOf(path: string): (string | number)[] {
  return [...path.matchAll(STEP)].map((match) =>
    match[2] === undefined ? (match[1] ?? match[3] ?? match[4] ?? '') : Number(match[2]),
  );
}

function valueIn(fragment: JsonObject): JsonValue | undefined {
  if ('nullValue' in fragment) return null;
  const text = textOf(fragment.stringValue);
  if (text !== undefined) return text;
  if (typeof fragment.numberValue === 'number') return fragment.numberValue;
  return typeof fragment.boolValue === 'boolean' ? fragment.boolValue : undefined;
}

function isContainer(value: JsonValue | undefined): value is Container {
  return Array.isArray(value) || isJsonObject(value);
}

function valueAt(holder: Container, step: string | number): JsonValue | undefined {
  if (Array.isArray(holder)) return typeof step === 'number' ? holder[step] : undefined;
  return Object.hasOwn(holder, step) ? holder[String(step)] : undefined;
}

function put(holder: Container, step: string | number, value: JsonValue): boolean {
  if (Array.isArray(holder)) {
    if (typeof step !== 'number' || step > Math.min(holder.length, MAX_LIST_LENGTH)) return false;
    holder[step] = value;
    return true;
  }
  if (FORBIDDEN.has(String(step))) return false;
  holder[String(step)] = value;
  return true;
}
