import {
  countOf,
  filledText,
  isJsonObject,
  listOf,
  objectOf,
  objectsOf,
  textOf,
} from '#data-plane/dialects/json-access.ts';
import type { OpenParts } from '#data-plane/dialects/open-parts.ts';
import type { FinishReason, JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import type { EmitTurnEvent } from '#data-plane/dialects/turn-event.ts';
import { citationOf } from './citations.ts';
import { mergeDetails, signatureOfDetails, textOfDetail } from './reasoning-details.ts';
import { FINISH_REASONS } from './wire.ts';

interface Call {
  readonly index: number | undefined;
  id: string | undefined;
  name: string;
  custom: boolean;
  /** Arguments that came before the call's name. */
  waiting: string;
  /** Number of the part, once it has started. */
  part: number | undefined;
}

/** Reads the deltas of one choice, or its whole message, into parts. */
export class ChoiceDecoder {
  readonly #index: number;
  readonly #upstreamId: string;
  readonly #parts: OpenParts;
  readonly #emit: EmitTurnEvent;
  readonly #calls: Call[] = [];
  #details: JsonObject[] = [];
  #thought = '';
  #rawReason: string | undefined;
  #refused = false;
  #sawDelta = false;
  hasCited = false;
  #lacksMessage = false;
  #textLength = 0;
  /** Length of the message's text before the part that is open: places in it count from the message's start. */
  #textBefore = 0;

  constructor(index: number, upstreamId: string, parts: OpenParts, emit: EmitTurnEvent) {
    this.#index = index;
    this.#upstreamId = upstreamId;
    this.#parts = parts;
    this.#emit = emit;
  }

  /** False when what came cannot be joined to what came before. */
  read(choice: JsonObject): boolean {
    this.#rawReason = filledText(choice.finish_reason) ?? this.#rawReason;
    const delta = objectOf(choice.delta);
    // A last chunk may repeat the whole message beside its delta.
    const answer = delta ?? (this.#sawDelta ? undefined : objectOf(choice.message));
    if (answer === undefined) {
      this.#lacksMessage = !this.#sawDelta;
      return true;
    }
    this.#sawDelta = true;
    this.#readThoughts(answer);
    this.#readContent(answer, choice);
    this.#readRest(answer);
    return this.#readCalls(answer);
  }

  get hasReason(): boolean {
    return this.#rawReason !== undefined;
  }

  reason(): FinishReason | 'failed' {
    const stated = FINISH_REASONS.get(this.#rawReason ?? '') ?? this.#unstated();
    if (stated !== 'stop') return stated;
    if (this.#calls.length > 0) return 'tool_calls';
    return this.#refused ? 'refusal' : 'stop';
  }

  /** A choice without reason and without message was filtered. */
  #unstated(): FinishReason {
    return this.#lacksMessage ? 'content_filter' : 'stop';
  }

  close(): void {
    for (const call of this.#calls) this.#startCall(call);
    this.#endThought();
    this.#parts.closeChoice(this.#index);
  }

  #readThoughts(answer: JsonObject): void {
    const details = objectsOf(answer.reasoning_details);
    const told = filledText(answer.reasoning_content) ?? filledText(answer.reasoning);
    const typed = details.map(textOfDetail).join('');
    // Some repeat the thought they told piece by piece, whole and with its state, when it has ended.
    const repeats = typed !== '' && typed === this.#thought && this.#details.length === 0;
    const text = told ?? (repeats ? '' : typed);
    if (text === '' && details.every((entry) => signatureOfDetails([entry]) === undefined)) return;
    const summary = details.some((entry) => entry.type === 'reasoning.summary');
    this.#think(text, summary || (details.length === 0 && this.#thoughtIsSummary()));
    this.#details.push(...details);
    this.#thought += text;
  }

  #think(text: string, summary: boolean): void {
    const open = this.#parts.openProse(this.#index);
    if (open !== undefined && open.kind !== 'reasoning') this.#endThought();
    // Opaque state that follows a thought belongs to it, whatever its own type says.
    const isSummary = open?.kind === 'reasoning' ? this.#thoughtIsSummary() : summary;
    this.#parts.write(this.#index, 'reasoning', text, { summary: isSummary });
  }

  #thoughtIsSummary(): boolean {
    return this.#details.some((entry) => entry.type === 'reasoning.summary');
  }

  /** Gives the thought that is open its issuer's state, before another part begins. */
  #endThought(): void {
    const signature = signatureOfDetails(mergeDetails(this.#details));
    this.#details = [];
    this.#thought = '';
    if (signature !== undefined) this.#parts.sign(this.#index, signature);
    if (this.#parts.openProse(this.#index)?.kind === 'reasoning') this.#parts.closeProse(this.#index);
  }

  #readContent(answer: JsonObject, choice: JsonObject): void {
    const { content } = answer;
    const logprobs = objectOf(choice.logprobs);
    if (Array.isArray(content)) this.#readBlocks(content);
    else if (typeof content === 'string') this.#write('text', content, objectsOf(logprobs?.content));
    const refusal = filledText(answer.refusal);
    if (refusal !== undefined) {
      this.#refused = true;
      this.#write('refusal', refusal, objectsOf(logprobs?.refusal));
    }
    const audio = objectOf(answer.audio);
    if (audio !== undefined) this.#native({ audio });
  }

  #write(kind: 'text' | 'refusal', text: string, logprobs: readonly JsonObject[] = []): void {
    if (text === '' && logprobs.length === 0) return;
    this.#endThought();
    if (kind === 'text') {
      if (this.#parts.openProse(this.#index)?.kind !== 'text') this.#textBefore = this.#textLength;
      this.#textLength += text.length;
    }
    this.#parts.write(this.#index, kind, text, logprobs.length === 0 ? {} : { logprobs });
  }

  /** Content as a list, where Mistral puts its thoughts. */
  #readBlocks(blocks: readonly JsonValue[]): void {
    for (const block of blocks) {
      if (!isJsonObject(block)) continue;
      if (block.type === 'thinking') {
        const text = listOf(block.thinking)
          .map((piece) => textOf(objectOf(piece)?.text) ?? '')
          .join('');
        if (text !== '') this.#think(text, false);
      } else if (typeof block.text === 'string') {
        this.#write('text', block.text);
      } else {
        this.#native({ content: [block] });
      }
    }
  }

  #readRest(answer: JsonObject): void {
    const images = listOf(answer.images);
    if (images.length > 0) this.#native({ images: [...images] });
    for (const annotation of objectsOf(answer.annotations)) {
      const open = this.#parts.openProse(this.#index);
      const citation = citationOf(annotation, this.#textBefore);
      if (citation === undefined || open?.kind !== 'text') continue;
      this.hasCited = true;
      this.#emit({ kind: 'part_citation', index: open.index, ...citation });
    }
  }

  #native(value: JsonObject): void {
    this.#endThought();
    this.#parts.native(this.#index, 'chat', value);
  }

  #readCalls(answer: JsonObject): boolean {
    const legacy = objectOf(answer.function_call);
    const pieces = legacy === undefined ? objectsOf(answer.tool_calls) : [{ index: 0, function: legacy }];
    return pieces.every((piece) => this.#readCall(piece));
  }

  #readCall(piece: JsonObject): boolean {
    const called = objectOf(piece.function) ?? objectOf(piece.custom);
    const name = filledText(called?.name);
    const call = this.#callFor(countOf(piece.index), filledText(piece.id), name);
    call.custom ||= isJsonObject(piece.custom);
    call.id ??= filledText(piece.id);
    if (call.part === undefined) call.name += name ?? '';
    call.waiting += argumentsText(called?.arguments ?? called?.input);
    if (call.name === '') return true;
    this.#startCall(call);
    const text = call.waiting;
    call.waiting = '';
    return this.#parts.writeCall(this.#index, call.part ?? 0, text);
  }

  /** Pieces belong together by index; where providers leave it out or repeat it, by id. */
  #callFor(index: number | undefined, id: string | undefined, name: string | undefined): Call {
    const isNewId = (call: Call) =>
      id !== undefined && call.id !== undefined && call.id !== id && name !== undefined;
    const known =
      index === undefined
        ? (this.#calls.findLast((call) => id === undefined || call.id === id) ?? undefined)
        : this.#calls.findLast((call) => call.index === index);
    const startsAnother = index === undefined && id === undefined && name !== undefined;
    if (known !== undefined && !isNewId(known) && !startsAnother) return known;
    const call: Call = { index, id, name: '', custom: false, waiting: '', part: undefined };
    this.#calls.push(call);
    return call;
  }

  #startCall(call: Call): void {
    if (call.part !== undefined || call.name === '') return;
    this.#endThought();
    const callId = call.id ?? this.#mintCallId(this.#calls.indexOf(call));
    call.part = this.#parts.startCall(this.#index, {
      callId,
      name: call.name,
      ...(call.custom ? { custom: true } : {}),
    });
  }

  /** Unique over the conversation as far as the provider's own id is. */
  #mintCallId(position: number): string {
    const seed = this.#upstreamId.replace(/[^a-zA-Z0-9]/g, '').slice(-MINTED_ID_SEED_LENGTH);
    return `call_${seed}_${this.#index}_${position}`;
  }
}

const MINTED_ID_SEED_LENGTH = 24;

/** Arguments are JSON in a string; some providers send the object itself. */
function argumentsText(value: JsonValue | undefined): string {
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : JSON.stringify(value);
}
