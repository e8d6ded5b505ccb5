import { type Citation, citedRange } from '#data-plane/dialects/citation.ts';
import type { AnswerIdentity } from '#data-plane/dialects/codec.ts';
import { completeLogprob } from '#data-plane/dialects/logprob.ts';
import { packCallId } from '#data-plane/dialects/signature-envelope.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { customToolNames, unwrappedInput } from './custom-calls.ts';
import { speaksLegacyFunctions } from './decode-request.ts';
import { drawnImage } from './drawn-images.ts';
import { encodeDetail } from './reasoning-details.ts';
import { CLIENT_FINISH_REASONS } from './wire.ts';

type PartStart = Extract<TurnEvent, { kind: 'part_start' }>;

interface StartedPart {
  readonly start: PartStart;
  /** Position among the calls of its choice. */
  readonly callIndex: number;
  /** See {@link ChoiceProgress.place}. */
  readonly place: number;
  text: string;
  /** Length of the choice's text before this part. */
  readonly textBefore: number;
}

/** How far a choice has come. */
interface ChoiceProgress {
  callCount: number;
  textLength: number;
  /** How many signed thoughts, calls and texts came so far; all text counts once, as it is joined. */
  place: number;
  readonly details: JsonValue[];
  toldDetails: number;
}

/**
 * Turns events into deltas of choices; a stream writes each in a chunk, a body joins them. One place decides what a chat
 * client gets to see.
 */
export class AnswerDeltas {
  readonly #legacy: boolean;
  readonly #customNames: ReadonlySet<string>;
  readonly #emit: (choice: number, delta: JsonObject, logprobs: JsonValue) => void;
  readonly #parts = new Map<number, StartedPart>();
  readonly #choices = new Map<number, ChoiceProgress>();
  /** Citations of each choice, told together when it ends. */
  readonly #citations = new Map<number, { readonly part: StartedPart; readonly citation: Citation }[]>();

  constructor(
    answer: AnswerIdentity,
    emit: (choice: number, delta: JsonObject, logprobs: JsonValue) => void,
  ) {
    this.#legacy = speaksLegacyFunctions(answer.body);
    this.#customNames = customToolNames(answer.body);
    this.#emit = emit;
  }

  event(event: TurnEvent): void {
    switch (event.kind) {
      case 'part_start':
        this.#start(event);
        return;
      case 'part_delta':
        this.#delta(event);
        return;
      case 'part_signature':
        this.#sign(event);
        return;
      case 'part_citation':
        this.#cite(event);
        return;
      case 'part_end':
        this.#end(event.index);
        return;
      case 'native_part':
        this.#native(event);
        return;
      default:
        return;
    }
  }

  /** Tells what was kept back of the choice, and why it ended. */
  endChoice({ choice, reason }: Extract<TurnEvent, { kind: 'choice_end' }>): string {
    this.#tellDetails(choice);
    const annotations = this.#citations.get(choice)?.map(annotationOf);
    if (annotations !== undefined) this.#emit(choice, { annotations }, null);
    if (reason === 'tool_calls' && this.#legacy) return 'function_call';
    // A refusal in words is an ordinary end here; one without words has no other name.
    const said = [...this.#parts.values()].some(
      ({ start }) => start.part === 'refusal' && start.choice === choice,
    );
    return reason === 'refusal' && said ? 'stop' : CLIENT_FINISH_REASONS[reason];
  }

  #progressOf(choice: number): ChoiceProgress {
    const known = this.#choices.get(choice);
    if (known !== undefined) return known;
    const progress: ChoiceProgress = { callCount: 0, textLength: 0, place: 0, details: [], toldDetails: 0 };
    this.#choices.set(choice, progress);
    return progress;
  }

  /**
   * The thoughts so far, all of them each time: SDKs keep only the last piece of a field that they do not know. Nearly
   * always that is once, before the first word; a client that joins the pieces gives some back twice, which does no harm.
   */
  #tellDetails(choice: number): void {
    const progress = this.#progressOf(choice);
    const { details, toldDetails } = progress;
    if (details.length === toldDetails) return;
    progress.toldDetails = details.length;
    this.#emit(choice, { reasoning_details: [...details] }, null);
  }

  #start(start: PartStart): void {
    if (start.part !== 'reasoning') this.#tellDetails(start.choice);
    const progress = this.#progressOf(start.choice);
    const { callCount: callIndex, place, textLength: textBefore } = progress;
    this.#parts.set(start.index, { start, callIndex, place, textBefore, text: '' });
    if (start.part !== 'tool_call') return;
    progress.place += 1;
    progress.callCount += 1;
    const called = { name: start.name, arguments: '' };
    if (this.#legacy) {
      this.#emit(start.choice, { function_call: called }, null);
      return;
    }
    const id = packCallId(start.callId, start.signature);
    const call = this.#isCustom(start)
      ? { index: callIndex, id, type: 'custom', custom: { name: start.name, input: '' } }
      : { index: callIndex, id, type: 'function', function: called };
    this.#emit(start.choice, { tool_calls: [call] }, null);
  }

  #delta(event: Extract<TurnEvent, { kind: 'part_delta' }>): void {
    const part = this.#parts.get(event.index);
    if (part === undefined) return;
    const { choice } = part.start;
    part.text += event.text;
    switch (part.start.part) {
      case 'text':
        this.#noteText(this.#progressOf(choice), event.text);
        this.#emit(choice, { content: event.text }, logprobsOf('content', event.logprobs));
        return;
      case 'refusal':
        this.#emit(choice, { refusal: event.text }, logprobsOf('refusal', event.logprobs));
        return;
      case 'reasoning':
        if (event.text !== '') this.#emit(choice, { reasoning_content: event.text }, null);
        return;
      case 'tool_call':
        if (this.#isWrapped(part.start)) return;
        this.#emit(choice, this.#argumentsDelta(part, event.text), null);
        return;
    }
  }

  #isCustom(start: PartStart): boolean {
    return start.part === 'tool_call' && this.#customNames.has(start.name);
  }

  /** A free text that comes inside JSON is told once it is whole. */
  #isWrapped(start: PartStart): boolean {
    return this.#isCustom(start) && start.part === 'tool_call' && start.custom !== true;
  }

  #noteText(progress: ChoiceProgress, text: string): void {
    if (progress.textLength === 0 && text !== '') progress.place += 1;
    progress.textLength += text.length;
  }

  #argumentsDelta(part: StartedPart, text: string): JsonObject {
    if (this.#legacy) return { function_call: { arguments: text } };
    const piece = this.#isCustom(part.start)
      ? { custom: { input: text } }
      : { function: { arguments: text } };
    return { tool_calls: [{ index: part.callIndex, ...piece }] };
  }

  /** The thought once more, whole and with its state: clients return this entry as it is. */
  #sign(event: Extract<TurnEvent, { kind: 'part_signature' }>): void {
    const part = this.#parts.get(event.index);
    if (part === undefined || part.start.part === 'tool_call') return;
    const summary = part.start.summary ?? false;
    const progress = this.#progressOf(part.start.choice);
    progress.details.push(...encodeDetail(part.text, summary, event.signature, part.place));
    progress.place += 1;
  }

  /** Clients keep the last list that they are sent, so there may be only one. */
  #cite(event: Extract<TurnEvent, { kind: 'part_citation' }>): void {
    const part = this.#parts.get(event.index);
    if (part === undefined || event.url === undefined) return;
    const { choice } = part.start;
    this.#citations.set(choice, [...(this.#citations.get(choice) ?? []), { part, citation: event }]);
  }

  /** Audio, images and the like go as they came; content is text in this dialect, whatever a provider put there. */
  #native(event: Extract<TurnEvent, { kind: 'native_part' }>): void {
    const { choice, family, value } = event;
    const image = drawnImage(event);
    const { content: _, ...own } = value;
    if (image !== undefined) this.#emit(choice, { images: [image] }, null);
    else if (family === 'chat' && Object.keys(own).length > 0) this.#emit(choice, own, null);
  }

  /** Clients parse arguments as JSON, so a call without any gets an empty object. */
  #end(index: number): void {
    const part = this.#parts.get(index);
    if (part === undefined || part.start.part !== 'tool_call') return;
    if (this.#isCustom(part.start)) {
      const input = this.#isWrapped(part.start) ? unwrappedInput(part.text) : '';
      if (input !== '') this.#emit(part.start.choice, this.#argumentsDelta(part, input), null);
      return;
    }
    if (part.text !== '') return;
    this.#emit(part.start.choice, this.#argumentsDelta(part, '{}'), null);
  }
}

/** Places count from the start of the message, whose text may be several parts. */
function annotationOf({ part, citation }: { part: StartedPart; citation: Citation }): JsonObject {
  const { start, end } = citedRange(citation, part.text);
  const url_citation = {
    start_index: part.textBefore + start,
    end_index: part.textBefore + end,
    url: citation.url ?? '',
    title: citation.title ?? '',
  };
  return { type: 'url_citation', url_citation };
}

function logprobsOf(field: 'content' | 'refusal', entries: readonly JsonObject[] | undefined): JsonValue {
  if (entries === undefined) return null;
  const other = field === 'content' ? 'refusal' : 'content';
  return { [field]: entries.map(completeLogprob), [other]: null };
}
