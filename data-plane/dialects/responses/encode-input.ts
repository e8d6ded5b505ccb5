import { createHash } from 'node:crypto';
import { formatDataUrl } from '#data-plane/dialects/data-url.ts';
import { parseJsonObject } from '#data-plane/dialects/json-access.ts';
import type { RequestLosses } from '#data-plane/dialects/loss-rule.ts';
import type { JsonObject, JsonValue, MediaPart, Part, Tool, TurnMessage } from '#data-plane/dialects/turn.ts';
import { MAX_ID_LENGTH, REASONING_ITEM_KIND } from './wire.ts';

type ToolCall = Extract<Part, { kind: 'tool_call' }>;
type ToolResult = Extract<Part, { kind: 'tool_result' }>;

const FAILED_RESULT = 'Error: ';
const DEFAULT_FILENAME = 'document';

/** Writes messages as input items, in order. `firstPosition` is the place of the first in the turn, for reports. */
export function encodeInput(
  messages: readonly TurnMessage[],
  firstPosition: number,
  tools: readonly Tool[],
  losses: RequestLosses,
): JsonValue[] {
  const writer = new InputWriter(tools, losses);
  messages.forEach((message, position) => {
    writer.write(message, message.at ?? `messages[${firstPosition + position}]`);
  });
  return writer.items;
}

/** A text within the length that the protocol allows for ids; a longer one becomes a digest, always the same. */
export function shortId(id: string): string {
  return id.length <= MAX_ID_LENGTH ? id : createHash('sha256').update(id).digest('hex');
}

class InputWriter {
  readonly items: JsonValue[] = [];
  readonly #tools: ReadonlyMap<string, Tool>;
  readonly #losses: RequestLosses;

  constructor(tools: readonly Tool[], losses: RequestLosses) {
    this.#tools = new Map(tools.flatMap((tool) => (tool.kind === 'server' ? [] : [[tool.name, tool]])));
    this.#losses = losses;
  }

  write(message: TurnMessage, path: string): void {
    if (message.name !== undefined) this.#losses.admits('message.name', path);
    let content: JsonObject[] = [];
    let phase: string | undefined;
    const flush = (): void => {
      if (content.length > 0) this.items.push(messageItem(message.role, content, phase));
      content = [];
    };
    message.parts.forEach((part, position) => {
      const partPath = part.at ?? `${path}.content[${position}]`;
      if ('cache' in part && part.cache !== undefined) this.#losses.dropMark(part.cache);
      const piece = this.#contentPart(part, message.role, partPath);
      if (piece === undefined) {
        if (writesItem(part)) flush();
        this.#item(part, message, position, partPath);
        return;
      }
      // Clients write an empty text beside calls; as a message of its own it would say that nothing was said.
      if (message.role === 'assistant' && part.kind === 'text' && part.text === '') return;
      const ownPhase = part.kind === 'text' ? part.phase : undefined;
      if (ownPhase !== phase) flush();
      phase = ownPhase;
      content.push(piece);
    });
    flush();
  }

  /** What stands inside a message; `undefined` for what is an item of its own or cannot be said. */
  #contentPart(part: Part, role: TurnMessage['role'], path: string): JsonObject | undefined {
    if (part.kind === 'text')
      return role === 'assistant'
        ? { type: 'output_text', text: part.text, annotations: [] }
        : { type: 'input_text', text: part.text };
    if (part.kind === 'refusal')
      return role === 'assistant'
        ? { type: 'refusal', refusal: part.text }
        : { type: 'input_text', text: part.text };
    if (part.kind !== 'media') return undefined;
    if (role !== 'assistant') return this.#media(part, path);
    this.#losses.dropField(path);
    return undefined;
  }

  #item(part: Part, message: TurnMessage, position: number, path: string): void {
    switch (part.kind) {
      case 'reasoning':
        this.#reasoning(part, message, position, path);
        return;
      case 'tool_call':
        this.#call(part, path);
        return;
      case 'tool_result':
        this.#result(part, path);
        return;
      case 'native':
        if (part.family === 'responses') this.items.push(part.value);
        else this.#losses.dropField(path);
        return;
      default:
        return;
    }
  }

  #reasoning(
    { signature }: Extract<Part, { kind: 'reasoning' }>,
    message: TurnMessage,
    position: number,
    path: string,
  ): void {
    if (signature === undefined) {
      if (!isCoveredByLaterPart(message.parts, position)) this.#losses.dropField(path);
      return;
    }
    const item = ownReasoningItem(signature);
    if (item === undefined) this.#losses.dropField(path);
    else this.items.push(item);
  }

  #call(part: ToolCall, path: string): void {
    if (part.signature !== undefined) this.#losses.drop('tool_call.id', path);
    const declared = this.#tools.get(part.name);
    const namespace = declared !== undefined && 'namespace' in declared ? declared.namespace : undefined;
    const inNamespace = namespace?.name ?? part.namespace;
    const shared = {
      call_id: shortId(part.id),
      name: namespace?.toolName ?? nameInside(part.namespace, part.name),
      ...(inNamespace === undefined ? {} : { namespace: inNamespace }),
    };
    if (part.custom === true)
      this.items.push({ type: 'custom_tool_call', ...shared, input: part.argumentsJson });
    else
      this.items.push({
        type: 'function_call',
        ...shared,
        arguments: part.argumentsJson === '' ? '{}' : part.argumentsJson,
      });
  }

  #result(part: ToolResult, path: string): void {
    const pieces = part.content.flatMap((inner, position): JsonObject[] => {
      const innerPath = inner.at ?? `${path}.content[${position}]`;
      if ('cache' in inner && inner.cache !== undefined) this.#losses.dropMark(inner.cache);
      if (inner.kind === 'text' || inner.kind === 'refusal')
        return [{ type: 'input_text', text: inner.text }];
      if (inner.kind === 'native') {
        // A block inside a result is nothing that could stand alone.
        this.#losses.dropField(innerPath);
        return [];
      }
      const media = inner.kind === 'media' ? this.#media(inner, innerPath) : undefined;
      return media === undefined ? [] : [media];
    });
    if (part.failed) markFailed(pieces);
    this.items.push({
      type: part.custom === true ? 'custom_tool_call_output' : 'function_call_output',
      call_id: shortId(part.callId),
      output: pieces.every(isText) && pieces.length < 2 ? (pieces[0]?.text ?? '') : pieces,
    });
  }

  #media(part: MediaPart, path: string): JsonObject | undefined {
    const { media, source } = part;
    if (media === 'audio' || media === 'video') {
      this.#losses.admits(media === 'audio' ? 'content.audio' : 'content.video', path);
      return undefined;
    }
    if (source.kind === 'text') return { type: 'input_text', text: titled(part, source.text) };
    if (source.kind === 'file_id') {
      if (source.family !== 'responses' && source.family !== 'chat') {
        this.#losses.admits('file_id.anthropic', path);
        return undefined;
      }
      return media === 'image'
        ? { type: 'input_image', file_id: source.id, detail: part.detail ?? 'auto' }
        : { type: 'input_file', file_id: source.id };
    }
    const url = source.kind === 'url' ? source.url : formatDataUrl(source.mediaType, source.data);
    if (media === 'image') return { type: 'input_image', image_url: url, detail: part.detail ?? 'auto' };
    if (source.kind === 'url') {
      // Beside an address the protocol takes no name.
      if ((part.filename ?? part.title) !== undefined) this.#losses.drop('content.document.title', path);
      return { type: 'input_file', file_url: url };
    }
    return { type: 'input_file', filename: part.filename ?? part.title ?? DEFAULT_FILENAME, file_data: url };
  }
}

function titled(part: MediaPart, text: string): string {
  const title = part.title ?? part.filename;
  return title === undefined ? text : `${title}\n\n${text}`;
}

function messageItem(role: TurnMessage['role'], content: readonly JsonObject[], phase?: string): JsonObject {
  const only = content.length === 1 ? content[0] : undefined;
  return {
    type: 'message',
    role,
    content: only !== undefined && isText(only) ? (only.text ?? '') : [...content],
    ...(phase === undefined ? {} : { phase }),
  };
}

function isText(piece: JsonObject): boolean {
  return piece.type === 'input_text' || piece.type === 'output_text';
}

/** Parts that become items between the messages; media never do. */
function writesItem(part: Part): boolean {
  return (
    part.kind === 'reasoning' ||
    part.kind === 'tool_call' ||
    part.kind === 'tool_result' ||
    part.kind === 'native'
  );
}

/** The item that the provider wrote, as it was. */
function ownReasoningItem(signature: {
  readonly family: string;
  readonly kind: string;
  readonly value: string;
}): JsonObject | undefined {
  if (signature.family !== 'responses' || signature.kind !== REASONING_ITEM_KIND) return undefined;
  const item = parseJsonObject(signature.value);
  return item?.type === 'reasoning' ? item : undefined;
}

/** Several summaries of one item are parts of their own, of which the last holds the item. */
function isCoveredByLaterPart(parts: readonly Part[], position: number): boolean {
  for (const part of parts.slice(position + 1)) {
    if (part.kind !== 'reasoning') return false;
    if (part.signature !== undefined) return ownReasoningItem(part.signature) !== undefined;
  }
  return false;
}

function nameInside(namespace: string | undefined, name: string): string {
  const prefix = `${namespace}__`;
  return namespace !== undefined && name.startsWith(prefix) ? name.slice(prefix.length) : name;
}

function markFailed(pieces: JsonObject[]): void {
  const first = pieces[0];
  const text =
    first !== undefined && isText(first) && typeof first.text === 'string' ? first.text : undefined;
  if (text === undefined) pieces.unshift({ type: 'input_text', text: FAILED_RESULT.trim() });
  else if (!/^error\b/i.test(text)) pieces[0] = { type: 'input_text', text: `${FAILED_RESULT}${text}` };
}
