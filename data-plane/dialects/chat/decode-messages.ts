import { filledText, isJsonObject, listOf, objectOf, textOf } from '#data-plane/dialects/json-access.ts';
import { unpackCallId } from '#data-plane/dialects/signature-envelope.ts';
import type { CacheMark, JsonObject, JsonValue, Part, TurnMessage } from '#data-plane/dialects/turn.ts';
import { type Fault, fault, isFault } from '#shared/fault.ts';
import { cacheMarkOf } from './cache-mark.ts';
import { decodeContent } from './decode-content.ts';
import { decodeThoughts, orderAnswer } from './reasoning-details.ts';

interface OpenCall {
  readonly custom: boolean;
  readonly name: string;
  readonly id: string;
}

/** Reads `messages`; faults are those of the documentation, naming the field. */
export function decodeMessages(value: JsonValue | undefined): readonly TurnMessage[] | Fault {
  if (value === undefined || value === null) return invalid('messages', 'is required.');
  if (!Array.isArray(value)) return invalid('messages', 'must be an array.');
  if (value.length === 0) return invalid('messages', 'must hold at least one message.');
  const messages: TurnMessage[] = [];
  /** Calls of the nearest assistant message so far, by the id that the client knows. */
  let openCalls: ReadonlyMap<string, OpenCall> = new Map();
  let previousRole: string | undefined;
  for (const [index, item] of value.entries()) {
    const path = `messages[${index}]`;
    if (!isJsonObject(item)) return invalid(path, 'must be an object.');
    const decoded = decodeMessage(item, path, openCalls);
    if (isFault(decoded)) return decoded;
    const last = messages.at(-1);
    // Results of one turn's calls belong together, however many messages the client made of them.
    if (item.role === 'tool' && previousRole === 'tool' && last !== undefined) {
      messages[messages.length - 1] = { ...last, parts: [...last.parts, ...decoded.message.parts] };
    } else {
      messages.push(decoded.message);
    }
    if (item.role === 'assistant') openCalls = decoded.calls;
    previousRole = textOf(item.role);
  }
  return messages;
}

interface DecodedMessage {
  readonly message: TurnMessage;
  readonly calls: ReadonlyMap<string, OpenCall>;
}

const NO_CALLS: ReadonlyMap<string, OpenCall> = new Map();

function decodeMessage(
  message: JsonObject,
  path: string,
  openCalls: ReadonlyMap<string, OpenCall>,
): DecodedMessage | Fault {
  const { role } = message;
  if (typeof role !== 'string')
    return invalid(`${path}.role`, role === undefined ? 'is required.' : 'must be a string.');
  const name = filledText(message.name);
  const named = name === undefined ? {} : { name };
  switch (role) {
    case 'system':
    case 'developer':
    case 'user': {
      const parts = requiredContent(message, path);
      return isFault(parts) ? parts : { message: { role, parts, ...named, at: path }, calls: NO_CALLS };
    }
    case 'assistant':
      return decodeAssistant(message, path, named);
    case 'tool':
      return decodeToolResult(message, path, openCalls);
    default:
      return fault(
        'unsupported_message_role',
        `'${path}.role' must be one of system, developer, user, assistant, tool.`,
        { param: `${path}.role` },
      );
  }
}

function requiredContent(message: JsonObject, path: string): readonly Part[] | Fault {
  if (message.content === undefined || message.content === null)
    return invalid(`${path}.content`, 'is required.');
  return withMark(decodeContent(message.content, path), cacheMarkOf(message, path));
}

function decodeAssistant(
  message: JsonObject,
  path: string,
  named: { readonly name?: string },
): DecodedMessage | Fault {
  const content = withMark(decodeContent(message.content ?? [], path), cacheMarkOf(message, path));
  if (isFault(content)) return content;
  const calls = decodeCalls(message, path);
  if (isFault(calls)) return calls;
  const thoughts = decodeThoughts(message, path);
  const refusal = filledText(message.refusal);
  const audio = objectOf(message.audio);
  const parts = orderAnswer(thoughts, [
    ...content,
    ...(refusal === undefined ? [] : [{ kind: 'refusal', text: refusal, at: `${path}.refusal` } as const]),
    ...(audio === undefined
      ? []
      : [{ kind: 'native', family: 'chat', value: { audio }, at: `${path}.audio` } as const]),
    ...calls.parts,
  ]);
  const hasAnswer = parts.length > 0 || (message.content !== undefined && message.content !== null);
  if (!hasAnswer && !ANSWER_FIELDS.some((field) => isGiven(message[field]))) {
    return invalid(`${path}.content`, 'is required unless the assistant message has tool calls.');
  }
  return { message: { role: 'assistant', parts, ...named, at: path }, calls: calls.byId };
}

/** A breakpoint of a whole message stands behind its last piece. */
function withMark(parts: readonly Part[] | Fault, cache: CacheMark | undefined): readonly Part[] | Fault {
  if (isFault(parts) || cache === undefined) return parts;
  const last = parts.at(-1);
  const canHold = last?.kind === 'text' || last?.kind === 'media';
  return canHold ? [...parts.slice(0, -1), { ...last, cache }] : parts;
}

const ANSWER_FIELDS = ['refusal', 'audio', 'reasoning', 'reasoning_content', 'reasoning_details'] as const;

function isGiven(value: JsonValue | undefined): boolean {
  return value !== undefined && value !== null;
}

interface DecodedCalls {
  readonly parts: readonly Part[];
  readonly byId: ReadonlyMap<string, OpenCall>;
}

function decodeCalls(message: JsonObject, path: string): DecodedCalls | Fault {
  const value = message.tool_calls ?? [];
  if (!Array.isArray(value)) return invalid(`${path}.tool_calls`, 'must be an array.');
  const parts: Part[] = [];
  const byId = new Map<string, OpenCall>();
  for (const [index, item] of value.entries()) {
    const call = decodeCall(item, `${path}.tool_calls[${index}]`);
    if (isFault(call)) return call;
    parts.push(call.part);
    byId.set(call.clientId, { id: call.part.id, name: call.part.name, custom: call.part.custom === true });
  }
  const legacy = objectOf(message.function_call);
  const name = filledText(legacy?.name);
  if (name !== undefined) {
    parts.push({
      kind: 'tool_call',
      id: `call_${name}`,
      name,
      argumentsJson: argumentsOf(legacy?.arguments),
      legacy: true,
      at: `${path}.function_call`,
    });
  }
  return { parts, byId };
}

function decodeCall(
  item: JsonValue,
  path: string,
): { readonly part: Extract<Part, { kind: 'tool_call' }>; readonly clientId: string } | Fault {
  if (!isJsonObject(item)) return invalid(path, 'is missing or not what a function call needs.');
  const clientId = textOf(item.id);
  if (clientId === undefined) return invalid(`${path}.id`, 'is missing or not what a function call needs.');
  if (item.type === 'custom') return decodeCustomCall(item, clientId, path);
  const isFunction = item.type === undefined || item.type === 'function';
  const called = objectOf(item.function);
  const name = filledText(called?.name);
  if (!isFunction) return invalid(`${path}.type`, 'is missing or not what a function call needs.');
  if (name === undefined)
    return invalid(`${path}.function.name`, 'is missing or not what a function call needs.');
  const part = {
    kind: 'tool_call',
    ...unpackCallId(clientId),
    name,
    argumentsJson: argumentsOf(called?.arguments),
    at: path,
  } as const;
  return { part, clientId };
}

function decodeCustomCall(
  item: JsonObject,
  clientId: string,
  path: string,
): { readonly part: Extract<Part, { kind: 'tool_call' }>; readonly clientId: string } | Fault {
  const called = objectOf(item.custom);
  const name = filledText(called?.name);
  const input = textOf(called?.input);
  if (name === undefined || input === undefined)
    return invalid(`${path}.custom`, 'must have a name and an input.');
  const part = {
    kind: 'tool_call',
    ...unpackCallId(clientId),
    name,
    argumentsJson: input,
    custom: true,
    at: path,
  } as const;
  return { part, clientId };
}

/** Arguments are JSON in a string; some clients send the object itself. */
function argumentsOf(value: JsonValue | undefined): string {
  if (typeof value === 'string') return value;
  return isGiven(value) ? JSON.stringify(value) : '';
}

function decodeToolResult(
  message: JsonObject,
  path: string,
  openCalls: ReadonlyMap<string, OpenCall>,
): DecodedMessage | Fault {
  const param = `${path}.tool_call_id`;
  const clientId = filledText(message.tool_call_id);
  if (clientId === undefined) return invalid(param, 'is required for a message with the role tool.');
  const call = openCalls.get(clientId);
  if (call === undefined) {
    return fault(
      'tool_call_id_mismatch',
      `'${param}' names no tool call of the assistant message before it.`,
      {
        param,
      },
    );
  }
  const content = requiredContent(message, path);
  if (isFault(content)) return content;
  const cache = cacheMarkOf(message, path) ?? lastMark(message.content, path);
  const part: Part = {
    kind: 'tool_result',
    callId: call.id,
    name: call.name,
    content,
    failed: false,
    at: path,
    ...(call.custom ? { custom: true } : {}),
    ...(cache === undefined ? {} : { cache }),
  };
  return { message: { role: 'user', parts: [part], at: path }, calls: NO_CALLS };
}

/** A breakpoint inside a result's content counts for the result, where other dialects keep it. */
function lastMark(content: JsonValue | undefined, path: string) {
  const marks = listOf(content).map((block, index) =>
    isJsonObject(block) ? cacheMarkOf(block, `${path}.content[${index}]`) : undefined,
  );
  return marks.findLast((mark) => mark !== undefined);
}

function invalid(param: string, rule: string): Fault {
  return fault('invalid_messages', `'${param}' ${rule}`, { param });
}
