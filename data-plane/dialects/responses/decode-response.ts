import type { StreamDecoder } from '#data-plane/dialects/codec.ts';
import type { ProviderFault } from '#data-plane/dialects/dialect.ts';
import {
  countOf,
  filledText,
  objectOf,
  objectsOf,
  parseJsonObject,
  textOf,
} from '#data-plane/dialects/json-access.ts';
import { providerFailed } from '#data-plane/dialects/provider-error-wording.ts';
import type { FinishReason, JsonObject } from '#data-plane/dialects/turn.ts';
import type { EmitTurnEvent } from '#data-plane/dialects/turn-event.ts';
import { AnswerParts, type ProseDetails, type ProsePlace } from './answer-parts.ts';
import { completeItem, proseDetails } from './decode-item.ts';
import { readErrorInside } from './faults.ts';
import { readUsage } from './read-usage.ts';
import { FINISH_REASONS } from './wire.ts';

const END_MARKER = '[DONE]';

/** Reads the event stream of `POST /responses`. Event types that are not known here are passed over. */
export function createStreamDecoder(emit: EmitTurnEvent): StreamDecoder {
  return new ResponsesStream(emit);
}

/** Reads a whole response object. */
export function decodeBody(body: JsonObject, emit: EmitTurnEvent): void {
  const stream = new ResponsesStream(emit);
  stream.whole(body);
  stream.end();
}

class ResponsesStream implements StreamDecoder {
  readonly #emit: EmitTurnEvent;
  readonly #parts: AnswerParts;
  /** Items that have begun, by the key of their place, as they were when they did. */
  readonly #items = new Map<string, JsonObject>();
  readonly #doneItems = new Set<string>();
  #itemsAreNumbered = true;
  #hasStarted = false;
  #isOver = false;

  constructor(emit: EmitTurnEvent) {
    this.#emit = emit;
    this.#parts = new AnswerParts(emit);
  }

  frame(eventName: string, data: string): void {
    if (this.#isOver || data.trim() === '' || data.trim() === END_MARKER) return;
    const payload = parseJsonObject(data);
    if (payload === undefined) {
      this.#fail(providerFailed());
      return;
    }
    const type = textOf(payload.type) ?? (payload.error === undefined ? eventName : 'error');
    this.#event(type, payload);
  }

  /** The response as one object, as the last event has it and as the answer to a request that is not streamed. */
  whole(response: JsonObject): void {
    const { status } = response;
    if (
      status === 'failed' ||
      status === 'cancelled' ||
      (objectOf(response.error) !== undefined && status === undefined)
    ) {
      this.#failResponse(response);
      return;
    }
    // Without a status or with one that is still going on the answer is not there; `end` will say so.
    if (status === 'in_progress' || status === 'queued' || textOf(status) === undefined) return;
    this.#start(response);
    // Where the events did not number their items, nobody can tell which of these have been seen.
    if (this.#itemsAreNumbered)
      objectsOf(response.output).forEach((item, position) => {
        this.#finishItem(String(position), item);
      });
    this.#complete(response, status === 'incomplete');
  }

  end(): void {
    if (!this.#isOver) this.#fail(providerFailed());
  }

  #event(type: string, payload: JsonObject): void {
    switch (type) {
      case 'response.created':
      case 'response.in_progress':
      case 'response.queued':
        this.#start(objectOf(payload.response) ?? {});
        return;
      case 'response.completed':
      case 'response.incomplete':
        this.#last(payload, type === 'response.incomplete' ? 'incomplete' : 'completed');
        return;
      case 'response.failed':
      case 'response.cancelled':
        this.#failResponse(objectOf(payload.response) ?? payload);
        return;
      case 'error':
        this.#fail(readErrorInside(payload));
        return;
      case 'response.output_item.added':
        this.#addItem(payload);
        return;
      case 'response.output_item.done':
        this.#start({});
        if (payload.output_index === undefined) this.#itemsAreNumbered = false;
        this.#finishItem(keyOf(payload), objectOf(payload.item) ?? {});
        return;
      default:
        this.#content(type, payload);
    }
  }

  #content(type: string, payload: JsonObject): void {
    const item = keyOf(payload);
    switch (type) {
      case 'response.output_text.delta':
        this.#write(contentPlace(payload, 'text'), payload.delta, payload);
        return;
      case 'response.refusal.delta':
        this.#write(contentPlace(payload, 'refusal'), payload.delta, payload);
        return;
      case 'response.reasoning_text.delta':
      case 'response.reasoning.delta':
        this.#write(contentPlace(payload, 'reasoning'), payload.delta, payload);
        return;
      case 'response.reasoning_summary_text.delta':
        this.#write(summaryPlace(payload), payload.delta, payload);
        return;
      case 'response.output_text.done':
        this.#finishText(contentPlace(payload, 'text'), payload.text, payload);
        return;
      case 'response.refusal.done':
        this.#finishText(contentPlace(payload, 'refusal'), payload.refusal, payload);
        return;
      case 'response.output_text.annotation.added': {
        const annotation = objectOf(payload.annotation);
        if (annotation !== undefined) this.#parts.citeNext(contentPlace(payload, 'text'), annotation);
        return;
      }
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta':
        this.#parts.writeCall(item, textOf(payload.delta) ?? '');
        return;
      case 'response.function_call_arguments.done':
        this.#parts.completeCall(item, textOf(payload.arguments) ?? '');
        return;
      case 'response.custom_tool_call_input.done':
        this.#parts.completeCall(item, textOf(payload.input) ?? '');
        return;
      default:
        return;
    }
  }

  #start(response: JsonObject): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.#emit({ kind: 'turn_start', upstreamId: textOf(response.id) ?? '' });
  }

  #addItem(payload: JsonObject): void {
    this.#start({});
    const key = keyOf(payload);
    if (payload.output_index === undefined) this.#itemsAreNumbered = false;
    const item = objectOf(payload.item) ?? {};
    this.#items.set(key, item);
    if (item.type === 'function_call' || item.type === 'custom_tool_call') this.#parts.startCall(key, item);
  }

  #write(place: ProsePlace, delta: unknown, payload: JsonObject): void {
    if (typeof delta !== 'string') return;
    this.#start({});
    this.#parts.write(place, delta, objectsOf(payload.logprobs), this.#details(place.item));
  }

  #finishText(place: ProsePlace, text: unknown, payload: JsonObject): void {
    if (typeof text !== 'string') return;
    this.#start({});
    this.#parts.complete(place, text, objectsOf(payload.logprobs), this.#details(place.item));
  }

  #details(item: string): ProseDetails {
    return proseDetails(this.#items.get(item) ?? {});
  }

  #finishItem(key: string, item: JsonObject): void {
    if (this.#doneItems.has(key)) return;
    this.#doneItems.add(key);
    completeItem(this.#parts, key, item);
  }

  #last(payload: JsonObject, status: string): void {
    const response = objectOf(payload.response) ?? {};
    this.whole(textOf(response.status) === undefined ? { ...response, status } : response);
  }

  #complete(response: JsonObject, isIncomplete: boolean): void {
    this.#parts.closeAll();
    const usage = readUsage(response);
    if (usage !== undefined) this.#emit({ kind: 'usage', usage });
    this.#emit({ kind: 'choice_end', choice: 0, reason: this.#finishReason(response, isIncomplete) });
    this.#emit({ kind: 'turn_end' });
    this.#isOver = true;
  }

  #finishReason(response: JsonObject, isIncomplete: boolean): FinishReason {
    if (isIncomplete) {
      const reason = textOf(objectOf(response.incomplete_details)?.reason) ?? '';
      return FINISH_REASONS.get(reason) ?? 'length';
    }
    if (this.#parts.sawCall) return 'tool_calls';
    return this.#parts.sawRefusal ? 'refusal' : 'stop';
  }

  #failResponse(response: JsonObject): void {
    const usage = readUsage(response);
    if (usage !== undefined && !this.#isOver) this.#emit({ kind: 'usage', usage });
    this.#fail(readErrorInside(response));
  }

  #fail({ fault }: ProviderFault): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#emit({ kind: 'turn_fault', fault });
  }
}

/** Where an event's item stands. Its index, because some providers give an item another id in every event. */
function keyOf(payload: JsonObject): string {
  const index = countOf(payload.output_index);
  return index === undefined ? (filledText(payload.item_id) ?? '0') : String(index);
}

function contentPlace(payload: JsonObject, kind: ProsePlace['kind']): ProsePlace {
  return { item: keyOf(payload), kind, position: countOf(payload.content_index) ?? 0 };
}

function summaryPlace(payload: JsonObject): ProsePlace {
  return {
    item: keyOf(payload),
    kind: 'reasoning',
    position: countOf(payload.summary_index) ?? 0,
    summary: true,
  };
}
