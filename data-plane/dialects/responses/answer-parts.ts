import type { Citation } from '#data-plane/dialects/citation.ts';
import { filledText, parseJsonObject, textOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, ProviderSignature } from '#data-plane/dialects/turn.ts';
import type { EmitTurnEvent } from '#data-plane/dialects/turn-event.ts';
import { REASONING_ITEM_KIND } from './wire.ts';

export type ProseKind = 'text' | 'reasoning' | 'refusal';

/** A piece of prose as an item names it: the item, and which of its contents or summaries. */
export interface ProsePlace {
  readonly item: string;
  readonly kind: ProseKind;
  readonly position: number;
  readonly summary?: boolean;
}

export interface ProseDetails {
  readonly itemId?: string;
  readonly phase?: string;
}

interface Written {
  /** Characters of the content that have been passed on, over all parts it was written in. */
  length: number;
  citations: number;
}

/**
 * Numbers the parts of an answer and keeps them in order: one piece of prose at a time, and none while the arguments of a
 * call are coming. What is told piece by piece and again as a whole is passed on once.
 */
export class AnswerParts {
  readonly #emit: EmitTurnEvent;
  readonly #written = new Map<string, Written>();
  readonly #calls = new Map<string, { readonly index: number; argumentsText: string }>();
  readonly #endedCalls = new Set<string>();
  /** The prose that is open; there is never more than one. */
  #prose:
    | { readonly key: string; readonly item: string; readonly kind: ProseKind; readonly index: number }
    | undefined;
  /** What came while a call was open, to be told when it has ended. */
  #held: (() => void)[] = [];
  #nextIndex = 0;
  #sawCall = false;
  #sawRefusal = false;

  constructor(emit: EmitTurnEvent) {
    this.#emit = emit;
  }

  get sawCall(): boolean {
    return this.#sawCall;
  }

  get sawRefusal(): boolean {
    return this.#sawRefusal;
  }

  /** Opens the prose, if it is not open. Returns its part's index. */
  #open(place: ProsePlace, details: ProseDetails): number {
    const key = keyOf(place);
    if (this.#prose?.key === key) return this.#prose.index;
    this.#closeProse();
    if (place.kind === 'refusal') this.#sawRefusal = true;
    const index = this.#takeIndex();
    this.#prose = { key, item: place.item, kind: place.kind, index };
    this.#emit({
      kind: 'part_start',
      index,
      part: place.kind,
      choice: 0,
      ...(place.summary === true ? { summary: true } : {}),
      ...details,
    });
    return index;
  }

  write(place: ProsePlace, text: string, logprobs: readonly JsonObject[], details: ProseDetails = {}): void {
    if (text !== '' || logprobs.length > 0)
      this.#whenCallsEnd(() => this.#write(place, text, logprobs, details));
  }

  /** The content as a whole: passes on what has not been passed on. */
  complete(
    place: ProsePlace,
    text: string,
    logprobs: readonly JsonObject[],
    details: ProseDetails = {},
  ): void {
    this.#whenCallsEnd(() => {
      const { length } = this.#writtenAt(place);
      if (text.length > length) this.#write(place, text.slice(length), length === 0 ? logprobs : [], details);
    });
  }

  /** Citations of the content, all that are known so far; those passed on before are not repeated. */
  cite(place: ProsePlace, annotations: readonly JsonObject[], details: ProseDetails = {}): void {
    this.#whenCallsEnd(() => {
      const known = this.#writtenAt(place).citations;
      for (const annotation of annotations.slice(known)) this.#cite(place, annotation, details);
    });
  }

  /** A citation that the stream tells by itself. */
  citeNext(place: ProsePlace, annotation: JsonObject): void {
    this.#whenCallsEnd(() => this.#cite(place, annotation, {}));
  }

  closeProse(): void {
    this.#whenCallsEnd(() => this.#closeProse());
  }

  /** Signs the item's reasoning and ends it; what ended already is signed by an empty part. */
  sign(item: string, value: JsonObject, details: ProseDetails): void {
    const signature: ProviderSignature = {
      family: 'responses',
      kind: REASONING_ITEM_KIND,
      value: JSON.stringify(value),
    };
    this.#whenCallsEnd(() => {
      const open = this.#prose;
      const isOpen = open?.item === item && open.kind === 'reasoning';
      const index = isOpen ? open.index : this.#open({ item, kind: 'reasoning', position: -1 }, details);
      this.#emit({ kind: 'part_signature', index, signature });
      this.#closeProse();
    });
  }

  native(value: JsonObject): void {
    this.#whenCallsEnd(() => {
      this.#closeProse();
      this.#emit({ kind: 'native_part', index: this.#takeIndex(), choice: 0, family: 'responses', value });
    });
  }

  startCall(item: string, call: JsonObject): void {
    if (this.#calls.has(item) || this.#endedCalls.has(item)) return;
    this.#closeProse();
    this.#sawCall = true;
    const index = this.#takeIndex();
    this.#calls.set(item, { index, argumentsText: '' });
    const namespace = filledText(call.namespace);
    this.#emit({
      kind: 'part_start',
      index,
      part: 'tool_call',
      choice: 0,
      callId: filledText(call.call_id) ?? filledText(call.id) ?? `call_${index}`,
      name: textOf(call.name) ?? '',
      ...(call.type === 'custom_tool_call' ? { custom: true } : {}),
      ...(namespace === undefined ? {} : { namespace }),
    });
  }

  writeCall(item: string, text: string): void {
    const call = this.#calls.get(item);
    if (call === undefined || text === '') return;
    call.argumentsText += text;
    this.#emit({ kind: 'part_delta', index: call.index, text });
  }

  /** The arguments as a whole: passes on what has not been passed on. */
  completeCall(item: string, text: string): void {
    const call = this.#calls.get(item);
    if (call !== undefined) this.writeCall(item, text.slice(call.argumentsText.length));
  }

  endCall(item: string): void {
    this.#endCall(item);
    this.#release();
  }

  closeAll(): void {
    for (const item of [...this.#calls.keys()]) this.#endCall(item);
    this.#release();
    this.#closeProse();
  }

  /**
   * Does it now, unless the arguments of a call are still coming. A call whose arguments are whole is over: some providers
   * say so only at the very end.
   */
  #whenCallsEnd(action: () => void): void {
    for (const [item, { argumentsText }] of this.#calls)
      if (parseJsonObject(argumentsText) !== undefined) this.#endCall(item);
    this.#held.push(action);
    this.#release();
  }

  #release(): void {
    if (this.#calls.size > 0) return;
    const actions = this.#held;
    this.#held = [];
    for (const action of actions) action();
  }

  #endCall(item: string): void {
    const call = this.#calls.get(item);
    if (call === undefined) return;
    this.#calls.delete(item);
    this.#endedCalls.add(item);
    this.#emit({ kind: 'part_end', index: call.index });
  }

  #write(place: ProsePlace, text: string, logprobs: readonly JsonObject[], details: ProseDetails): void {
    const index = this.#open(place, details);
    this.#writtenAt(place).length += text.length;
    this.#emit({ kind: 'part_delta', index, text, ...(logprobs.length === 0 ? {} : { logprobs }) });
  }

  #cite(place: ProsePlace, annotation: JsonObject, details: ProseDetails): void {
    this.#writtenAt(place).citations += 1;
    this.#emit({ kind: 'part_citation', index: this.#open(place, details), ...citationOf(annotation) });
  }

  #closeProse(): void {
    if (this.#prose === undefined) return;
    this.#emit({ kind: 'part_end', index: this.#prose.index });
    this.#prose = undefined;
  }

  #writtenAt(place: ProsePlace): Written {
    const key = keyOf(place);
    const written = this.#written.get(key) ?? { length: 0, citations: 0 };
    this.#written.set(key, written);
    return written;
  }

  #takeIndex(): number {
    this.#nextIndex += 1;
    return this.#nextIndex - 1;
  }
}

function keyOf({ item, kind, position, summary }: ProsePlace): string {
  return `${item}/${kind}/${summary === true ? 's' : 'c'}${position}`;
}

function citationOf(annotation: JsonObject): Citation {
  const url = textOf(annotation.url);
  const title = textOf(annotation.title) ?? textOf(annotation.filename);
  const { start_index: start, end_index: end } = annotation;
  return {
    ...(url === undefined ? {} : { url }),
    ...(title === undefined ? {} : { title }),
    ...(typeof start === 'number' ? { startIndex: start } : {}),
    ...(typeof end === 'number' ? { endIndex: end } : {}),
    native: { family: 'responses', value: annotation },
  };
}
