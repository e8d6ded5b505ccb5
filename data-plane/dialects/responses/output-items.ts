import { type Citation, citedRange } from '#data-plane/dialects/citation.ts';
import { parseJsonObject, textOf } from '#data-plane/dialects/json-access.ts';
import { completeLogprob } from '#data-plane/dialects/logprob.ts';
import { packSignature } from '#data-plane/dialects/signature-envelope.ts';
import type { JsonObject, ProviderSignature } from '#data-plane/dialects/turn.ts';
import { REASONING_ITEM_KIND } from './wire.ts';

/** Who an item is in the stream and how it says something about itself. */
export interface ItemPlace {
  readonly id: string;
  /** Sends an event of the item; the place and the sequence number are added. */
  emit(type: string, members: JsonObject): void;
}

export type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

/** An output item that is being written. `start` and `finish` frame everything else. */
export interface OpenItem {
  /** The item as far as it is known. */
  render(status: ItemStatus): JsonObject;
  /** Sends what has to come before the item's own `done`. */
  finish(): void;
}

interface ContentPart {
  readonly kind: 'text' | 'refusal';
  readonly logprobs: JsonObject[];
  readonly citations: Citation[];
  readonly annotations: JsonObject[];
  text: string;
}

/** An assistant message of one or more content parts, one open at a time. */
export class MessageItem implements OpenItem {
  readonly phase: string | undefined;
  readonly #place: ItemPlace;
  readonly #parts: ContentPart[] = [];
  #open: ContentPart | undefined;

  constructor(place: ItemPlace, phase: string | undefined) {
    this.#place = place;
    this.phase = phase;
  }

  startPart(kind: ContentPart['kind']): void {
    this.endPart();
    const part: ContentPart = { kind, logprobs: [], citations: [], annotations: [], text: '' };
    this.#open = part;
    this.#parts.push(part);
    this.#emit('response.content_part.added', { part: renderPart(part) });
  }

  write(text: string, logprobs: readonly JsonObject[]): void {
    const part = this.#open;
    if (part === undefined) return;
    part.text += text;
    if (part.kind === 'refusal') {
      if (text !== '') this.#emit('response.refusal.delta', { delta: text });
      return;
    }
    const tokens = logprobs.map(completeLogprob);
    part.logprobs.push(...tokens);
    if (text !== '' || tokens.length > 0)
      this.#emit('response.output_text.delta', { delta: text, logprobs: tokens });
  }

  cite(citation: Citation): void {
    this.#open?.citations.push(citation);
  }

  endPart(): void {
    const part = this.#open;
    if (part === undefined) return;
    // Where a cited passage lies is known once the text is whole.
    for (const citation of part.citations) {
      const annotation = renderCitation(citation, part.text);
      const position = part.annotations.push(annotation) - 1;
      this.#emit('response.output_text.annotation.added', { annotation_index: position, annotation });
    }
    if (part.kind === 'text')
      this.#emit('response.output_text.done', { text: part.text, logprobs: part.logprobs });
    else this.#emit('response.refusal.done', { refusal: part.text });
    this.#emit('response.content_part.done', { part: renderPart(part) });
    this.#open = undefined;
  }

  finish(): void {
    this.endPart();
  }

  render(status: ItemStatus): JsonObject {
    return {
      id: this.#place.id,
      type: 'message',
      status,
      role: 'assistant',
      content: status === 'in_progress' ? [] : this.#parts.map(renderPart),
      ...(this.phase === undefined ? {} : { phase: this.phase }),
    };
  }

  #emit(type: string, members: JsonObject): void {
    this.#place.emit(type, { content_index: this.#parts.length - 1, ...members });
  }
}

function renderPart(part: ContentPart): JsonObject {
  if (part.kind === 'refusal') return { type: 'refusal', refusal: part.text };
  return {
    type: 'output_text',
    text: part.text,
    annotations: [...part.annotations],
    logprobs: [...part.logprobs],
  };
}

function renderCitation(citation: Citation, text: string): JsonObject {
  if (citation.native?.family === 'responses') return citation.native.value;
  const { start, end } = citedRange(citation, text);
  return {
    type: 'url_citation',
    url: citation.url ?? '',
    title: citation.title ?? '',
    start_index: start,
    end_index: end,
  };
}

/**
 * Thoughts, always shown as a summary: clients show summaries, and it is the one form that the published schemas agree on.
 * Parts of one provider item are its summaries; every other part is an item of its own.
 */
export class ReasoningItem implements OpenItem {
  /** Id of the provider's own item. */
  readonly itemId: string | undefined;
  readonly #place: ItemPlace;
  readonly #summaries: string[] = [];
  #isOpen = false;
  #signature: ProviderSignature | undefined;

  constructor(place: ItemPlace, itemId: string | undefined) {
    this.#place = place;
    this.itemId = itemId;
  }

  /** A part may hold nothing but a signature, so the summary starts with its first text. */
  write(text: string): void {
    if (text === '') return;
    if (!this.#isOpen) {
      this.#isOpen = true;
      this.#summaries.push('');
      this.#emit('response.reasoning_summary_part.added', { part: { type: 'summary_text', text: '' } });
    }
    this.#summaries[this.#summaries.length - 1] += text;
    this.#emit('response.reasoning_summary_text.delta', { delta: text });
  }

  sign(signature: ProviderSignature): void {
    this.#signature = signature;
  }

  endPart(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const text = this.#summaries.at(-1) ?? '';
    this.#emit('response.reasoning_summary_text.done', { text });
    this.#emit('response.reasoning_summary_part.done', { part: { type: 'summary_text', text } });
  }

  finish(): void {
    this.endPart();
  }

  render(status: ItemStatus): JsonObject {
    const summaries = status === 'in_progress' ? [] : this.#summaries;
    return {
      id: this.#place.id,
      type: 'reasoning',
      summary: summaries.map((text) => ({ type: 'summary_text', text })),
      ...(this.#signature === undefined
        ? {}
        : { encrypted_content: this.#encryptedContent(this.#signature) }),
    };
  }

  /** The provider's own encrypted content where it goes out under its own id, else an envelope around everything. */
  #encryptedContent(signature: ProviderSignature): string {
    if (signature.family === 'responses' && signature.kind === REASONING_ITEM_KIND) {
      const item = parseJsonObject(signature.value);
      const encrypted = textOf(item?.encrypted_content);
      if (encrypted !== undefined && item?.id === this.#place.id) return encrypted;
    }
    return packSignature(signature);
  }

  #emit(type: string, members: JsonObject): void {
    this.#place.emit(type, { summary_index: this.#summaries.length - 1, ...members });
  }
}

export interface CallIdentity {
  readonly callId: string;
  readonly name: string;
  readonly namespace: string | undefined;
}

/** A call of a function; no arguments at all become `{}`, because clients parse them. */
export class FunctionCallItem implements OpenItem {
  readonly #place: ItemPlace;
  readonly #identity: CallIdentity;
  #arguments = '';

  constructor(place: ItemPlace, identity: CallIdentity) {
    this.#place = place;
    this.#identity = identity;
  }

  write(text: string): void {
    if (text === '') return;
    this.#arguments += text;
    this.#place.emit('response.function_call_arguments.delta', { delta: text });
  }

  finish(): void {
    if (this.#arguments === '') this.write('{}');
    this.#place.emit('response.function_call_arguments.done', {
      name: this.#identity.name,
      arguments: this.#arguments,
    });
  }

  render(status: ItemStatus): JsonObject {
    const { callId, name, namespace } = this.#identity;
    return {
      id: this.#place.id,
      type: 'function_call',
      status,
      call_id: callId,
      name,
      ...(namespace === undefined ? {} : { namespace }),
      arguments: status === 'in_progress' ? '' : this.#arguments,
    };
  }
}

/**
 * A call of a free-text tool. Where the provider knows no such tools it was offered as a function with one parameter
 * `input`, and the text is unwrapped once it is whole.
 */
export class CustomCallItem implements OpenItem {
  readonly #place: ItemPlace;
  readonly #identity: CallIdentity;
  readonly #isWrapped: boolean;
  #input = '';

  constructor(place: ItemPlace, identity: CallIdentity, isWrapped: boolean) {
    this.#place = place;
    this.#identity = identity;
    this.#isWrapped = isWrapped;
  }

  write(text: string): void {
    this.#input += text;
    if (!this.#isWrapped) this.#delta(text);
  }

  finish(): void {
    if (this.#isWrapped) {
      this.#input = textOf(parseJsonObject(this.#input)?.input) ?? this.#input;
      this.#delta(this.#input);
    }
    this.#place.emit('response.custom_tool_call_input.done', { input: this.#input });
  }

  render(status: ItemStatus): JsonObject {
    const { callId, name, namespace } = this.#identity;
    return {
      id: this.#place.id,
      type: 'custom_tool_call',
      call_id: callId,
      name,
      ...(namespace === undefined ? {} : { namespace }),
      input: status === 'in_progress' ? '' : this.#input,
    };
  }

  #delta(text: string): void {
    if (text !== '') this.#place.emit('response.custom_tool_call_input.delta', { delta: text });
  }
}
