import {
  type ClientField,
  type ClientFieldList,
  type PathStep,
  pathSteps,
} from '#data-plane/dialects/client-field.ts';
import { isJsonObject, textOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import { MEDIA_ORIGIN, PDF, PIXEL } from './specimens.ts';

/** One place of a body that a listed field speaks of. */
export interface FieldPlace {
  /** In the client's words, e.g. `messages[2].content[0].cache_control`. */
  readonly path: string;
  readonly keys: readonly (string | number)[];
  readonly value: JsonValue;
}

/** Every place of a body that a field speaks of. */
export function placesOf(field: ClientField, body: JsonObject, list: ClientFieldList): readonly FieldPlace[] {
  const start: FieldPlace = { path: '', keys: [], value: body };
  return pathSteps(field.path).reduce<readonly FieldPlace[]>(
    (places, step) => places.flatMap((place) => stepInto(place, step, list)),
    [start],
  );
}

function stepInto(place: FieldPlace, step: PathStep, list: ClientFieldList): readonly FieldPlace[] {
  if (!isJsonObject(place.value)) return [];
  const value = place.value[step.name];
  if (value === undefined || value === null) return [];
  const path = place.path === '' ? step.name : `${place.path}.${step.name}`;
  const member: FieldPlace = { path, keys: [...place.keys, step.name], value };
  return elementsOf(member, step, list).filter(
    ({ value: inner }) =>
      (step.types === undefined || step.types.includes(typeOf(inner))) &&
      (step.value === undefined || inner === step.value),
  );
}

function elementsOf(place: FieldPlace, step: PathStep, list: ClientFieldList): readonly FieldPlace[] {
  const { element } = step;
  if (element === undefined) return [place];
  if (!Array.isArray(place.value)) return [];
  return place.value.flatMap((value, index): FieldPlace[] => {
    const implied = list.impliedTypes[place.path] ?? (isJsonObject(value) ? textOf(value.role) : undefined);
    const type = typeOf(value) || (implied ?? '');
    const isMeant = element.types === undefined || element.types.includes(type);
    return isMeant ? [{ path: `${place.path}[${index}]`, keys: [...place.keys, index], value }] : [];
  });
}

function typeOf(value: JsonValue): string {
  return isJsonObject(value) ? (textOf(value.type) ?? '') : '';
}

/** The body as it would be had the client not said this. */
export function without(body: JsonObject, { keys }: FieldPlace): JsonObject {
  const copy = structuredClone(body);
  const last = keys.at(-1);
  let holder: JsonValue = copy;
  for (const key of keys.slice(0, -1)) holder = (holder as Record<string | number, JsonValue>)[key] ?? null;
  if (Array.isArray(holder) && typeof last === 'number') holder.splice(last, 1);
  else if (isJsonObject(holder) && last !== undefined) delete holder[last];
  return copy;
}

/** The body with another value in this place. */
export function withValue(body: JsonObject, { keys }: FieldPlace, value: JsonValue): JsonObject {
  const copy = structuredClone(body);
  let holder: JsonValue = copy;
  for (const key of keys.slice(0, -1)) holder = (holder as Record<string | number, JsonValue>)[key] ?? null;
  const last = keys.at(-1);
  if (isJsonObject(holder) && last !== undefined) holder[last] = value;
  return copy;
}

/** Members that only say of which kind something is. */
const KINDS: ReadonlySet<string> = new Set(['type', 'role', 'media_type', 'format', 'mode', 'syntax']);

/**
 * Texts and numbers of a value that can be told from others (short words and small numbers occur by chance), each with the
 * forms in which it may arrive: the data of a data URL, the bytes behind an address, the members of JSON in a text.
 */
export function marksOf(value: JsonValue): readonly (readonly (string | number)[])[] {
  if (typeof value === 'string') return textMarks(value);
  if (typeof value === 'number') return Math.abs(value) > 1_000 || !Number.isInteger(value) ? [[value]] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => (KINDS.has(name) ? [] : marksOf(inner ?? null)));
}

function textMarks(text: string): readonly (readonly string[])[] {
  if (text.startsWith('data:')) return [[text.slice(text.indexOf(',') + 1)]];
  if (text.startsWith(MEDIA_ORIGIN)) return [[text.slice(MEDIA_ORIGIN.length), PIXEL, PDF]];
  if (text.startsWith('{')) return marksOf(JSON.parse(text)) as readonly (readonly string[])[];
  return text.length > 4 ? [[text]] : [];
}

/** Whether a mark stands anywhere in a body, alone or inside a longer text. */
export function shows(body: JsonValue, mark: readonly (string | number)[]): boolean {
  if (typeof body === 'string') return mark.some((form) => typeof form === 'string' && body.includes(form));
  if (typeof body === 'number') return mark.includes(body);
  if (typeof body !== 'object' || body === null) return false;
  return Object.values(body).some((inner) => shows(inner ?? null, mark));
}
