import { countOf, filledText, objectsOf, textOf } from '#data-plane/dialects/json-access.ts';
import { packSignature, unpackSignature } from '#data-plane/dialects/signature-envelope.ts';
import type { JsonObject, JsonValue, Part, ProviderSignature } from '#data-plane/dialects/turn.ts';
import { DETAILS_KIND } from './wire.ts';

type Reasoning = Extract<Part, { kind: 'reasoning' }>;

export interface PlacedThought {
  readonly part: Reasoning;
  /** How many signed thoughts, calls and texts stood before it, where that is known. */
  readonly place: number | undefined;
}

/**
 * `reasoning_details`, the list of typed thoughts of the chat family: what providers send of it, and the slot in which
 * clients of this dialect carry the opaque state of any provider.
 */
export function decodeThoughts(message: JsonObject, path: string): PlacedThought[] {
  const at = `${path}.reasoning_details`;
  const entries = withoutRepeats(mergeDetails(objectsOf(message.reasoning_details)));
  const told = ['reasoning_content', 'reasoning'].find((field) => filledText(message[field]) !== undefined);
  const foreign = entries.map((entry, index) => foreignThought(entry, `${at}[${index}]`));
  const own = entries.filter((_, index) => foreign[index] === undefined);
  const thoughts: PlacedThought[] = foreign.flatMap((part, index) =>
    part === undefined ? [] : [{ part, place: countOf(entries[index]?.index) }],
  );
  if (own.length > 0) thoughts.push({ part: { ...ownThought(own), at }, place: undefined });
  if (told === undefined || thoughts.some(({ part }) => part.text !== '')) return thoughts;
  const part = { kind: 'reasoning', text: textOf(message[told]) ?? '', at: `${path}.${told}` } as const;
  return [{ part, place: undefined }, ...thoughts];
}

/** A client that joins the pieces of a stream returns some entries of ours twice. */
function withoutRepeats(entries: readonly JsonObject[]): JsonObject[] {
  const seen = new Set<string>();
  return entries.filter((entry) => {
    const state = filledText(entry.signature) ?? filledText(entry.data);
    if (state === undefined) return true;
    const key = `${state} ${textOfDetail(entry)}`;
    const isNew = !seen.has(key);
    seen.add(key);
    return isNew;
  });
}

/** An entry that we wrote for another provider: its signature is one of our envelopes. */
function foreignThought(entry: JsonObject, at: string): Reasoning | undefined {
  const packed = filledText(entry.signature) ?? filledText(entry.data);
  const signature = packed === undefined ? undefined : unpackSignature(packed);
  if (signature === undefined || signature.kind === DETAILS_KIND) return undefined;
  const summary = entry.type === 'reasoning.summary';
  return { kind: 'reasoning', text: textOfDetail(entry), signature, at, ...(summary ? { summary } : {}) };
}

/** Whether an entry holds the state of a provider of another protocol. */
export function isForeignDetail(entry: JsonObject): boolean {
  return foreignThought(entry, '') !== undefined;
}

function ownThought(entries: readonly JsonObject[]): Reasoning {
  const text = entries.map(textOfDetail).join('');
  const summary = entries.some((entry) => entry.type === 'reasoning.summary');
  const signature = signatureOfDetails(entries);
  return {
    kind: 'reasoning',
    text,
    ...(summary ? { summary } : {}),
    ...(signature === undefined ? {} : { signature }),
  };
}

/** The entries as one opaque state of their issuer, where they hold more than text. */
export function signatureOfDetails(entries: readonly JsonObject[]): ProviderSignature | undefined {
  const isOpaque = entries.some(
    (entry) => typeof entry.data === 'string' || typeof entry.signature === 'string',
  );
  return isOpaque ? { family: 'chat', kind: DETAILS_KIND, value: JSON.stringify(entries) } : undefined;
}

export function textOfDetail(entry: JsonObject): string {
  return textOf(entry.text) ?? textOf(entry.summary) ?? '';
}

/** Joins the pieces in which a stream sends an entry: same type and index, one behind the other. */
export function mergeDetails(pieces: readonly JsonObject[]): JsonObject[] {
  const merged: JsonObject[] = [];
  for (const piece of pieces) {
    const last = merged.at(-1);
    if (last !== undefined && continues(last, piece)) merged[merged.length - 1] = joined(last, piece);
    else merged.push({ ...piece });
  }
  return merged;
}

function continues(last: JsonObject, piece: JsonObject): boolean {
  const isSame = last.type === piece.type && last.index === piece.index;
  const isText = typeof piece.data !== 'string' && typeof last.data !== 'string';
  // A signature closes an entry; only a piece without text of its own may add one.
  return isSame && isText && typeof last.signature !== 'string';
}

function joined(last: JsonObject, piece: JsonObject): JsonObject {
  const result: JsonObject = { ...last };
  for (const [name, value] of Object.entries(piece)) {
    const before = last[name];
    const grows = name === 'text' || name === 'summary';
    if (grows && typeof before === 'string' && typeof value === 'string') result[name] = before + value;
    else if (value !== null) result[name] = value;
  }
  return result;
}

/**
 * The entry in which a client of this dialect keeps a provider's state; entries of this family go as they came. `place`
 * says how much of the answer stood before it, see {@link orderAnswer}.
 */
export function encodeDetail(
  text: string,
  summary: boolean,
  signature: ProviderSignature,
  place: number,
): JsonValue[] {
  if (signature.family === 'chat' && signature.kind === DETAILS_KIND) {
    const entries = parsedEntries(signature.value);
    if (entries !== undefined) return entries;
  }
  const packed = packSignature(signature);
  if (text === '') return [{ type: 'reasoning.encrypted', data: packed, index: place }];
  if (summary) return [{ type: 'reasoning.summary', summary: text, signature: packed, index: place }];
  return [{ type: 'reasoning.text', text, signature: packed, index: place }];
}

/**
 * An answer in the order in which it was given, as far as that can be told: some providers refuse their state anywhere
 * but before the call that it belongs to. Thoughts without a place come first.
 */
export function orderAnswer(thoughts: readonly PlacedThought[], others: readonly Part[]): Part[] {
  if (thoughts.length === 0) return [...others];
  const rest = others.filter((part) => part.kind !== 'text' || part.text !== '');
  const unplaced = thoughts.filter(({ place }) => place === undefined).map(({ part }) => part);
  const placed = thoughts.filter(({ place }) => place !== undefined);
  const ordered: Part[] = [];
  let taken = 0;
  for (const { part, place = 0 } of placed) {
    const before = Math.max(place - ordered.length, 0);
    ordered.push(...rest.slice(taken, taken + before), part);
    taken = Math.min(taken + before, rest.length);
  }
  return [...unplaced, ...ordered, ...rest.slice(taken)];
}

/** The entries inside a signature of this family. */
export function parsedEntries(value: string): JsonValue[] | undefined {
  try {
    const entries: unknown = JSON.parse(value);
    return Array.isArray(entries) ? (entries as JsonValue[]) : undefined;
  } catch {
    return undefined;
  }
}
