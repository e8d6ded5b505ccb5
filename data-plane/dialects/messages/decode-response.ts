import type { StreamDecoder } from '#data-plane/dialects/codec.ts';
import { countOf, isJsonObject, objectOf, objectsOf, textOf } from '#data-plane/dialects/json-access.ts';
import { readAnthropicFault } from '#data-plane/dialects/messages/provider-faults.ts';
import { UsageReading } from '#data-plane/dialects/messages/read-usage.ts';
import { providerFailed } from '#data-plane/dialects/provider-error-wording.ts';
import type { FinishReason, JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import type { EmitTurnEvent, TurnEvent } from '#data-plane/dialects/turn-event.ts';
import type { Fault } from '#shared/fault.ts';

const FINISH_REASONS: ReadonlyMap<JsonValue | undefined, FinishReason> = new Map<
  JsonValue | undefined,
  FinishReason
>([
  ['end_turn', 'stop'],
  ['max_tokens', 'length'],
  ['stop_sequence', 'stop_sequence'],
  ['tool_use', 'tool_calls'],
  ['pause_turn', 'pause'],
  ['compaction', 'pause'],
  ['refusal', 'refusal'],
  ['model_context_window_exceeded', 'context_exceeded'],
]);

const UNANNOUNCED: ReadonlyMap<JsonValue | undefined, string> = new Map<JsonValue | undefined, string>([
  ['text_delta', 'text'],
  ['thinking_delta', 'thinking'],
  ['signature_delta', 'thinking'],
]);

interface OpenBlock {
  /** Index of the part in the turn. */
  readonly index: number;
  readonly type: 'text' | 'thinking' | 'redacted_thinking' | 'tool_use' | 'native';
  /** The block as it began; a native one gathers its deltas here. */
  readonly block: JsonObject;
  signature: string;
  /** Pieces of a native block's `input`, or whether a call's arguments have begun. */
  inputJson: string;
}

export function createStreamDecoder(emit: EmitTurnEvent): StreamDecoder {
  const reading = new AnswerReading(emit);
  return {
    frame(_eventName, data) {
      const text = data.trim();
      if (text === '' || text === '[DONE]') return;
      const event = parseEvent(text);
      if (event === undefined) reading.fail(providerFailed().fault);
      else reading.event(event);
    },
    end() {
      reading.end();
    },
  };
}

/** A whole message is read as the events that would have streamed it. */
export function decodeBody(body: JsonObject, emit: EmitTurnEvent): void {
  const reading = new AnswerReading(emit);
  if (body.type === 'error' || (body.content === undefined && body.error !== undefined)) {
    reading.event({ ...body, type: 'error' });
    return;
  }
  reading.event({ type: 'message_start', message: body });
  for (const [index, block] of objectsOf(body.content).entries()) {
    reading.event({ type: 'content_block_start', index, content_block: block });
    reading.event({ type: 'content_block_stop', index });
  }
  reading.event({ type: 'message_delta', delta: body, usage: body.usage ?? null });
  reading.event({ type: 'message_stop' });
  reading.end();
}

function parseEvent(text: string): JsonObject | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return isJsonObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** Follows the blocks of one answer. Nothing is emitted after its end or a fault. */
class AnswerReading {
  readonly #emit: EmitTurnEvent;
  readonly #usage = new UsageReading('totals');
  /** Open blocks by the provider's index. */
  readonly #open = new Map<number, OpenBlock>();
  #nextIndex = 0;
  #started = false;
  #finished = false;
  #calls = 0;
  #stop: { readonly reason: JsonValue | undefined; readonly sequence: string | undefined } | undefined;

  constructor(emit: EmitTurnEvent) {
    this.#emit = emit;
  }

  event(event: JsonObject): void {
    if (this.#finished) return;
    switch (event.type) {
      case 'message_start':
        this.#start(objectOf(event.message) ?? {});
        return;
      case 'content_block_start':
        this.#startBlock(event);
        return;
      case 'content_block_delta':
        this.#addDelta(event);
        return;
      case 'content_block_stop':
        this.#stopBlock(countOf(event.index) ?? 0);
        return;
      case 'message_delta':
        this.#addMessageDelta(event);
        return;
      case 'message_stop':
        this.#complete();
        return;
      case 'error':
        this.fail(readAnthropicFault(200, undefined, event).fault);
        return;
      default:
        if (event.type === undefined && event.error !== undefined)
          this.fail(readAnthropicFault(200, undefined, event).fault);
    }
  }

  /** The provider has nothing more to say: an answer without its last event was cut. */
  end(): void {
    if (!this.#finished) this.fail(providerFailed().fault);
  }

  fail(fault: Fault): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#emit({ kind: 'turn_fault', fault });
  }

  #start(message: JsonObject): void {
    if (this.#started) return;
    this.#started = true;
    this.#emit({ kind: 'turn_start', upstreamId: textOf(message.id) ?? '' });
    this.#addUsage(message.usage);
  }

  #addUsage(stated: JsonValue | undefined): void {
    const usage = this.#usage.add(stated);
    if (usage !== undefined) this.#emit({ kind: 'usage', usage });
  }

  #startBlock(event: JsonObject): void {
    this.#start({});
    const at = countOf(event.index) ?? 0;
    const block = objectOf(event.content_block);
    if (block === undefined) return;
    const type = blockType(block);
    if (type === 'tool_use' && this.#open.get(at)?.block.id === block.id) return;
    // Blocks do not share a number: the one before it has ended, whether its end was told or not.
    this.#stopBlock(at);
    this.#closeBefore(type);
    const index = this.#nextIndex;
    this.#nextIndex += 1;
    const open: OpenBlock = { index, type, block: { ...block }, signature: '', inputJson: '' };
    this.#open.set(at, open);
    switch (type) {
      case 'text':
        this.#emit({ kind: 'part_start', index, part: 'text', choice: 0 });
        this.#addText(open, textOf(block.text));
        for (const citation of objectsOf(block.citations)) this.#emit(citationEvent(index, citation));
        return;
      case 'thinking':
        this.#emit({ kind: 'part_start', index, part: 'reasoning', choice: 0 });
        this.#addText(open, textOf(block.thinking));
        open.signature = textOf(block.signature) ?? '';
        return;
      case 'redacted_thinking':
        this.#emit({ kind: 'part_start', index, part: 'reasoning', choice: 0 });
        open.signature = textOf(block.data) ?? '';
        return;
      case 'tool_use': {
        this.#calls += 1;
        const callId = textOf(block.id) ?? '';
        const name = textOf(block.name) ?? '';
        this.#emit({ kind: 'part_start', index, part: 'tool_call', choice: 0, callId, name });
        return;
      }
      case 'native':
        return;
    }
  }

  #addText(open: OpenBlock, text: string | undefined): void {
    if (text !== undefined && text !== '') this.#emit({ kind: 'part_delta', index: open.index, text });
  }

  #addDelta(event: JsonObject): void {
    const delta = objectOf(event.delta);
    if (delta === undefined) return;
    const open = this.#open.get(countOf(event.index) ?? 0) ?? this.#startUnannounced(event, delta);
    if (open === undefined) return;
    if (open.type === 'native') {
      gatherNative(open, delta);
      return;
    }
    switch (delta.type) {
      case 'text_delta':
        this.#addText(open, textOf(delta.text));
        return;
      case 'thinking_delta':
        this.#addText(open, textOf(delta.thinking));
        return;
      case 'signature_delta':
        open.signature += textOf(delta.signature) ?? '';
        return;
      case 'input_json_delta': {
        const piece = textOf(delta.partial_json);
        open.inputJson += piece ?? '';
        this.#addText(open, piece);
        return;
      }
      case 'citations_delta': {
        const citation = objectOf(delta.citation);
        if (citation !== undefined) this.#emit(citationEvent(open.index, citation));
      }
    }
  }

  #stopBlock(at: number): void {
    const open = this.#open.get(at);
    if (open === undefined) return;
    this.#open.delete(at);
    const { index } = open;
    if (open.type === 'native') {
      const value = nativeBlock(open);
      this.#emit({ kind: 'native_part', index, choice: 0, family: 'messages', value });
      return;
    }
    if (open.type === 'tool_use' && open.inputJson === '') this.#addText(open, wholeInput(open.block.input));
    if (open.signature !== '') {
      const kind = open.type === 'redacted_thinking' ? 'redacted' : 'thinking';
      const signature = { family: 'messages', kind, value: open.signature } as const;
      this.#emit({ kind: 'part_signature', index, signature });
    }
    this.#emit({ kind: 'part_end', index });
  }

  /** Imitators of the protocol leave out a block's start; its text counts all the same. */
  #startUnannounced(event: JsonObject, delta: JsonObject): OpenBlock | undefined {
    const type = UNANNOUNCED.get(delta.type);
    if (type === undefined) return undefined;
    this.#startBlock({ index: event.index ?? 0, content_block: { type } });
    return this.#open.get(countOf(event.index) ?? 0);
  }

  /** Imitators leave out a block's end as well, or run several calls side by side. */
  #closeBefore(type: OpenBlock['type'] | undefined): void {
    for (const [at, open] of [...this.#open]) {
      if (type !== 'tool_use' || open.type !== 'tool_use') this.#stopBlock(at);
    }
  }

  #addMessageDelta(event: JsonObject): void {
    const delta = objectOf(event.delta) ?? {};
    if (delta.stop_reason !== undefined && delta.stop_reason !== null)
      this.#stop = { reason: delta.stop_reason, sequence: textOf(delta.stop_sequence) };
    this.#addUsage(event.usage);
  }

  #complete(): void {
    if (this.#stop === undefined) {
      this.fail(providerFailed().fault);
      return;
    }
    this.#closeBefore(undefined);
    this.#finished = true;
    const { sequence } = this.#stop;
    this.#emit({
      kind: 'choice_end',
      choice: 0,
      reason: FINISH_REASONS.get(this.#stop.reason) ?? (this.#calls > 0 ? 'tool_calls' : 'stop'),
      ...(sequence === undefined ? {} : { stopSequence: sequence }),
    });
    this.#emit({ kind: 'turn_end' });
  }
}

function blockType(block: JsonObject): OpenBlock['type'] {
  switch (block.type) {
    case 'text':
    case 'thinking':
    case 'redacted_thinking':
    case 'tool_use':
      return block.type;
    default:
      return 'native';
  }
}

/** A call's arguments where they came whole; none at all for the empty object that stands at every start. */
function wholeInput(input: JsonValue | undefined): string | undefined {
  if (input === undefined || input === null) return undefined;
  return isJsonObject(input) && Object.keys(input).length === 0 ? undefined : JSON.stringify(input);
}

/** Deltas of blocks that we do not model: their texts are appended to the block's field of that name. */
function gatherNative(open: OpenBlock, delta: JsonObject): void {
  if (delta.type === 'input_json_delta') {
    open.inputJson += textOf(delta.partial_json) ?? '';
    return;
  }
  for (const [name, value] of Object.entries(delta)) {
    if (name === 'type' || name === '__proto__' || typeof value !== 'string') continue;
    const before = open.block[name];
    open.block[name] = typeof before === 'string' ? before + value : value;
  }
}

function nativeBlock({ block, inputJson }: OpenBlock): JsonObject {
  const input = inputJson === '' ? undefined : parseEvent(inputJson);
  return input === undefined ? block : { ...block, input };
}

/** Citations point into a document, a search result or the web; the turn keeps what every client can show. */
function citationEvent(index: number, citation: JsonObject): TurnEvent {
  const url = textOf(citation.url) ?? textOf(citation.source);
  const title = textOf(citation.title) ?? textOf(citation.document_title);
  const citedText = textOf(citation.cited_text);
  return {
    kind: 'part_citation',
    index,
    ...(url === undefined ? {} : { url }),
    ...(title === undefined ? {} : { title }),
    ...(citedText === undefined ? {} : { citedText }),
    native: { family: 'messages', value: citation },
  };
}
