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
import { InputReader } from './read-input.ts';
import { PARAMETER_SLOTS, RESPONSES_REQUEST_WATCH, SLOTS } from './request-watch.ts';

/** A Responses request as far as the gateway reads it. The body itself goes on as bytes. */
export interface ResponsesRequest extends WatchedRequest {
  readonly modelPlace: Place;
}

/** Reads a body of `POST /v1/responses`, or says which documented rule it breaks. Nothing of the body is kept. */
export function readResponsesRequest(body: Buffer): ResponsesRequest | Fault {
  return reader.read(body);
}

class ResponsesRequestReader implements JsonSink {
  readonly #input = new InputReader();
  readonly #parameters = new RequestParameters(PARAMETER_SLOTS);
  #toolIndex = 0;
  #toolFault: Fault | undefined;
  #ambiguity: Fault | undefined;

  read(body: Buffer): ResponsesRequest | Fault {
    this.#reset(body);
    const result =
      scanRequestBody(body, RESPONSES_REQUEST_WATCH, this) ??
      this.#ambiguity ??
      this.#parameters.checkModel(SLOTS.model) ??
      this.#checkStoredState() ??
      this.#checkInput() ??
      this.#checkParameters() ??
      this.#request(body);
    this.#reset(NO_BODY);
    return result;
  }

  #reset(body: Buffer): void {
    this.#input.reset(body);
    this.#parameters.reset(body);
    this.#toolIndex = 0;
    this.#toolFault = undefined;
    this.#ambiguity = undefined;
  }

  value(slot: number, kind: JsonKind, start: number, end: number): void {
    if (slot < 0) return;
    if (slot < PARAMETER_SLOTS) {
      this.#parameters.note(slot, kind, start, end);
    } else if (slot === SLOTS.tool) {
      if (kind !== JSON_KINDS.object)
        this.#toolFault ??= unsupported(`tools[${this.#toolIndex}]`, 'must be an object.');
      this.#toolIndex += 1;
    } else {
      this.#input.value(slot, kind, start, end);
    }
  }

  ambiguousKey(name: string, reason: 'duplicate' | 'spelling'): void {
    this.#ambiguity ??= ambiguousKeyFault(name, reason);
  }

  /** Features that need state at one provider under our account. Their neutral values ask for nothing. */
  #checkStoredState(): Fault | undefined {
    const parameters = this.#parameters;
    if (parameters.has(SLOTS.previousResponseId) && parameters.text(SLOTS.previousResponseId) !== '') {
      return needsState('previous_response_id');
    }
    if (parameters.has(SLOTS.conversation)) return needsState('conversation');
    if (parameters.has(SLOTS.background) && !parameters.isKind(SLOTS.background, JSON_KINDS.false)) {
      return needsState('background');
    }
    return parameters.has(SLOTS.prompt) ? needsState('prompt') : undefined;
  }

  /** Instructions alone are a request, too. */
  #checkInput(): Fault | undefined {
    const parameters = this.#parameters;
    const hasInstructions = (parameters.text(SLOTS.instructions) ?? '') !== '';
    if (!parameters.has(SLOTS.input)) return hasInstructions ? undefined : invalidInput('is required.');
    const text = parameters.text(SLOTS.input);
    if (text === undefined && !parameters.isKind(SLOTS.input, JSON_KINDS.array)) {
      return invalidInput('must be a string or an array of items.');
    }
    const isEmpty = text === '' || (text === undefined && this.#input.count === 0);
    if (isEmpty && !hasInstructions) return invalidInput('must not be empty.');
    return this.#input.failure;
  }

  #checkParameters(): Fault | undefined {
    const parameters = this.#parameters;
    const { string, number, object, array } = JSON_KINDS;
    return (
      parameters.mustBeBoolean('stream', SLOTS.stream) ??
      parameters.mustBe('instructions', SLOTS.instructions, 'a string', string) ??
      parameters.mustBeCount('max_output_tokens', SLOTS.maxOutputTokens) ??
      parameters.mustBe('temperature', SLOTS.temperature, 'a number', number) ??
      parameters.mustBe('top_p', SLOTS.topP, 'a number', number) ??
      parameters.mustBe('tools', SLOTS.tools, 'an array', array) ??
      this.#toolFault ??
      parameters.mustBe('tool_choice', SLOTS.toolChoice, 'a string or an object', string, object) ??
      parameters.mustBe('reasoning', SLOTS.reasoning, 'an object', object) ??
      parameters.mustBe('reasoning.effort', SLOTS.effort, 'a string', string) ??
      parameters.mustBe('safety_identifier', SLOTS.safetyIdentifier, 'a string', string) ??
      parameters.mustBe('user', SLOTS.user, 'a string', string)
    );
  }

  #request(body: Buffer): ResponsesRequest {
    const parameters = this.#parameters;
    const { images, audioBytes, fileReferences, mediaBytes } = this.#input;
    return {
      model: parameters.text(SLOTS.model) ?? '',
      stream: parameters.isKind(SLOTS.stream, JSON_KINDS.true),
      maxOutputTokens: parameters.number(SLOTS.maxOutputTokens),
      choiceCount: 1,
      reasoningEffort: parameters.text(SLOTS.effort),
      endUser: parameters.text(SLOTS.safetyIdentifier) || parameters.text(SLOTS.user) || undefined,
      prompt: { textBytes: body.length - mediaBytes, images, videos: 0, audioBytes, fileReferences },
      mediaUrls: this.#input.mediaUrls.found,
      historyPlace: parameters.place(SLOTS.input),
      modelPlace: parameters.place(SLOTS.model),
    };
  }
}

const NO_BODY = Buffer.alloc(0);

/** Scans run to their end before the next begins, so one reader serves every request of the process. */
const reader = new ResponsesRequestReader();

function invalidInput(rule: string): Fault {
  return fault('invalid_messages', `'input' ${rule}`, { param: 'input' });
}

function needsState(param: string): Fault {
  return fault(
    'unsupported_responses_feature',
    `'${param}' needs state that is not kept here. Send the whole conversation in 'input' instead.`,
    { param },
  );
}
