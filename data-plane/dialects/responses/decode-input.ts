import { filledText, isJsonObject, objectsOf, textOf } from '#data-plane/dialects/json-access.ts';
import { unpackCallId, unpackSignature } from '#data-plane/dialects/signature-envelope.ts';
import type {
  JsonObject,
  JsonValue,
  Part,
  ProviderSignature,
  TurnMessage,
} from '#data-plane/dialects/turn.ts';
import { decodeContent } from './decode-content.ts';
import type { RequestFields } from './request-fields.ts';
import { qualifiedName } from './tool-names.ts';
import { REASONING_ITEM_KIND } from './wire.ts';

/** Reads `input`: a text, or items. Items of the assistant that follow each other become one message, tool outputs too. */
export function decodeInput(input: JsonValue | undefined, fields: RequestFields): readonly TurnMessage[] {
  if (input === undefined || input === null) return [];
  if (typeof input === 'string')
    return [{ role: 'user', parts: [{ kind: 'text', text: input, at: 'input' }] }];
  const reader = new InputReader(fields);
  fields.list(input, 'input').forEach((item, position) => {
    reader.read(item, `input[${position}]`);
  });
  return reader.messages;
}

class InputReader {
  readonly messages: TurnMessage[] = [];
  readonly #fields: RequestFields;
  /** Names of the calls so far, by the provider's own call id. */
  readonly #calls = new Map<string, string>();
  /** The run of items that is being gathered into one message. */
  #run: { readonly kind: 'assistant' | 'results'; readonly parts: Part[] } | undefined;

  constructor(fields: RequestFields) {
    this.#fields = fields;
  }

  read(item: JsonValue, path: string): void {
    if (!isJsonObject(item)) {
      this.#fields.refuse('invalid_messages', path, `'${path}' must be an object.`);
      return;
    }
    const type = textOf(item.type) ?? impliedType(item);
    switch (type) {
      case 'message':
        this.#message(item, path);
        return;
      case 'reasoning':
        this.#reasoning(item, path);
        return;
      case 'function_call':
        this.#call(item, item.arguments, `${path}.arguments`, path, false);
        return;
      case 'custom_tool_call':
        this.#call(item, item.input, `${path}.input`, path, true);
        return;
      case 'function_call_output':
        this.#result(item, path, false);
        return;
      case 'custom_tool_call_output':
        this.#result(item, path, true);
        return;
      case 'item_reference':
        this.#fields.refuse(
          'unsupported_responses_feature',
          path,
          `'${path}' refers to a stored item; nothing is stored here, so send the item itself.`,
        );
        return;
      case undefined:
        this.#fields.refuse('invalid_messages', `${path}.type`, `'${path}.type' must be a string.`);
        return;
      default:
        this.#native(type, item, path);
        return;
    }
  }

  #message(item: JsonObject, path: string): void {
    const { role } = item;
    if (role !== 'user' && role !== 'assistant' && role !== 'system' && role !== 'developer') {
      this.#fields.refuse(
        typeof role === 'string' ? 'unsupported_message_role' : 'invalid_messages',
        `${path}.role`,
        `'${path}.role' must be one of 'user', 'assistant', 'system' and 'developer'.`,
      );
      return;
    }
    const parts = decodeContent(item.content, `${path}.content`, this.#fields);
    if (role !== 'assistant') {
      this.#run = undefined;
      this.messages.push({ role, parts, at: path });
      return;
    }
    const phase = filledText(item.phase);
    const inPhase = (part: Part): Part =>
      part.kind === 'text' && phase !== undefined ? { ...part, phase, phaseAt: `${path}.phase` } : part;
    this.#gather('assistant').push(...parts.map(inPhase));
  }

  #reasoning(item: JsonObject, path: string): void {
    const encrypted = filledText(item.encrypted_content);
    const packed = encrypted === undefined ? undefined : unpackSignature(encrypted);
    const thoughts = textsOf(item.content);
    const texts = thoughts.length > 0 ? thoughts : textsOf(item.summary);
    const isOurs = encrypted !== undefined || thoughts.length > 0;
    const own: ProviderSignature | undefined = isOurs
      ? { family: 'responses', kind: REASONING_ITEM_KIND, value: JSON.stringify(item) }
      : undefined;
    const signature = packed ?? own;
    if (texts.length === 0 && signature === undefined) return;
    const isSummary = thoughts.length === 0 && packed === undefined;
    const parts = this.#gather('assistant');
    const last = Math.max(texts.length - 1, 0);
    for (let position = 0; position <= last; position += 1)
      parts.push({
        kind: 'reasoning',
        text: texts[position] ?? '',
        at: path,
        ...(isSummary ? { summary: true } : {}),
        ...(position === last && signature !== undefined ? { signature } : {}),
      });
  }

  #call(
    item: JsonObject,
    argumentsValue: JsonValue | undefined,
    argumentsPath: string,
    path: string,
    custom: boolean,
  ): void {
    const { id, signature } = unpackCallId(this.#fields.requiredText(item.call_id, `${path}.call_id`));
    const namespace = this.#fields.text(item.namespace, `${path}.namespace`);
    const name = qualifiedName(namespace, this.#fields.requiredText(item.name, `${path}.name`));
    this.#calls.set(id, name);
    this.#gather('assistant').push({
      kind: 'tool_call',
      id,
      name,
      argumentsJson: this.#fields.requiredText(argumentsValue, argumentsPath),
      at: path,
      ...(custom ? { custom } : {}),
      ...(namespace === undefined ? {} : { namespace }),
      ...(signature === undefined ? {} : { signature }),
    });
  }

  #result(item: JsonObject, path: string, custom: boolean): void {
    const { id } = unpackCallId(this.#fields.requiredText(item.call_id, `${path}.call_id`));
    const name = this.#calls.get(id);
    if (name === undefined)
      this.#fields.refuse(
        'tool_call_id_mismatch',
        `${path}.call_id`,
        `'${path}.call_id' matches no earlier call in 'input'.`,
      );
    const content = decodeContent(item.output, `${path}.output`, this.#fields);
    this.#gather('results').push({
      kind: 'tool_result',
      callId: id,
      ...(name === undefined ? {} : { name }),
      content,
      failed: false,
      at: path,
      ...(custom ? { custom } : {}),
    });
  }

  /** An item that only this protocol knows; what the client answers is named `…_output` or `…_response`. */
  #native(type: string, item: JsonObject, path: string): void {
    const run = type.endsWith('_output') || type.endsWith('_response') ? 'results' : 'assistant';
    this.#gather(run).push({ kind: 'native', family: 'responses', value: item, at: path });
  }

  #gather(kind: 'assistant' | 'results'): Part[] {
    if (this.#run?.kind === kind) return this.#run.parts;
    const parts: Part[] = [];
    this.#run = { kind, parts };
    this.messages.push({ role: kind === 'assistant' ? 'assistant' : 'user', parts });
    return parts;
  }
}

/** Messages may leave out their type, and so may references to stored items. */
function impliedType(item: JsonObject): string | undefined {
  if (item.role !== undefined) return 'message';
  return item.id === undefined ? undefined : 'item_reference';
}

function textsOf(value: JsonValue | undefined): readonly string[] {
  return objectsOf(value).flatMap((part) => textOf(part.text) ?? []);
}
