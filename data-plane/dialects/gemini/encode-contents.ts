import { parseJsonObject } from '#data-plane/dialects/json-access.ts';
import type { RequestLosses } from '#data-plane/dialects/loss-rule.ts';
import type { JsonObject, Part, TurnMessage } from '#data-plane/dialects/turn.ts';
import { encodeSpoken } from './encode-media.ts';
import { type GeminiContent, type GeminiPart, type SignaturePlace, UNSIGNED_CALL } from './wire.ts';

export interface ContentContext {
  readonly losses: RequestLosses;
  /**
   * The model refuses function calls of the current turn that carry no signature. Older ones are marked all the same, so
   * that a turn reads alike in every request and a cached prefix stays one.
   */
  readonly checksSignatures: boolean;
}

export interface EncodedContents {
  readonly contents: GeminiContent[];
  /** Texts of the system instruction. */
  readonly system: string[];
}

type PartOf<Kind extends Part['kind']> = Extract<Part, { kind: Kind }>;

interface OpenCall {
  readonly id: string;
  readonly name: string;
}

/**
 * Writes the conversation. Gemini wants exactly one response for each call of the content before, in a content of its own:
 * results are put in the order of the calls, a missing one is filled in, one without a call becomes text.
 */
export function encodeContents(messages: readonly TurnMessage[], context: ContentContext): EncodedContents {
  const writer = new ContentWriter(context);
  messages.forEach((message, index) => {
    writer.add(message, message.at ?? `messages[${index}]`);
  });
  return writer.finish();
}

class ContentWriter {
  readonly #context: ContentContext;
  readonly #contents: GeminiContent[] = [];
  readonly #system: string[] = [];
  #openCalls: OpenCall[] = [];
  #results: { part: PartOf<'tool_result'>; path: string }[] = [];
  #spoken: GeminiPart[] = [];

  constructor(context: ContentContext) {
    this.#context = context;
  }

  add(message: TurnMessage, path: string): void {
    if (message.name !== undefined) this.#context.losses.admits('message.name', path);
    switch (message.role) {
      case 'assistant':
        this.#addModel(message, path);
        return;
      case 'user':
        this.#addUser(message, path);
        return;
      default:
        this.#addSystem(message, path);
    }
  }

  finish(): EncodedContents {
    this.#flushUser();
    return { contents: this.#contents, system: this.#system };
  }

  #addSystem(message: TurnMessage, path: string): void {
    const items = message.parts.flatMap((part, index) =>
      encodeSpoken(part, part.at ?? `${path}.content[${index}]`, this.#context.losses),
    );
    const texts = items.flatMap(({ text }) => (typeof text === 'string' ? [text] : []));
    const isFirst = this.#contents.length === 0 && this.#spoken.length === 0 && this.#results.length === 0;
    if (isFirst) this.#system.push(...texts);
    else this.#spoken.push(...texts.map((text) => ({ text: `<system>\n${text}\n</system>` })));
    // Only texts may instruct; what is shown beside them the user shows.
    this.#spoken.push(...items.filter(({ text }) => typeof text !== 'string'));
  }

  #addUser(message: TurnMessage, path: string): void {
    message.parts.forEach((part, index) => {
      const partPath = part.at ?? `${path}.content[${index}]`;
      if (part.kind === 'tool_result') this.#results.push({ part, path: partPath });
      else this.#spoken.push(...encodeSpoken(part, partPath, this.#context.losses));
    });
  }

  /** Responses first, in a content of their own, then whatever was said. */
  #flushUser(): void {
    const shown: GeminiPart[] = [];
    const responses = this.#openCalls.map((call) => {
      const at = this.#results.findIndex(({ part }) => part.callId === call.id);
      const [found] = at === -1 ? [] : this.#results.splice(at, 1);
      return this.#responseTo(call, found?.part, found?.path ?? '', shown);
    });
    const hasAnswers = this.#results.length > 0 || this.#spoken.length > 0 || shown.length > 0;
    const isAnswered = responses.some((response) => response.isGiven);
    if (responses.length > 0 && (isAnswered || hasAnswers)) {
      this.#contents.push({ role: 'user', parts: responses.map((response) => response.part) });
      this.#openCalls = [];
    }
    // Results of calls that are not in the turn before: the model still gets to read them.
    for (const { part, path } of this.#results) {
      shown.push({ text: `Result of tool call ${part.callId}:\n${this.#textOf(part, path, shown)}` });
    }
    const parts = [...shown, ...this.#spoken];
    if (parts.length > 0) this.#contents.push({ role: 'user', parts });
    this.#results = [];
    this.#spoken = [];
  }

  #responseTo(
    call: OpenCall,
    result: PartOf<'tool_result'> | undefined,
    path: string,
    shown: GeminiPart[],
  ): { readonly part: GeminiPart; readonly isGiven: boolean } {
    const { id, name } = call;
    if (result === undefined) {
      const response = { error: 'The call was not carried out.' };
      return { part: { functionResponse: { id, name, response } }, isGiven: false };
    }
    const text = this.#textOf(result, path, shown);
    const response = result.failed ? { error: text } : { output: text };
    return { part: { functionResponse: { id, name, response } }, isGiven: true };
  }

  #textOf(result: PartOf<'tool_result'>, path: string, shown: GeminiPart[]): string {
    if (result.cache !== undefined) this.#context.losses.dropMark(result.cache);
    const texts: string[] = [];
    for (const item of result.content) {
      for (const encoded of encodeSpoken(item, item.at ?? path, this.#context.losses)) {
        if (typeof encoded.text === 'string') texts.push(encoded.text);
        else shown.push({ text: `Content that tool call ${result.callId} returned:` }, encoded);
      }
    }
    return texts.join('\n');
  }

  #addModel(message: TurnMessage, path: string): void {
    const { losses, checksSignatures } = this.#context;
    const parts = new ModelParts(losses);
    const calls: OpenCall[] = [];
    message.parts.forEach((part, index) => {
      const partPath = part.at ?? `${path}.content[${index}]`;
      if (part.kind === 'tool_call') {
        const isFirstOfStep = calls.length === 0;
        calls.push({ id: part.id, name: part.name });
        parts.addCall(part, partPath, isFirstOfStep && checksSignatures);
      } else {
        parts.add(part, partPath);
      }
    });
    const written = parts.finish();
    if (written.length === 0) return;
    this.#flushUser();
    const last = this.#contents.at(-1);
    if (last?.role === 'model') last.parts.push(...written);
    else this.#contents.push({ role: 'model', parts: written });
    this.#openCalls = [...(last?.role === 'model' ? this.#openCalls : []), ...calls];
  }
}

/** The parts of one content of the model, with every signature back in its place. */
class ModelParts {
  readonly #losses: RequestLosses;
  readonly #parts: GeminiPart[] = [];
  /** Signatures of texts that have not come yet: a client may give back thoughts in front. */
  #waiting: string[] = [];

  constructor(losses: RequestLosses) {
    this.#losses = losses;
  }

  add(part: Part, path: string): void {
    switch (part.kind) {
      case 'reasoning':
        this.#addReasoning(part, path);
        return;
      case 'native':
        if (part.family === 'gemini') this.#parts.push(part.value);
        else this.#losses.dropField(path);
        return;
      default:
        for (const encoded of encodeSpoken(part, path, this.#losses)) this.#addSpoken(encoded);
    }
  }

  addCall(part: PartOf<'tool_call'>, path: string, needsSignature: boolean): void {
    const functionCall = { id: part.id, name: part.name, args: argumentsObject(part) };
    const { signature } = part;
    if (signature !== undefined && signature.family !== 'gemini') this.#losses.drop('tool_call.id', path);
    if (part.cache !== undefined) this.#losses.dropMark(part.cache);
    const own = signature?.family === 'gemini' ? signature.value : undefined;
    const thoughtSignature = own ?? (needsSignature ? UNSIGNED_CALL : undefined);
    this.#parts.push(thoughtSignature === undefined ? { functionCall } : { functionCall, thoughtSignature });
  }

  finish(): GeminiPart[] {
    for (const thoughtSignature of this.#waiting) this.#parts.push({ text: '', thoughtSignature });
    this.#waiting = [];
    return this.#parts;
  }

  #addSpoken(encoded: GeminiPart): void {
    const [thoughtSignature] = this.#waiting.splice(0, 1);
    this.#parts.push(thoughtSignature === undefined ? encoded : { ...encoded, thoughtSignature });
  }

  #addReasoning(part: PartOf<'reasoning'>, path: string): void {
    const { signature } = part;
    if (signature === undefined || signature.family !== 'gemini') {
      this.#losses.dropField(path);
      return;
    }
    const thoughtSignature = signature.value;
    const place = signature.kind as SignaturePlace;
    if (place === 'thought') this.#parts.push({ text: part.text, thought: true, thoughtSignature });
    else if (place === 'on_text') this.#signText(thoughtSignature);
    else this.#parts.push({ text: part.text, thoughtSignature });
  }

  #signText(thoughtSignature: string): void {
    const last = this.#parts.at(-1);
    const isUnsignedText =
      typeof last?.text === 'string' && last.thoughtSignature === undefined && !last.thought;
    if (last !== undefined && isUnsignedText) last.thoughtSignature = thoughtSignature;
    else this.#waiting.push(thoughtSignature);
  }
}

/** Arguments as the object that Gemini wants; text that is none is kept under a name of its own. */
function argumentsObject(part: PartOf<'tool_call'>): JsonObject {
  if (part.custom === true) return { input: part.argumentsJson };
  if (part.argumentsJson.trim() === '') return {};
  return parseJsonObject(part.argumentsJson) ?? { arguments: part.argumentsJson };
}
