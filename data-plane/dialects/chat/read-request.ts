import type { WatchedRequest } from '#data-plane/dialects/client-dialect.ts';
import {
  ambiguousKeyFault,
  NOWHERE,
  type Place,
  RequestParameters,
  scanRequestBody,
  unsupported,
} from '#data-plane/dialects/request-parameters.ts';
import { JSON_KINDS, type JsonKind, type JsonSink } from '#data-plane/json/json-watch.ts';
import { decodeJsonString } from '#data-plane/json/scan-json.ts';
import { type Fault, fault } from '#shared/fault.ts';
import { MessagesReader } from './read-messages.ts';
import { CHAT_REQUEST_WATCH, SLOTS } from './request-watch.ts';

const TOP_LEVEL_SLOTS = 16;
const FIRST_MESSAGE_SLOT = SLOTS.message;
const LAST_MESSAGE_SLOT = SLOTS.documentUrl;
const MAX_CHOICES = 128;
const ABSENT = 0;

/** A chat request as far as the gateway reads it. The body itself goes on as bytes. */
export interface ChatRequest extends WatchedRequest {
  /** Whether the client asked for the chunk with the usage; it is hidden from one that did not. */
  readonly wantsUsageChunk: boolean;
  /** Whether any of its messages holds thoughts or the id of a call, which only the provider that wrote them may take. */
  readonly hasProviderState: boolean;
  readonly modelPlace: Place;
  readonly streamOptionsPlace: Place;
  readonly includeUsagePlace: Place;
  readonly maxCompletionTokensPlace: Place;
  readonly maxTokensPlace: Place;
}

/** Reads a chat request from its bytes, or says which documented rule it breaks. Nothing of the body is kept. */
export function readChatRequest(body: Buffer): ChatRequest | Fault {
  return reader.read(body);
}

class ChatRequestReader implements JsonSink {
  readonly #messages = new MessagesReader();
  readonly #parameters = new RequestParameters(TOP_LEVEL_SLOTS);
  #body: Buffer = Buffer.alloc(0);
  #includeUsage: Place = NOWHERE;
  #badStopItem = false;
  #toolIndex = 0;
  #toolType: string | undefined;
  #functionIsNamed = false;
  #ambiguity: Fault | undefined;
  #toolFault: Fault | undefined;

  read(body: Buffer): ChatRequest | Fault {
    this.#reset(body);
    const result =
      scanRequestBody(body, CHAT_REQUEST_WATCH, this) ??
      this.#ambiguity ??
      this.#checkEssentials() ??
      this.#checkParameters() ??
      this.#request();
    this.#reset(NO_BODY);
    return result;
  }

  #reset(body: Buffer): void {
    this.#body = body;
    this.#messages.reset(body);
    this.#parameters.reset(body);
    this.#includeUsage = NOWHERE;
    this.#badStopItem = false;
    this.#toolIndex = 0;
    this.#toolType = undefined;
    this.#functionIsNamed = false;
    this.#ambiguity = undefined;
    this.#toolFault = undefined;
  }

  value(slot: number, kind: JsonKind, start: number, end: number): void {
    if (slot < 0) return;
    if (slot < TOP_LEVEL_SLOTS) {
      this.#parameters.note(slot, kind, start, end);
      return;
    }
    if (slot >= FIRST_MESSAGE_SLOT && slot <= LAST_MESSAGE_SLOT) {
      this.#messages.value(slot, kind, start, end);
      return;
    }
    switch (slot) {
      case SLOTS.includeUsage:
        this.#includeUsage = { kind, start, end };
        return;
      case SLOTS.stopItem:
        if (kind !== JSON_KINDS.string) this.#badStopItem = true;
        return;
      case SLOTS.toolType:
        this.#toolType = kind === JSON_KINDS.string ? decodeJsonString(this.#body, start, end) : undefined;
        return;
      case SLOTS.toolFunctionName:
        this.#functionIsNamed = kind === JSON_KINDS.string && end - start > 2;
        return;
      case SLOTS.tool:
        this.#endTool(kind);
        return;
    }
  }

  #endTool(kind: JsonKind): void {
    const path = `tools[${this.#toolIndex}]`;
    if (kind !== JSON_KINDS.object) this.#toolFault ??= unsupported(path, 'must be an object.');
    else if (this.#toolType !== 'function' && this.#toolType !== 'custom')
      this.#toolFault ??= unsupported(`${path}.type`, "must be 'function' or 'custom'.");
    else if (!this.#functionIsNamed)
      this.#toolFault ??= unsupported(`${path}.${this.#toolType}.name`, 'is required.');
    this.#toolIndex += 1;
    this.#toolType = undefined;
    this.#functionIsNamed = false;
  }

  ambiguousKey(name: string, reason: 'duplicate' | 'spelling'): void {
    this.#ambiguity ??= ambiguousKeyFault(name, reason);
  }

  #checkEssentials(): Fault | undefined {
    const parameters = this.#parameters;
    if (!parameters.has(SLOTS.messages) && parameters.has(SLOTS.input)) {
      return unsupported('input', "belongs to the Responses API; Chat Completions takes 'messages'.");
    }
    const noModel = parameters.checkModel(SLOTS.model);
    if (noModel !== undefined) return noModel;
    if (!parameters.has(SLOTS.messages)) return invalidMessages('is required.');
    if (!parameters.isKind(SLOTS.messages, JSON_KINDS.array)) return invalidMessages('must be an array.');
    if (this.#messages.count === 0) return invalidMessages('must hold at least one message.');
    return this.#messages.failure;
  }

  #checkParameters(): Fault | undefined {
    const parameters = this.#parameters;
    const { string, number, object, array } = JSON_KINDS;
    return (
      parameters.mustBeBoolean('stream', SLOTS.stream) ??
      this.#checkStreamOptions() ??
      parameters.mustBeCount('max_completion_tokens', SLOTS.maxCompletionTokens) ??
      parameters.mustBeCount('max_tokens', SLOTS.maxTokens) ??
      parameters.mustBe('temperature', SLOTS.temperature, 'a number', number) ??
      parameters.mustBe('top_p', SLOTS.topP, 'a number', number) ??
      this.#checkStop() ??
      parameters.mustBe('tools', SLOTS.tools, 'an array', array) ??
      this.#toolFault ??
      // Any text passes: some providers know words of their own besides `auto`, `none` and `required`.
      parameters.mustBe(
        'tool_choice',
        SLOTS.toolChoice,
        'a string or an object naming a function',
        string,
        object,
      ) ??
      parameters.mustBe('reasoning_effort', SLOTS.reasoningEffort, 'a string', string) ??
      parameters.mustBe('safety_identifier', SLOTS.safetyIdentifier, 'a string', string) ??
      parameters.mustBe('user', SLOTS.user, 'a string', string) ??
      parameters.mustBeCount('n', SLOTS.choiceCount, MAX_CHOICES)
    );
  }

  #checkStreamOptions(): Fault | undefined {
    const parameters = this.#parameters;
    if (!parameters.has(SLOTS.streamOptions)) return undefined;
    if (!parameters.isKind(SLOTS.stream, JSON_KINDS.true)) {
      return unsupported('stream_options', "is only allowed when 'stream' is true.");
    }
    const wrongType = parameters.mustBe(
      'stream_options',
      SLOTS.streamOptions,
      'an object',
      JSON_KINDS.object,
    );
    if (wrongType !== undefined) return wrongType;
    const { kind } = this.#includeUsage;
    const isFlag =
      kind === ABSENT || kind === JSON_KINDS.true || kind === JSON_KINDS.false || kind === JSON_KINDS.null;
    return isFlag ? undefined : unsupported('stream_options.include_usage', 'must be a boolean.');
  }

  #checkStop(): Fault | undefined {
    if (this.#badStopItem) return unsupported('stop', 'must be a string or an array of strings.');
    const { string, array } = JSON_KINDS;
    return this.#parameters.mustBe('stop', SLOTS.stop, 'a string or an array of strings', string, array);
  }

  #request(): ChatRequest {
    const parameters = this.#parameters;
    return {
      model: parameters.text(SLOTS.model) ?? '',
      stream: parameters.isKind(SLOTS.stream, JSON_KINDS.true),
      wantsUsageChunk: this.#includeUsage.kind === JSON_KINDS.true,
      hasProviderState: this.#messages.hasProviderState,
      maxOutputTokens: parameters.number(SLOTS.maxCompletionTokens) ?? parameters.number(SLOTS.maxTokens),
      choiceCount: parameters.number(SLOTS.choiceCount) ?? 1,
      reasoningEffort: parameters.text(SLOTS.reasoningEffort),
      endUser: parameters.text(SLOTS.safetyIdentifier) || parameters.text(SLOTS.user) || undefined,
      prompt: {
        textBytes: this.#body.length - this.#messages.mediaBytes,
        images: this.#messages.images,
        videos: this.#messages.videos,
        audioBytes: this.#messages.audioBytes,
        fileReferences: this.#messages.fileReferences,
      },
      mediaUrls: this.#messages.mediaUrls.found,
      historyPlace: parameters.place(SLOTS.messages),
      modelPlace: parameters.place(SLOTS.model),
      streamOptionsPlace: parameters.place(SLOTS.streamOptions),
      includeUsagePlace: this.#includeUsage,
      maxCompletionTokensPlace: parameters.place(SLOTS.maxCompletionTokens),
      maxTokensPlace: parameters.place(SLOTS.maxTokens),
    };
  }
}

const NO_BODY = Buffer.alloc(0);

/** Scans run to their end before the next begins, so one reader serves every request of the process. */
const reader = new ChatRequestReader();

function invalidMessages(rule: string): Fault {
  return fault('invalid_messages', `'messages' ${rule}`, { param: 'messages' });
}
