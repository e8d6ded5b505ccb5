import type { AnswerIdentity, StreamEncoder } from '#data-plane/dialects/codec.ts';
import { isJsonObject } from '#data-plane/dialects/json-access.ts';
import { BlockWriter } from '#data-plane/dialects/messages/block-writer.ts';
import { callInput, cutCallInput } from '#data-plane/dialects/messages/call-input.ts';
import { encodeDeltaUsage, encodeUsage } from '#data-plane/dialects/messages/encode-usage.ts';
import { encodeMessagesStreamFault } from '#data-plane/dialects/messages/faults.ts';
import type { MessageBody, MessageEnd, MessagesEvent } from '#data-plane/dialects/messages/wire.ts';
import type { FinishReason, JsonObject, TurnUsage } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { formatId } from '#shared/identifiers.ts';

const PING = 'event: ping\ndata: {"type":"ping"}\n\n';

const STOP_REASONS = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  stop_sequence: 'stop_sequence',
  content_filter: 'refusal',
  refusal: 'refusal',
  pause: 'pause_turn',
  context_exceeded: 'model_context_window_exceeded',
} as const satisfies Record<FinishReason, string>;

export function createStreamEncoder(answer: AnswerIdentity, write: (bytes: string) => void): StreamEncoder {
  const writer = new MessageWriter(answer, (event) => {
    write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  });
  return {
    event(event) {
      if (writer.isDone) return;
      if (event.kind === 'turn_fault') {
        writer.isDone = true;
        // The open block stays open: a client must not take half a tool call for a whole one.
        write(encodeMessagesStreamFault(event.fault, formatId('UsageRecord', answer.idSeed)).toString());
      } else writer.event(event);
    },
    keepAlive: () => (writer.isDone ? '' : PING),
  };
}

/** The message that the stream of the same events would have built. */
export function encodeBody(answer: AnswerIdentity, events: readonly TurnEvent[]): JsonObject {
  const gathering = new MessageGathering();
  const writer = new MessageWriter(answer, (event) => gathering.add(event));
  for (const event of events) writer.event(event);
  return gathering.body();
}

/** Writes one answer as Messages events. */
class MessageWriter {
  readonly #answer: AnswerIdentity;
  readonly #write: (event: MessagesEvent) => void;
  readonly #blocks: BlockWriter;
  #usage: TurnUsage | undefined;
  #hasStarted = false;
  #reason: FinishReason = 'stop';
  #stopSequence: string | undefined;
  isDone = false;

  constructor(answer: AnswerIdentity, write: (event: MessagesEvent) => void) {
    this.#answer = answer;
    this.#write = write;
    this.#blocks = new BlockWriter(write, takesLastBlockForResult(answer.body));
  }

  event(event: TurnEvent): void {
    switch (event.kind) {
      case 'turn_start':
        // Written with the first part: by then most providers have told the prompt's tokens, which belong into it.
        return;
      case 'usage':
        this.#usage = event.usage;
        return;
      case 'part_start':
        this.#start();
        this.#blocks.start(event);
        return;
      case 'choice_end':
        if (event.choice !== 0) return;
        this.#reason = event.reason;
        this.#stopSequence = event.stopSequence;
        return;
      case 'turn_end':
        this.#end();
        return;
      case 'turn_fault':
        this.isDone = true;
        return;
      default:
        this.#start();
        this.#blocks.part(event);
    }
  }

  #start(): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    const message: MessageBody = {
      id: `msg_${this.#answer.idSeed}`,
      type: 'message',
      role: 'assistant',
      model: this.#answer.model,
      content: [],
      container: null,
      diagnostics: null,
      stop_details: null,
      stop_reason: null,
      stop_sequence: null,
      usage: encodeUsage(this.#usage),
    };
    this.#write({ type: 'message_start', message });
  }

  #end(): void {
    this.#start();
    this.#blocks.finish();
    this.isDone = true;
    this.#write({ type: 'message_delta', delta: this.#stop(), usage: encodeDeltaUsage(this.#usage) });
    this.#write({ type: 'message_stop' });
  }

  #stop(): MessageEnd {
    const { hasCalls, hasRefusal } = this.#blocks;
    const isPlain = this.#reason === 'stop';
    const reason = isPlain && hasCalls ? 'tool_calls' : isPlain && hasRefusal ? 'refusal' : this.#reason;
    const stop_reason = STOP_REASONS[reason];
    return {
      container: null,
      stop_reason,
      stop_sequence: reason === 'stop_sequence' ? (this.#stopSequence ?? null) : null,
      stop_details: stop_reason === 'refusal' ? { type: 'refusal', category: null, explanation: null } : null,
    };
  }
}

/**
 * Claude Code without a terminal takes the text of an answer's last block for its result, and Gemini often signs an empty
 * part behind the text: its state would leave the result empty. Gemini does not insist on having that signature back.
 */
function takesLastBlockForResult({ system }: JsonObject): boolean {
  const [first] = Array.isArray(system) ? system : [];
  const text = isJsonObject(first) ? first.text : undefined;
  return typeof text === 'string' && text.startsWith('x-anthropic-billing-header:');
}

/** Builds the body from the events of a stream, as a client's SDK does. */
class MessageGathering {
  #message: JsonObject = {};
  readonly #content: JsonObject[] = [];
  /** Arguments of calls as they came. */
  readonly #inputs = new Map<JsonObject, string>();

  add(event: MessagesEvent): void {
    switch (event.type) {
      case 'message_start':
        this.#message = { ...event.message };
        return;
      case 'content_block_start':
        this.#content.push({ ...event.content_block });
        return;
      case 'content_block_delta':
        this.#addDelta(event.delta);
        return;
      case 'message_delta':
        this.#message = {
          ...this.#message,
          ...event.delta,
          usage: { ...(isJsonObject(this.#message.usage) ? this.#message.usage : {}), ...event.usage },
        };
    }
  }

  body(): JsonObject {
    const { stop_reason: reason } = this.#message;
    const wasCut = reason === 'max_tokens' || reason === 'model_context_window_exceeded';
    for (const [block, json] of this.#inputs) block.input = wasCut ? cutCallInput(json) : callInput(json);
    return { ...this.#message, content: this.#content };
  }

  #addDelta(delta: Extract<MessagesEvent, { type: 'content_block_delta' }>['delta']): void {
    const block = this.#content.at(-1);
    if (block === undefined) return;
    switch (delta.type) {
      case 'text_delta':
        block.text = `${String(block.text)}${delta.text}`;
        return;
      case 'thinking_delta':
        block.thinking = `${String(block.thinking)}${delta.thinking}`;
        return;
      case 'signature_delta':
        block.signature = delta.signature;
        return;
      case 'input_json_delta':
        this.#inputs.set(block, `${this.#inputs.get(block) ?? ''}${delta.partial_json}`);
        return;
      case 'citations_delta':
        block.citations = [...(Array.isArray(block.citations) ? block.citations : []), delta.citation];
    }
  }
}
