import type { Citation } from '#data-plane/dialects/citation.ts';
import type { StreamDecoder } from '#data-plane/dialects/codec.ts';
import {
  countOf,
  filledText,
  isJsonObject,
  listOf,
  objectOf,
  parseJsonObject,
} from '#data-plane/dialects/json-access.ts';
import { OpenParts } from '#data-plane/dialects/open-parts.ts';
import { providerFailed } from '#data-plane/dialects/provider-error-wording.ts';
import type { FinishReason, JsonObject } from '#data-plane/dialects/turn.ts';
import type { EmitTurnEvent } from '#data-plane/dialects/turn-event.ts';
import type { Fault } from '#shared/fault.ts';
import { sourcesBeside } from './citations.ts';
import { ChoiceDecoder } from './decode-choice.ts';
import { readProviderFault } from './provider-faults.ts';
import { readChatUsage } from './read-usage.ts';

const END_MARKER = '[DONE]';

export function createChatStreamDecoder(emit: EmitTurnEvent): StreamDecoder {
  return new ChatAnswerDecoder(emit);
}

/** A whole answer gives the events that its stream would. */
export function decodeChatBody(body: JsonObject, emit: EmitTurnEvent): void {
  const decoder = new ChatAnswerDecoder(emit);
  decoder.wholeBody(body);
}

/**
 * Reads chunks and bodies of the whole family. Choices end when the stream does: some providers tell the reason twice, or
 * send text and calls behind it.
 */
class ChatAnswerDecoder implements StreamDecoder {
  readonly #emit: EmitTurnEvent;
  readonly #parts: OpenParts;
  readonly #choices = new Map<number, ChoiceDecoder>();
  #started = false;
  #closed = false;
  #sawEndMarker = false;
  #upstreamId = '';
  #serviceTier: string | undefined;
  #sources: readonly Citation[] = [];

  constructor(emit: EmitTurnEvent) {
    this.#emit = emit;
    this.#parts = new OpenParts(emit);
  }

  frame(eventName: string, data: string): void {
    if (this.#closed) return;
    if (data.trim() === END_MARKER) {
      this.#sawEndMarker = true;
      this.#conclude();
      return;
    }
    const chunk = parseJsonObject(data);
    if (chunk === undefined) this.#fail(providerFailed().fault);
    else if (eventName === 'error') this.#failWith(chunk);
    else this.#read(chunk);
  }

  end(): void {
    if (!this.#closed) this.#conclude();
  }

  wholeBody(body: JsonObject): void {
    this.#read(body);
    // A body is complete by being whole; several providers leave the reason out.
    this.#sawEndMarker = true;
    if (!this.#closed) this.#conclude();
  }

  #read(chunk: JsonObject): void {
    if (isError(chunk)) {
      this.#failWith(chunk);
      return;
    }
    this.#start(chunk);
    this.#serviceTier = filledText(chunk.service_tier) ?? this.#serviceTier;
    this.#sources = sourcesBeside(chunk) ?? this.#sources;
    for (const [position, choice] of listOf(chunk.choices).entries()) {
      if (!isJsonObject(choice)) continue;
      if (isGivenError(choice)) {
        this.#failWith(chunk);
        return;
      }
      const index = countOf(choice.index) ?? position;
      if (!this.#choice(index).read(choice)) {
        this.#fail(providerFailed().fault);
        return;
      }
    }
    this.#readUsage(chunk);
  }

  #start(chunk: JsonObject): void {
    const id = filledText(chunk.id);
    if (this.#started || (id === undefined && listOf(chunk.choices).length === 0)) return;
    this.#started = true;
    this.#upstreamId = id ?? '';
    this.#emit({ kind: 'turn_start', upstreamId: this.#upstreamId });
  }

  #choice(index: number): ChoiceDecoder {
    const known = this.#choices.get(index);
    if (known !== undefined) return known;
    const choice = new ChoiceDecoder(index, this.#upstreamId, this.#parts, this.#emit);
    this.#choices.set(index, choice);
    return choice;
  }

  #readUsage(chunk: JsonObject): void {
    const stated = objectOf(chunk.usage) ?? objectOf(objectOf(chunk.x_groq)?.usage);
    const usage = readChatUsage(stated);
    if (usage === undefined) return;
    const serviceTier = this.#serviceTier;
    this.#emit({
      kind: 'usage',
      usage: serviceTier === undefined ? usage : { ...usage, serviceTier },
    });
  }

  /** The provider says no more: the answer is whole, or it was cut. */
  #conclude(): void {
    const choices = [...this.#choices.entries()];
    const isWhole =
      choices.length > 0 && (this.#sawEndMarker || choices.every(([, choice]) => choice.hasReason));
    const reasons = isWhole ? choices.map(([index, choice]) => ({ index, reason: choice.reason() })) : [];
    if (!isWhole || reasons.some(({ reason }) => reason === 'failed')) {
      this.#fail(providerFailed().fault);
      return;
    }
    this.#citeSources();
    for (const { index, reason } of reasons) {
      this.#choices.get(index)?.close();
      this.#emit({ kind: 'choice_end', choice: index, reason: reason as FinishReason });
    }
    this.#closed = true;
    this.#emit({ kind: 'turn_end' });
  }

  /** Search providers list their sources beside the answer, not in it, unless they cite them in it as well. */
  #citeSources(): void {
    const open = this.#parts.openProse(0);
    if (open?.kind !== 'text' || this.#choices.get(0)?.hasCited === true) return;
    for (const source of this.#sources) this.#emit({ kind: 'part_citation', index: open.index, ...source });
  }

  #failWith(error: JsonObject): void {
    this.#fail(readProviderFault(200, undefined, Buffer.from(JSON.stringify(error))).fault);
  }

  #fail(fault: Fault): void {
    this.#closed = true;
    this.#emit({ kind: 'turn_fault', fault });
  }
}

function isError(chunk: JsonObject): boolean {
  if (isGivenError(chunk)) return true;
  // Errors without an envelope: Mistral's `detail`, a bare `message`.
  const isAnswer = Array.isArray(chunk.choices) || isJsonObject(chunk.usage);
  return !isAnswer && (filledText(chunk.detail) ?? filledText(chunk.message)) !== undefined;
}

function isGivenError(holder: JsonObject): boolean {
  return holder.error !== undefined && holder.error !== null;
}
