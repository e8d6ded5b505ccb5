import type { RequestLosses } from '#data-plane/dialects/loss-rule.ts';
import type { JsonObject, JsonValue, Part, TurnMessage } from '#data-plane/dialects/turn.ts';
import { encodeContentPart, type MessageContext, titled } from './encode-content.ts';
import { providerCallId } from './provider-call-id.ts';
import { parsedEntries } from './reasoning-details.ts';
import { type ChatMessage, DETAILS_KIND } from './wire.ts';

type PartOf<Kind extends Part['kind']> = Extract<Part, { kind: Kind }>;

/** Writes the conversation; results of tools become messages of their own, in front of what else the user said. */
export function encodeMessages(messages: readonly TurnMessage[], context: MessageContext): JsonValue[] {
  const written = messages.flatMap((message, index): ChatMessage[] => {
    const path = message.at ?? `messages[${index}]`;
    switch (message.role) {
      case 'assistant':
        return encodeAssistant(message, path, context);
      case 'user':
        return encodeUser(message, path, context);
      default:
        return encodeSystem(message, path, context);
    }
  });
  return withInstructions(written, context.instructions);
}

function withInstructions(messages: ChatMessage[], instructions: readonly string[]): JsonValue[] {
  if (instructions.length === 0) return messages;
  const text = instructions.join('\n\n');
  const [first, ...rest] = messages;
  const isSystem = first?.role === 'system' || first?.role === 'developer';
  if (first === undefined || !isSystem) return [{ role: 'system', content: text }, ...messages];
  const { content } = first;
  const joined: JsonValue = Array.isArray(content)
    ? [...content, { type: 'text', text }]
    : `${typeof content === 'string' ? content : ''}\n\n${text}`;
  return [{ ...first, content: joined }, ...rest];
}

function encodeSystem(message: TurnMessage, path: string, context: MessageContext): ChatMessage[] {
  const role = message.role === 'developer' && context.traits.developerRole ? 'developer' : 'system';
  const content = encodeContent(placed(message.parts, path), context);
  return content === undefined ? [] : [{ role, content, ...nameOf(message) }];
}

function encodeUser(message: TurnMessage, path: string, context: MessageContext): ChatMessage[] {
  const results: ChatMessage[] = [];
  const media: PlacedPart[] = [];
  const said: PlacedPart[] = [];
  for (const { part, path: partPath } of placed(message.parts, path)) {
    if (part.kind !== 'tool_result') {
      said.push({ part, path: partPath });
      continue;
    }
    results.push(encodeToolResult(part, partPath, context));
    const shown = part.content.filter((item) => item.kind === 'media' && item.source.kind !== 'text');
    if (shown.length === 0) continue;
    const intro: Part = { kind: 'text', text: `Content that tool call ${part.callId} returned:` };
    media.push(...[intro, ...shown].map((item) => ({ part: item, path: item.at ?? partPath })));
  }
  const content = encodeContent([...media, ...said], context);
  return content === undefined ? results : [...results, { role: 'user', content, ...nameOf(message) }];
}

interface PlacedPart {
  readonly part: Part;
  /** Where the client said it. */
  readonly path: string;
}

function placed(parts: readonly Part[], path: string): PlacedPart[] {
  return parts.map((part, index) => ({ part, path: part.at ?? `${path}.content[${index}]` }));
}

/** One text is written as a string, which every member of the family reads; more parts as a list. */
function encodeContent(
  parts: readonly PlacedPart[],
  context: MessageContext,
): string | JsonValue[] | undefined {
  const encoded = parts.flatMap(({ part, path }): JsonObject[] => {
    const item = encodeContentPart(part, path, context);
    return item === undefined ? [] : [item];
  });
  if (encoded.length === 0) return undefined;
  const [only] = encoded;
  const isPlain = encoded.length === 1 && only?.type === 'text' && only.cache_control === undefined;
  return isPlain && typeof only.text === 'string' ? only.text : encoded;
}

function encodeToolResult(part: PartOf<'tool_result'>, path: string, context: MessageContext): ChatMessage {
  const texts = part.content.flatMap((item) => textWithin(item));
  let content = texts.join('\n');
  if (part.failed && !/^\s*error/i.test(content)) content = `Error: ${content}`;
  for (const cache of [part.cache, ...textMarks(part.content)])
    if (cache !== undefined) context.losses.dropMark(cache);
  for (const item of part.content)
    if (item.kind === 'native') context.losses.admits('native.foreign', item.at ?? path);
  return { role: 'tool', tool_call_id: providerCallId(part.callId, context.traits), content };
}

function textMarks(content: readonly Part[]) {
  return content.map((part) => (part.kind === 'text' ? part.cache : undefined));
}

function textWithin(part: Part): string[] {
  if (part.kind === 'text' || part.kind === 'refusal') return [part.text];
  return part.kind === 'media' && part.source.kind === 'text' ? [titled(part, part.source.text)] : [];
}

function encodeAssistant(message: TurnMessage, path: string, context: MessageContext): ChatMessage[] {
  const { losses } = context;
  const texts: string[] = [];
  const thoughts: PartOf<'reasoning'>[] = [];
  const calls: JsonObject[] = [];
  const native: JsonObject = {};
  let refusal = '';
  message.parts.forEach((part, index) => {
    const partPath = part.at ?? `${path}.content[${index}]`;
    if ('cache' in part && part.cache !== undefined) losses.dropMark(part.cache);
    switch (part.kind) {
      case 'text':
        if (part.phase !== undefined) losses.admitsField('message.phase', part.phaseAt ?? 'phase');
        texts.push(part.text);
        return;
      case 'refusal':
        if (losses.outcomeOf('refusal') === 'carried') refusal += part.text;
        else texts.push(part.text);
        return;
      case 'reasoning':
        thoughts.push({ ...part, at: partPath });
        return;
      case 'tool_call':
        if (part.signature !== undefined) losses.drop('tool_call.id', partPath);
        calls.push(encodeCall(part, context));
        return;
      case 'native':
        if (part.family === 'chat') Object.assign(native, part.value);
        else losses.admits('native.foreign', partPath);
        return;
      default:
        losses.refuseField(partPath, 'an assistant message cannot hold this content');
    }
  });
  const text = texts.join('');
  const encoded: ChatMessage = { ...native, role: 'assistant', ...nameOf(message) };
  Object.assign(encoded, thoughtFields(thoughts, text, context));
  encoded.content ??= text === '' && (calls.length > 0 || refusal !== '') ? null : text;
  if (refusal !== '') encoded.refusal = refusal;
  if (calls.length > 0) encoded.tool_calls = calls;
  const saysNothing = text === '' && calls.length === 0 && refusal === '' && Object.keys(native).length === 0;
  return saysNothing && thoughts.length === 0 ? [] : [encoded];
}

function encodeCall(part: PartOf<'tool_call'>, context: MessageContext): JsonObject {
  const id = providerCallId(part.id, context.traits);
  const { name, argumentsJson } = part;
  if (part.custom !== true)
    return { id, type: 'function', function: { name, arguments: argumentsJson || '{}' } };
  if (context.losses.outcomeOf('tools.custom') === 'carried')
    return { id, type: 'custom', custom: { name, input: argumentsJson } };
  return { id, type: 'function', function: { name, arguments: JSON.stringify({ input: argumentsJson }) } };
}

/** Thoughts of earlier turns in the field that the vendor reads; the issuer's own entries go back as they came. */
function thoughtFields(
  thoughts: readonly PartOf<'reasoning'>[],
  text: string,
  { traits, losses }: MessageContext,
): JsonObject {
  if (thoughts.length === 0) return {};
  const isTold = traits.thoughts !== 'none';
  for (const thought of thoughts) noteLosses(thought, isTold, losses);
  const joined = thoughts.map((part) => part.text).join('');
  switch (traits.thoughts) {
    case 'reasoning_content':
      return joined === '' ? {} : { reasoning_content: joined };
    case 'reasoning':
      return joined === '' ? {} : { reasoning: joined };
    case 'reasoning_details': {
      const details = thoughts.flatMap(detailsOf);
      return details.length === 0 ? {} : { reasoning_details: details };
    }
    case 'thinking_parts': {
      if (joined === '') return {};
      const thinking = { type: 'thinking', thinking: [{ type: 'text', text: joined }] };
      return { content: text === '' ? [thinking] : [thinking, { type: 'text', text }] };
    }
    case 'none':
      return {};
  }
}

/** A thought that is not told is lost whole; one that is told loses the state of a foreign issuer. */
function noteLosses(thought: PartOf<'reasoning'>, isTold: boolean, losses: RequestLosses): void {
  const { at, text, signature } = thought;
  const isForeign = signature !== undefined && signature.family !== 'chat';
  if (isTold && text !== '') {
    if (isForeign) losses.drop('reasoning.signature.foreign', at);
  } else if (at !== undefined && (!isTold || isForeign)) losses.dropField(at);
}

function detailsOf(part: PartOf<'reasoning'>): JsonValue[] {
  const { signature } = part;
  if (signature?.family === 'chat' && signature.kind === DETAILS_KIND) {
    const stored = parsedEntries(signature.value);
    if (stored !== undefined) return stored;
  }
  // A thought without state may have come back as a summary from a client that knows no other thoughts.
  return part.text === '' ? [] : [{ type: 'reasoning.text', text: part.text }];
}

function nameOf(message: TurnMessage): JsonObject {
  return message.name === undefined ? {} : { name: message.name };
}
