import type { AnswerIdentity, StreamEncoder } from '#data-plane/dialects/codec.ts';
import { filledText } from '#data-plane/dialects/json-access.ts';
import { packCallId } from '#data-plane/dialects/signature-envelope.ts';
import type { FinishReason, JsonObject, TurnUsage } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import type { Fault } from '#shared/fault.ts';
import { responseError, streamError } from './faults.ts';
import {
  CustomCallItem,
  FunctionCallItem,
  type ItemPlace,
  type ItemStatus,
  MessageItem,
  type OpenItem,
  ReasoningItem,
} from './output-items.ts';
import { type ResponseState, responseObject } from './response-object.ts';
import { readToolOrigins, type ToolOrigin } from './tool-names.ts';
import { ID_PREFIXES, INCOMPLETE_REASONS } from './wire.ts';

type EventOf<Kind extends TurnEvent['kind']> = Extract<TurnEvent, { kind: Kind }>;
type PartStart = EventOf<'part_start'>;
type SendEvent = (type: string, members: JsonObject) => void;

const KEEP_ALIVE = ': keep-alive\n\n';
const END_MARKER = 'data: [DONE]\n\n';

/** Writes an answer as the event stream of `POST /v1/responses`. */
export function createStreamEncoder(answer: AnswerIdentity, write: (bytes: string) => void): StreamEncoder {
  let sequence = 0;
  const send: SendEvent = (type, members) => {
    const payload = JSON.stringify({ type, sequence_number: sequence, ...members });
    sequence += 1;
    write(`event: ${type}\ndata: ${payload}\n\n`);
  };
  const writer = new AnswerWriter(answer, send);
  return {
    event(event) {
      const wasOpen = writer.isOpen;
      writer.take(event);
      if (wasOpen && event.kind === 'turn_end') write(END_MARKER);
    },
    keepAlive: () => KEEP_ALIVE,
  };
}

/** The whole answer as the body of a response that is not streamed: what the stream's last event would hold. */
export function encodeBody(answer: AnswerIdentity, events: readonly TurnEvent[]): JsonObject {
  const writer = new AnswerWriter(answer, () => undefined);
  for (const event of events) writer.take(event);
  return writer.response();
}

interface Entry<Item extends OpenItem = OpenItem> {
  readonly item: Item;
  readonly outputIndex: number;
}

/** Turns events into the lifecycle of a response: items open, fill and close in order, and the last event repeats them. */
class AnswerWriter {
  readonly #answer: AnswerIdentity;
  readonly #send: SendEvent;
  readonly #origins: ReadonlyMap<string, ToolOrigin>;
  /** Items that are done, by output index. */
  readonly #output: JsonObject[] = [];
  readonly #parts = new Map<number, Entry>();
  /** An item whose last part has ended: it may go on, and how it ended shows only with what follows. */
  #ended: Entry | undefined;
  #itemCount = 0;
  readonly #ids = new Set<string>();
  #usage: TurnUsage | undefined;
  #reason: FinishReason = 'stop';
  #refused = false;
  #error: ResponseState['error'];
  #status: ResponseState['status'] | 'not_begun' = 'not_begun';

  constructor(answer: AnswerIdentity, send: SendEvent) {
    this.#answer = answer;
    this.#send = send;
    this.#origins = readToolOrigins(answer.body);
  }

  get isOpen(): boolean {
    return this.#status === 'not_begun' || this.#status === 'in_progress';
  }

  response(): JsonObject {
    const status = this.#status === 'not_begun' ? 'in_progress' : this.#status;
    return responseObject(this.#answer, {
      status,
      // While items are open there are gaps.
      output: this.#output.filter((item) => item !== undefined),
      usage: this.#usage,
      incompleteReason: status === 'incomplete' ? this.#incompleteReason() : undefined,
      error: this.#error,
    });
  }

  take(event: TurnEvent): void {
    if (!this.isOpen) return;
    this.#begin();
    switch (event.kind) {
      case 'turn_start':
        return;
      case 'part_start':
        this.#startPart(event);
        return;
      case 'part_delta':
        this.#write(event);
        return;
      case 'part_signature':
        this.#sign(event);
        return;
      case 'part_citation':
        this.#cite(event);
        return;
      case 'part_end':
        this.#endPart(event.index);
        return;
      case 'native_part':
        this.#native(event);
        return;
      case 'usage':
        this.#usage = event.usage;
        return;
      case 'choice_end':
        if (event.choice === 0) this.#reason = event.reason;
        return;
      case 'turn_end':
        this.#complete();
        return;
      case 'turn_fault':
        this.#fail(event.fault);
        return;
    }
  }

  #begin(): void {
    if (this.#status !== 'not_begun') return;
    this.#status = 'in_progress';
    this.#send('response.created', { response: this.response() });
    this.#send('response.in_progress', { response: this.response() });
  }

  #startPart(event: PartStart): void {
    // One answer is all that this dialect can show; its requests cannot ask for more.
    if (event.choice !== 0) return;
    if (event.part === 'tool_call') this.#startCall(event);
    else if (event.part === 'reasoning') this.#startReasoning(event);
    else this.#startProse(event);
  }

  #startProse(event: Exclude<PartStart, { part: 'tool_call' }>): void {
    const kind = event.part === 'refusal' ? 'refusal' : 'text';
    if (kind === 'refusal') this.#refused = true;
    const last = this.#ended;
    if (last?.item instanceof MessageItem && last.item.phase === event.phase) {
      this.#ended = undefined;
      this.#parts.set(event.index, last);
      last.item.startPart(kind);
      return;
    }
    const { item } = this.#open(
      event.index,
      ID_PREFIXES.message,
      (place) => new MessageItem(place, event.phase),
    );
    item.startPart(kind);
  }

  #startReasoning({ index, itemId }: Exclude<PartStart, { part: 'tool_call' }>): void {
    const last = this.#ended;
    if (last?.item instanceof ReasoningItem && itemId !== undefined && last.item.itemId === itemId) {
      this.#ended = undefined;
      this.#parts.set(index, last);
      return;
    }
    this.#open(index, ID_PREFIXES.reasoning, (place) => new ReasoningItem(place, itemId), itemId);
  }

  #startCall(event: Extract<PartStart, { part: 'tool_call' }>): void {
    const origin = event.namespace === undefined ? this.#origins.get(event.name) : undefined;
    const identity = {
      callId: packCallId(event.callId, event.signature),
      name: origin?.name ?? event.name,
      namespace: event.namespace ?? origin?.namespace,
    };
    const isCustom = event.custom === true;
    if (isCustom || origin?.custom === true)
      this.#open(
        event.index,
        ID_PREFIXES.custom_tool_call,
        (place) => new CustomCallItem(place, identity, !isCustom),
      );
    else this.#open(event.index, ID_PREFIXES.function_call, (place) => new FunctionCallItem(place, identity));
  }

  #open<Item extends OpenItem>(
    index: number,
    prefix: string,
    create: (place: ItemPlace) => Item,
    knownId?: string,
  ): Entry<Item> {
    this.#settle('completed');
    const outputIndex = this.#takeOutputIndex();
    const id = this.#idFor(knownId, prefix, outputIndex);
    const item = create({
      id,
      emit: (type, members) => this.#send(type, { item_id: id, output_index: outputIndex, ...members }),
    });
    const entry = { item, outputIndex };
    this.#parts.set(index, entry);
    this.#send('response.output_item.added', { output_index: outputIndex, item: item.render('in_progress') });
    return entry;
  }

  #write({ index, text, logprobs }: EventOf<'part_delta'>): void {
    const item = this.#parts.get(index)?.item;
    if (item instanceof MessageItem) item.write(text, logprobs ?? []);
    else if (
      item instanceof ReasoningItem ||
      item instanceof FunctionCallItem ||
      item instanceof CustomCallItem
    )
      item.write(text);
  }

  #sign({ index, signature }: EventOf<'part_signature'>): void {
    const item = this.#parts.get(index)?.item;
    if (item instanceof ReasoningItem) item.sign(signature);
  }

  /** A citation without an address cannot be said here. */
  #cite(event: EventOf<'part_citation'>): void {
    const item = this.#parts.get(event.index)?.item;
    if (!(item instanceof MessageItem)) return;
    const canBeSaid = event.native?.family === 'responses' || URL.canParse(event.url ?? '');
    if (canBeSaid) item.cite(event);
  }

  #endPart(index: number): void {
    const entry = this.#parts.get(index);
    if (entry === undefined) return;
    this.#parts.delete(index);
    this.#settle('completed');
    if (entry.item instanceof MessageItem || entry.item instanceof ReasoningItem) entry.item.endPart();
    this.#ended = entry;
  }

  /** Sends the end of the item that has ended. */
  #settle(status: ItemStatus): void {
    const entry = this.#ended;
    if (entry === undefined) return;
    this.#ended = undefined;
    entry.item.finish();
    this.#done(entry.outputIndex, entry.item.render(status));
  }

  #native({ choice, family, value }: EventOf<'native_part'>): void {
    if (choice !== 0 || family !== 'responses') return;
    this.#settle('completed');
    const outputIndex = this.#takeOutputIndex();
    const id = this.#idFor(filledText(value.id), 'item_', outputIndex);
    const item = { ...value, id };
    this.#send('response.output_item.added', { output_index: outputIndex, item });
    this.#done(outputIndex, item);
  }

  #done(outputIndex: number, item: JsonObject): void {
    this.#output[outputIndex] = item;
    this.#send('response.output_item.done', { output_index: outputIndex, item });
  }

  #complete(): void {
    const isIncomplete = this.#incompleteReason() !== undefined;
    for (const index of [...this.#parts.keys()]) this.#endPart(index);
    this.#settle(isIncomplete ? 'incomplete' : 'completed');
    this.#status = isIncomplete ? 'incomplete' : 'completed';
    this.#send(`response.${this.#status}`, { response: this.response() });
  }

  /** Why the answer is not whole. A refusal that gave no words shows only here. */
  #incompleteReason(): string | undefined {
    if (this.#reason === 'refusal') return this.#refused ? undefined : 'content_filter';
    return INCOMPLETE_REASONS[this.#reason];
  }

  /** Open items stay open: a client must not act on half a call. */
  #fail(fault: Fault): void {
    this.#status = 'failed';
    this.#error = responseError(fault);
    this.#send('error', streamError(fault));
    this.#send('response.failed', { response: this.response() });
  }

  #takeOutputIndex(): number {
    this.#itemCount += 1;
    return this.#itemCount - 1;
  }

  /** The provider's own id, unless an item before has it: some providers come back to an item that has ended. */
  #idFor(known: string | undefined, prefix: string, outputIndex: number): string {
    const isFree = known !== undefined && !this.#ids.has(known);
    const id = isFree ? known : `${prefix}${this.#answer.idSeed}${outputIndex.toString(16).padStart(4, '0')}`;
    this.#ids.add(id);
    return id;
  }
}
