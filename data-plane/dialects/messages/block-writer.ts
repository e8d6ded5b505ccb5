import type { Citation } from '#data-plane/dialects/citation.ts';
import { callInput } from '#data-plane/dialects/messages/call-input.ts';
import type { BlockDelta, MessagesEvent } from '#data-plane/dialects/messages/wire.ts';
import { FOREIGN_CITATION, packCallId, packSignature } from '#data-plane/dialects/signature-envelope.ts';
import type { JsonObject, ProviderSignature } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';

type PartStart = Extract<TurnEvent, { kind: 'part_start' }>;
type PartEvent = Extract<
  TurnEvent,
  { kind: 'part_delta' | 'part_signature' | 'part_citation' | 'part_end' | 'native_part' }
>;

interface WaitingPart {
  readonly start: PartStart | undefined;
  readonly events: PartEvent[];
}

/**
 * Turns parts into content blocks. Blocks of this dialect come one after the other, parts may run side by side: what
 * belongs to a later part waits until the one before it has ended. A part that turns out to be empty leaves no block.
 */
export class BlockWriter {
  readonly #write: (event: MessagesEvent) => void;
  readonly #mustEndInText: boolean;
  /** Redacted blocks after text that wait for something to follow them. */
  #trailing: JsonObject[] = [];
  #hasText = false;
  /** Parts that have begun and not been written out, in order. */
  readonly #parts = new Map<number, WaitingPart>();
  /** The part that is being written, and what it is. */
  #current: number | undefined;
  #kind: PartStart['part'] = 'text';
  #nextBlock = 0;
  #isBlockOpen = false;
  #signatures: ProviderSignature[] = [];
  /** Arguments that are no object, gathered to be told as one. */
  #looseInput: string | undefined;
  /** Whether the current call has said anything of its arguments. */
  #hasInput = false;
  /** Whether the current call is of a free-text tool, which goes out as a function with one parameter `input`. */
  #isCustom = false;
  /** What the answer holds so far; decides the stop reason. */
  hasCalls = false;
  hasRefusal = false;

  /** With `mustEndInText`, reasoning state behind the text of an answer without calls is left out. */
  constructor(write: (event: MessagesEvent) => void, mustEndInText = false) {
    this.#write = write;
    this.#mustEndInText = mustEndInText;
  }

  start(start: PartStart): void {
    if (start.choice !== 0) return;
    this.#parts.set(start.index, { start, events: [] });
    this.#advance();
  }

  part(event: PartEvent): void {
    if (event.kind === 'native_part') {
      if (event.choice === 0) this.#parts.set(event.index, { start: undefined, events: [event] });
    } else if (event.index !== this.#current) {
      this.#parts.get(event.index)?.events.push(event);
      return;
    } else {
      this.#writePart(event);
    }
    this.#advance();
  }

  /** Ends what is still open, so that a complete answer never holds half a block. */
  finish(): void {
    for (const [index, { start }] of [...this.#parts]) {
      if (start !== undefined) this.part({ kind: 'part_end', index });
    }
  }

  /** Writes parts that waited, up to the first one that has not ended. */
  #advance(): void {
    for (const [index, { start, events }] of this.#parts) {
      if (this.#current !== undefined) return;
      if (start === undefined) {
        this.#parts.delete(index);
        for (const event of events) if (event.kind === 'native_part') this.#writeNative(event);
      } else {
        this.#current = index;
        this.#kind = start.part;
        this.#begin(start);
        for (const event of events) this.#writePart(event);
      }
    }
  }

  #begin(start: PartStart): void {
    this.#isBlockOpen = false;
    this.#signatures = [];
    if (start.part === 'refusal') this.hasRefusal = true;
    if (start.part !== 'tool_call') return;
    this.hasCalls = true;
    this.#isCustom = start.custom === true;
    this.#looseInput = this.#isCustom ? '' : undefined;
    this.#hasInput = false;
    const id = packCallId(start.callId, start.signature);
    this.#open({ type: 'tool_use', id, name: start.name, input: {}, caller: { type: 'direct' } });
  }

  #writePart(event: PartEvent): void {
    switch (event.kind) {
      case 'part_delta':
        if (event.text !== '') this.#writeText(event.text);
        return;
      case 'part_signature':
        this.#signatures.push(event.signature);
        return;
      case 'part_citation':
        this.#cite(event);
        return;
      case 'part_end':
        this.#end();
        this.#parts.delete(event.index);
        this.#current = undefined;
    }
  }

  #cite(event: Citation): void {
    const citation = citationOf(event);
    if (citation === undefined) return;
    this.#openProse('text');
    this.#delta({ type: 'citations_delta', citation });
  }

  #writeText(text: string): void {
    if (this.#kind === 'tool_call') {
      this.#writeInput(text);
    } else if (this.#kind === 'reasoning') {
      this.#openProse('thinking');
      this.#delta({ type: 'thinking_delta', thinking: text });
    } else {
      this.#openProse('text');
      this.#delta({ type: 'text_delta', text });
    }
  }

  /** Clients parse a call's input as it comes, so what does not begin like an object has to wait until it is whole. */
  #writeInput(text: string): void {
    if (!this.#hasInput && text.trim() !== '') {
      this.#hasInput = true;
      if (!text.trimStart().startsWith('{')) this.#looseInput ??= '';
    }
    if (this.#looseInput !== undefined) this.#looseInput += text;
    else this.#delta({ type: 'input_json_delta', partial_json: text });
  }

  #endInput(): void {
    const text = this.#looseInput;
    this.#looseInput = undefined;
    if (text === undefined || text === '') return;
    const input = this.#isCustom ? { input: text } : callInput(text);
    this.#delta({ type: 'input_json_delta', partial_json: JSON.stringify(input) });
  }

  /** A block of prose begins with its first text: only then is it known that there is any. */
  #openProse(type: 'text' | 'thinking'): void {
    if (this.#isBlockOpen) return;
    if (type === 'text') this.#open({ type, text: '', citations: null });
    else this.#open({ type, thinking: '', signature: '' });
  }

  #end(): void {
    this.#endInput();
    const [first, ...rest] = this.#signatures;
    const others = first === undefined ? [] : rest;
    if (first !== undefined) {
      const isNative = first.family === 'messages' && first.kind === 'thinking';
      if (!this.#isBlockOpen && isNative) this.#openProse('thinking');
      if (this.#isBlockOpen && first.kind !== 'redacted')
        this.#delta({ type: 'signature_delta', signature: signatureText(first) });
      else others.unshift(first);
    }
    this.#close();
    for (const signature of others)
      this.#writeRedacted({ type: 'redacted_thinking', data: signatureText(signature) });
  }

  #writeRedacted(block: JsonObject): void {
    if (this.#mustEndInText && this.#hasText && !this.hasCalls) {
      this.#trailing.push(block);
      return;
    }
    this.#open(block);
    this.#close();
  }

  #writeNative(event: Extract<TurnEvent, { kind: 'native_part' }>): void {
    // A block of another protocol means nothing to this client.
    if (event.family !== 'messages') return;
    const { input } = event.value;
    const isStreamedInput = event.value.type === 'server_tool_use' && input !== undefined;
    this.#open({
      ...(CALLED_BLOCKS.has(event.value.type) ? { caller: { type: 'direct' } } : {}),
      ...event.value,
      ...(isStreamedInput ? { input: {} } : {}),
    });
    if (isStreamedInput) this.#delta({ type: 'input_json_delta', partial_json: JSON.stringify(input) });
    this.#close();
  }

  #open(block: JsonObject): void {
    for (const waiting of this.#trailing.splice(0)) {
      this.#open(waiting);
      this.#close();
    }
    this.#hasText ||= block.type === 'text';
    this.#isBlockOpen = true;
    this.#write({ type: 'content_block_start', index: this.#nextBlock, content_block: block });
  }

  #delta(delta: BlockDelta): void {
    this.#write({ type: 'content_block_delta', index: this.#nextBlock, delta });
  }

  #close(): void {
    if (!this.#isBlockOpen) return;
    this.#isBlockOpen = false;
    this.#write({ type: 'content_block_stop', index: this.#nextBlock });
    this.#nextBlock += 1;
  }
}

/** Blocks whose `caller` the schema requires and older models leave out. */
const CALLED_BLOCKS: ReadonlySet<unknown> = new Set([
  'server_tool_use',
  'web_search_tool_result',
  'web_fetch_tool_result',
]);

/** Our own family's signatures go as they came; others are packed, to be opened when the client returns them. */
function signatureText(signature: ProviderSignature): string {
  return signature.family === 'messages' ? signature.value : packSignature(signature);
}

/** A citation of another protocol is one of a web page; a source without an address cannot be named here. */
function citationOf({ native, url, title, citedText }: Citation): JsonObject | undefined {
  // Older models leave out a field of places in documents that the schema requires.
  if (native?.family === 'messages')
    return 'document_index' in native.value ? { file_id: null, ...native.value } : native.value;
  if (url === undefined) return undefined;
  return {
    type: 'web_search_result_location',
    cited_text: citedText ?? '',
    encrypted_index: FOREIGN_CITATION,
    title: title ?? null,
    url,
  };
}
