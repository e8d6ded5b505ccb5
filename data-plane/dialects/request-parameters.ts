import { isUtf8 } from 'node:buffer';
import { JSON_KINDS, type JsonKind, type JsonSink, type JsonWatch } from '#data-plane/json/json-watch.ts';
import { decodeJsonString, SCAN_OK, scanJson } from '#data-plane/json/scan-json.ts';
import { type Fault, fault } from '#shared/fault.ts';

const ABSENT = 0;
const OPEN_BRACE = 0x7b;
const SPACE = 0x20;
const MAX_SHOWN_KEY = 64;

/** Where a value lies in the body. `kind` 0: the field is absent. */
export interface Place {
  readonly kind: JsonKind | 0;
  readonly start: number;
  readonly end: number;
}

export const NOWHERE: Place = { kind: ABSENT, start: 0, end: 0 };

/** Checks that `body` is a JSON object and tells `into` of its watched values. */
export function scanRequestBody(body: Buffer, watch: JsonWatch, into: JsonSink): Fault | undefined {
  if (!isUtf8(body)) return fault('invalid_json', 'The request body is not valid UTF-8.');
  const failure = scanJson(body, 0, body.length, watch, into);
  if (failure !== SCAN_OK) {
    return fault('invalid_json', `The request body is not valid JSON (at byte ${failure}).`);
  }
  let at = 0;
  while (at < body.length && (body[at] ?? 0) <= SPACE) at += 1;
  return body[at] === OPEN_BRACE
    ? undefined
    : fault('invalid_json', 'The request body must be a JSON object.');
}

/** The refusal of a key that parsers may read differently from us. */
export function ambiguousKeyFault(name: string, reason: 'duplicate' | 'spelling'): Fault {
  const shown = name.slice(0, MAX_SHOWN_KEY);
  return reason === 'duplicate'
    ? fault('invalid_json', `The key '${shown}' appears more than once in one object.`, { param: shown })
    : unsupported(shown, 'is not a known parameter; keys are case-sensitive.');
}

/** A parameter with a value that its dialect does not allow; `rule` reads on after its name. */
export function unsupported(param: string, rule: string): Fault {
  return fault('unsupported_parameter', `'${param}' ${rule}`, { param });
}

/**
 * The parameters of one request, as a scan has found them: places in its bytes under small numbers (slots), and the checks
 * that all dialects make. `null` counts as absent everywhere: several clients send it for what they leave out.
 */
export class RequestParameters {
  readonly #kinds: Uint8Array;
  readonly #starts: Uint32Array;
  readonly #ends: Uint32Array;
  #body: Buffer = Buffer.alloc(0);

  constructor(slotCount: number) {
    this.#kinds = new Uint8Array(slotCount);
    this.#starts = new Uint32Array(slotCount);
    this.#ends = new Uint32Array(slotCount);
  }

  get slotCount(): number {
    return this.#kinds.length;
  }

  reset(body: Buffer): void {
    this.#body = body;
    this.#kinds.fill(ABSENT);
  }

  note(slot: number, kind: JsonKind, start: number, end: number): void {
    this.#kinds[slot] = kind;
    this.#starts[slot] = start;
    this.#ends[slot] = end;
  }

  has(slot: number): boolean {
    const kind = this.#kinds[slot];
    return kind !== ABSENT && kind !== JSON_KINDS.null;
  }

  isKind(slot: number, kind: JsonKind): boolean {
    return this.#kinds[slot] === kind;
  }

  text(slot: number): string | undefined {
    if (!this.isKind(slot, JSON_KINDS.string)) return undefined;
    return decodeJsonString(this.#body, this.#starts[slot] ?? 0, this.#ends[slot] ?? 0);
  }

  number(slot: number): number | undefined {
    if (!this.isKind(slot, JSON_KINDS.number)) return undefined;
    return Number(this.#body.toString('latin1', this.#starts[slot], this.#ends[slot]));
  }

  place(slot: number): Place {
    const kind = this.#kinds[slot] as JsonKind | 0;
    return kind === ABSENT ? NOWHERE : { kind, start: this.#starts[slot] ?? 0, end: this.#ends[slot] ?? 0 };
  }

  checkModel(slot: number): Fault | undefined {
    if (!this.has(slot)) return fault('invalid_request', "'model' is required.", { param: 'model' });
    if ((this.text(slot) ?? '') !== '') return undefined;
    return fault('invalid_request', "'model' must be a non-empty string.", { param: 'model' });
  }

  mustBe(name: string, slot: number, wanted: string, ...kinds: JsonKind[]): Fault | undefined {
    if (!this.has(slot) || kinds.some((kind) => this.isKind(slot, kind))) return undefined;
    return unsupported(name, `must be ${wanted}.`);
  }

  mustBeBoolean(name: string, slot: number): Fault | undefined {
    return this.mustBe(name, slot, 'a boolean', JSON_KINDS.true, JSON_KINDS.false);
  }

  mustBeCount(name: string, slot: number, most: number = Number.MAX_SAFE_INTEGER): Fault | undefined {
    if (!this.has(slot)) return undefined;
    const count = this.number(slot) ?? Number.NaN;
    if (Number.isSafeInteger(count) && count >= 1 && count <= most) return undefined;
    const isOpen = most === Number.MAX_SAFE_INTEGER;
    return unsupported(
      name,
      isOpen ? 'must be a positive integer.' : `must be an integer from 1 to ${most}.`,
    );
  }
}
