import type { WatchedRequest } from '#data-plane/dialects/client-dialect.ts';
import {
  ambiguousKeyFault,
  type Place,
  RequestParameters,
  scanRequestBody,
  unsupported,
} from '#data-plane/dialects/request-parameters.ts';
import { JSON_KINDS, type JsonKind, type JsonSink } from '#data-plane/json/json-watch.ts';
import { type Fault, fault } from '#shared/fault.ts';
import { MessagesReader } from './read-messages.ts';
import { MESSAGES_REQUEST_WATCH, PARAMETER_SLOTS, SLOTS } from './request-watch.ts';

/** A Messages request as far as the gateway reads it. The body itself goes on as bytes. */
export interface MessagesRequest extends WatchedRequest {
  readonly modelPlace: Place;
}

/** Reads a body of `POST /v1/messages`, or says which documented rule it breaks. Nothing of the body is kept. */
export function readMessagesRequest(body: Buffer): MessagesRequest | Fault {
  return reader.read(body, true);
}

/** The same for `POST /v1/messages/count_tokens`, whose clients send no `max_tokens`. */
export function readCountTokensRequest(body: Buffer): MessagesRequest | Fault {
  return reader.read(body, false);
}

class MessagesRequestReader implements JsonSink {
  readonly #messages = new MessagesReader();
  readonly #parameters = new RequestParameters(PARAMETER_SLOTS);
  #badStopSequence = false;
  #toolIndex = 0;
  #toolFault: Fault | undefined;
  #ambiguity: Fault | undefined;

  read(body: Buffer, maxTokensRequired: boolean): MessagesRequest | Fault {
    this.#reset(body);
    const result =
      scanRequestBody(body, MESSAGES_REQUEST_WATCH, this) ??
      this.#ambiguity ??
      this.#checkEssentials(maxTokensRequired) ??
      this.#checkParameters() ??
      this.#request(body);
    this.#reset(NO_BODY);
    return result;
  }

  #reset(body: Buffer): void {
    this.#messages.reset(body);
    this.#parameters.reset(body);
    this.#badStopSequence = false;
    this.#toolIndex = 0;
    this.#toolFault = undefined;
    this.#ambiguity = undefined;
  }

  value(slot: number, kind: JsonKind, start: number, end: number): void {
    if (slot < 0) return;
    if (slot < PARAMETER_SLOTS) {
      this.#parameters.note(slot, kind, start, end);
      return;
    }
    switch (slot) {
      case SLOTS.stopSequence:
        if (kind !== JSON_KINDS.string) this.#badStopSequence = true;
        return;
      case SLOTS.tool:
        if (kind !== JSON_KINDS.object)
          this.#toolFault ??= unsupported(`tools[${this.#toolIndex}]`, 'must be an object.');
        this.#toolIndex += 1;
        return;
      default:
        this.#messages.value(slot, kind, start, end);
    }
  }

  ambiguousKey(name: string, reason: 'duplicate' | 'spelling'): void {
    this.#ambiguity ??= ambiguousKeyFault(name, reason);
  }

  #checkEssentials(maxTokensRequired: boolean): Fault | undefined {
    const parameters = this.#parameters;
    // A thread lives at one provider under our account. Refused, SDKs send the whole history instead.
    if (parameters.has(SLOTS.thread)) {
      return unsupported('thread', 'is not supported: send the full history in messages.');
    }
    const noModel = parameters.checkModel(SLOTS.model);
    if (noModel !== undefined) return noModel;
    if (!parameters.has(SLOTS.messages)) return invalidMessages('is required.');
    if (!parameters.isKind(SLOTS.messages, JSON_KINDS.array)) return invalidMessages('must be an array.');
    if (this.#messages.count === 0) return invalidMessages('must hold at least one message.');
    if (this.#messages.failure !== undefined) return this.#messages.failure;
    if (!maxTokensRequired || parameters.has(SLOTS.maxTokens)) return undefined;
    return fault('invalid_request', "'max_tokens' is required.", { param: 'max_tokens' });
  }

  #checkParameters(): Fault | undefined {
    const parameters = this.#parameters;
    const { string, number, object, array } = JSON_KINDS;
    return (
      parameters.mustBeCount('max_tokens', SLOTS.maxTokens) ??
      parameters.mustBeBoolean('stream', SLOTS.stream) ??
      parameters.mustBe('system', SLOTS.system, 'a string or an array of text blocks', string, array) ??
      parameters.mustBe('temperature', SLOTS.temperature, 'a number', number) ??
      parameters.mustBe('top_p', SLOTS.topP, 'a number', number) ??
      parameters.mustBe('top_k', SLOTS.topK, 'an integer', number) ??
      this.#checkStopSequences() ??
      parameters.mustBe('tools', SLOTS.tools, 'an array', array) ??
      this.#toolFault ??
      parameters.mustBe('tool_choice', SLOTS.toolChoice, 'an object', object) ??
      parameters.mustBe('thinking', SLOTS.thinking, 'an object', object) ??
      parameters.mustBe('metadata', SLOTS.metadata, 'an object', object) ??
      parameters.mustBe('metadata.user_id', SLOTS.userId, 'a string', string)
    );
  }

  #checkStopSequences(): Fault | undefined {
    if (this.#badStopSequence) return unsupported('stop_sequences', 'must be an array of strings.');
    return this.#parameters.mustBe(
      'stop_sequences',
      SLOTS.stopSequences,
      'an array of strings',
      JSON_KINDS.array,
    );
  }

  #request(body: Buffer): MessagesRequest {
    const parameters = this.#parameters;
    const { images, fileReferences, mediaBytes } = this.#messages;
    return {
      model: parameters.text(SLOTS.model) ?? '',
      stream: parameters.isKind(SLOTS.stream, JSON_KINDS.true),
      maxOutputTokens: parameters.number(SLOTS.maxTokens),
      choiceCount: 1,
      reasoningEffort: undefined,
      endUser: parameters.text(SLOTS.userId) || undefined,
      prompt: { textBytes: body.length - mediaBytes, images, videos: 0, audioBytes: 0, fileReferences },
      mediaUrls: this.#messages.mediaUrls.found,
      historyPlace: parameters.place(SLOTS.messages),
      modelPlace: parameters.place(SLOTS.model),
    };
  }
}

const NO_BODY = Buffer.alloc(0);

/** Scans run to their end before the next begins, so one reader serves every request of the process. */
const reader = new MessagesRequestReader();

function invalidMessages(rule: string): Fault {
  return fault('invalid_messages', `'messages' ${rule}`, { param: 'messages' });
}
