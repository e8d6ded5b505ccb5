import { isUtf8 } from 'node:buffer';
import type { PromptSize } from '#data-plane/dialects/dialect.ts';
import { JSON_KINDS, type JsonKind, type JsonSink } from '#data-plane/json/json-watch.ts';
import { decodeJsonString, SCAN_OK, scanJson } from '#data-plane/json/scan-json.ts';
import { type Fault, fault } from '#shared/fault.ts';
import { MessagesReader } from './read-messages.ts';
import { CHAT_REQUEST_WATCH, SLOTS } from './request-watch.ts';

const TOP_LEVEL_SLOTS = 16;
const FIRST_MESSAGE_SLOT = SLOTS.message;
const LAST_MESSAGE_SLOT = SLOTS.toolCallType;
const MAX_CHOICES = 128;
const ABSENT = 0;

/** Where a value lies in the body. `kind` 0: the field is absent. */
export interface Place {
  readonly kind: JsonKind | 0;
  readonly start: number;
  readonly end: number;
}

/** A chat request as far as the gateway reads it. The body itself goes on as bytes. */
export interface ChatRequest {
  readonly model: string;
  readonly stream: boolean;
  /** Whether the client asked for the chunk with the usage; it is hidden from one that did not. */
  readonly wantsUsageChunk: boolean;
  /** `max_completion_tokens`, else `max_tokens`. */
  readonly maxOutputTokens: number | undefined;
  /** `n`. */
  readonly choiceCount: number;
  readonly reasoningEffort: string | undefined;
  /** `safety_identifier`, else `user`. */
  readonly endUser: string | undefined;
  readonly prompt: PromptSize;
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
  readonly #kinds = new Uint8Array(TOP_LEVEL_SLOTS);
  readonly #starts = new Uint32Array(TOP_LEVEL_SLOTS);
  readonly #ends = new Uint32Array(TOP_LEVEL_SLOTS);
  #body: Buffer = Buffer.alloc(0);
  #includeUsage: Place = NOWHERE;
  #badStopItem = false;
  #toolIndex = 0;
  #toolIsFunction = false;
  #functionIsNamed = false;
  #ambiguity: Fault | undefined;
  #toolFault: Fault | undefined;

  read(body: Buffer): ChatRequest | Fault {
    this.#reset(body);
    const result = this.#readBody(body);
    this.#body = Buffer.alloc(0);
    this.#messages.reset(this.#body);
    return result;
  }

  #readBody(body: Buffer): ChatRequest | Fault {
    if (!isUtf8(body)) return fault('invalid_json', 'The request body is not valid UTF-8.');
    const failure = scanJson(body, 0, body.length, CHAT_REQUEST_WATCH, this);
    if (failure === SCAN_OK) return this.#conclude();
    return fault('invalid_json', `The request body is not valid JSON (at byte ${failure}).`);
  }

  #reset(body: Buffer): void {
    this.#body = body;
    this.#messages.reset(body);
    this.#kinds.fill(ABSENT);
    this.#includeUsage = NOWHERE;
    this.#badStopItem = false;
    this.#toolIndex = 0;
    this.#toolIsFunction = false;
    this.#functionIsNamed = false;
    this.#ambiguity = undefined;
    this.#toolFault = undefined;
  }

  value(slot: number, kind: JsonKind, start: number, end: number): void {
    if (slot < 0) return;
    if (slot < TOP_LEVEL_SLOTS) {
      this.#kinds[slot] = kind;
      this.#starts[slot] = start;
      this.#ends[slot] = end;
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
        this.#toolIsFunction =
          kind === JSON_KINDS.string && decodeJsonString(this.#body, start, end) === 'function';
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
    else if (!this.#toolIsFunction) this.#toolFault ??= unsupported(`${path}.type`, "must be 'function'.");
    else if (!this.#functionIsNamed) this.#toolFault ??= unsupported(`${path}.function.name`, 'is required.');
    this.#toolIndex += 1;
    this.#toolIsFunction = false;
    this.#functionIsNamed = false;
  }

  ambiguousKey(name: string, reason: 'duplicate' | 'spelling'): void {
    const shown = name.slice(0, MAX_SHOWN_KEY);
    this.#ambiguity ??=
      reason === 'duplicate'
        ? fault('invalid_json', `The key '${shown}' appears more than once in one object.`, { param: shown })
        : unsupported(shown, 'is not a known parameter; keys are case-sensitive.');
  }

  #conclude(): ChatRequest | Fault {
    if (this.#body[firstByteOf(this.#body)] !== OPEN_BRACE) {
      return fault('invalid_json', 'The request body must be a JSON object.');
    }
    return this.#ambiguity ?? this.#checkEssentials() ?? this.#checkParameters() ?? this.#request();
  }

  #checkEssentials(): Fault | undefined {
    if (!this.#has(SLOTS.messages) && this.#has(SLOTS.input)) {
      return unsupported('input', "belongs to the Responses API; Chat Completions takes 'messages'.");
    }
    if (!this.#has(SLOTS.model)) return fault('invalid_request', "'model' is required.", { param: 'model' });
    if (!this.#isKind(SLOTS.model, JSON_KINDS.string) || this.#text(SLOTS.model) === '') {
      return fault('invalid_request', "'model' must be a non-empty string.", { param: 'model' });
    }
    const kind = this.#kinds[SLOTS.messages];
    if (kind === ABSENT) return invalidMessages('is required.');
    if (kind !== JSON_KINDS.array) return invalidMessages('must be an array.');
    if (this.#messages.count === 0) return invalidMessages('must hold at least one message.');
    return this.#messages.failure;
  }

  #checkParameters(): Fault | undefined {
    return (
      this.#mustBeBoolean('stream', SLOTS.stream) ??
      this.#checkStreamOptions() ??
      this.#mustBeCount('max_completion_tokens', SLOTS.maxCompletionTokens, Number.MAX_SAFE_INTEGER) ??
      this.#mustBeCount('max_tokens', SLOTS.maxTokens, Number.MAX_SAFE_INTEGER) ??
      this.#mustBe('temperature', SLOTS.temperature, JSON_KINDS.number, 'a number') ??
      this.#mustBe('top_p', SLOTS.topP, JSON_KINDS.number, 'a number') ??
      this.#checkStop() ??
      this.#mustBe('tools', SLOTS.tools, JSON_KINDS.array, 'an array') ??
      this.#toolFault ??
      this.#checkToolChoice() ??
      this.#mustBe('reasoning_effort', SLOTS.reasoningEffort, JSON_KINDS.string, 'a string') ??
      this.#mustBe('safety_identifier', SLOTS.safetyIdentifier, JSON_KINDS.string, 'a string') ??
      this.#mustBe('user', SLOTS.user, JSON_KINDS.string, 'a string') ??
      this.#mustBeCount('n', SLOTS.choiceCount, MAX_CHOICES)
    );
  }

  #checkStreamOptions(): Fault | undefined {
    if (!this.#has(SLOTS.streamOptions)) return undefined;
    if (!this.#isKind(SLOTS.stream, JSON_KINDS.true)) {
      return unsupported('stream_options', "is only allowed when 'stream' is true.");
    }
    const wrongType = this.#mustBe('stream_options', SLOTS.streamOptions, JSON_KINDS.object, 'an object');
    if (wrongType !== undefined) return wrongType;
    const { kind } = this.#includeUsage;
    const isFlag =
      kind === ABSENT || kind === JSON_KINDS.true || kind === JSON_KINDS.false || kind === JSON_KINDS.null;
    return isFlag ? undefined : unsupported('stream_options.include_usage', 'must be a boolean.');
  }

  #checkStop(): Fault | undefined {
    const isFine =
      !this.#has(SLOTS.stop) ||
      this.#isKind(SLOTS.stop, JSON_KINDS.string) ||
      (this.#isKind(SLOTS.stop, JSON_KINDS.array) && !this.#badStopItem);
    return isFine ? undefined : unsupported('stop', 'must be a string or an array of strings.');
  }

  /** Any text passes: some providers know words of their own besides `auto`, `none` and `required`. */
  #checkToolChoice(): Fault | undefined {
    const isFine =
      !this.#has(SLOTS.toolChoice) ||
      this.#isKind(SLOTS.toolChoice, JSON_KINDS.string) ||
      this.#isKind(SLOTS.toolChoice, JSON_KINDS.object);
    return isFine
      ? undefined
      : unsupported('tool_choice', 'must be a string or an object naming a function.');
  }

  #request(): ChatRequest {
    const endUser = this.#optionalText(SLOTS.safetyIdentifier) || this.#optionalText(SLOTS.user);
    return {
      model: this.#text(SLOTS.model),
      stream: this.#isKind(SLOTS.stream, JSON_KINDS.true),
      wantsUsageChunk: this.#includeUsage.kind === JSON_KINDS.true,
      maxOutputTokens:
        this.#optionalNumber(SLOTS.maxCompletionTokens) ?? this.#optionalNumber(SLOTS.maxTokens),
      choiceCount: this.#optionalNumber(SLOTS.choiceCount) ?? 1,
      reasoningEffort: this.#optionalText(SLOTS.reasoningEffort),
      endUser: endUser === '' ? undefined : endUser,
      prompt: {
        textBytes: this.#body.length - this.#messages.mediaBytes,
        images: this.#messages.images,
        videos: this.#messages.videos,
        audioBytes: this.#messages.audioBytes,
        fileReferences: this.#messages.fileReferences,
      },
      modelPlace: this.#place(SLOTS.model),
      streamOptionsPlace: this.#place(SLOTS.streamOptions),
      includeUsagePlace: this.#includeUsage,
      maxCompletionTokensPlace: this.#place(SLOTS.maxCompletionTokens),
      maxTokensPlace: this.#place(SLOTS.maxTokens),
    };
  }

  /** `null` counts as absent: several clients send it for what they leave out. */
  #has(slot: number): boolean {
    const kind = this.#kinds[slot];
    return kind !== ABSENT && kind !== JSON_KINDS.null;
  }

  #isKind(slot: number, kind: JsonKind): boolean {
    return this.#kinds[slot] === kind;
  }

  #mustBe(name: string, slot: number, kind: JsonKind, wanted: string): Fault | undefined {
    return !this.#has(slot) || this.#isKind(slot, kind) ? undefined : unsupported(name, `must be ${wanted}.`);
  }

  #mustBeBoolean(name: string, slot: number): Fault | undefined {
    const isFine =
      !this.#has(slot) || this.#isKind(slot, JSON_KINDS.true) || this.#isKind(slot, JSON_KINDS.false);
    return isFine ? undefined : unsupported(name, 'must be a boolean.');
  }

  #mustBeCount(name: string, slot: number, max: number): Fault | undefined {
    if (!this.#has(slot)) return undefined;
    const count = this.#isKind(slot, JSON_KINDS.number) ? this.#number(slot) : Number.NaN;
    if (Number.isSafeInteger(count) && count >= 1 && count <= max) return undefined;
    return unsupported(
      name,
      max === MAX_CHOICES ? `must be an integer from 1 to ${max}.` : 'must be a positive integer.',
    );
  }

  #text(slot: number): string {
    return decodeJsonString(this.#body, this.#starts[slot] ?? 0, this.#ends[slot] ?? 0);
  }

  #optionalText(slot: number): string | undefined {
    return this.#has(slot) ? this.#text(slot) : undefined;
  }

  #number(slot: number): number {
    return Number(this.#body.toString('latin1', this.#starts[slot], this.#ends[slot]));
  }

  #optionalNumber(slot: number): number | undefined {
    return this.#has(slot) ? this.#number(slot) : undefined;
  }

  #place(slot: number): Place {
    const kind = this.#kinds[slot] as JsonKind | 0;
    return kind === ABSENT ? NOWHERE : { kind, start: this.#starts[slot] ?? 0, end: this.#ends[slot] ?? 0 };
  }
}

const NOWHERE: Place = { kind: ABSENT, start: 0, end: 0 };
const OPEN_BRACE = 0x7b;
const MAX_SHOWN_KEY = 64;

/** Scans run to their end before the next begins, so one reader serves every request of the process. */
const reader = new ChatRequestReader();

function firstByteOf(body: Buffer): number {
  let at = 0;
  while (at < body.length && (body[at] ?? 0) <= 0x20) at += 1;
  return at;
}

function unsupported(param: string, rule: string): Fault {
  return fault('unsupported_parameter', `'${param}' ${rule}`, { param });
}

function invalidMessages(rule: string): Fault {
  return fault('invalid_messages', `'messages' ${rule}`, { param: 'messages' });
}
