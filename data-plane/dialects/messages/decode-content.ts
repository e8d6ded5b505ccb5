import type { RequestReading } from '#data-plane/dialects/messages/request-reading.ts';
import { unpackCallId, unpackSignature } from '#data-plane/dialects/signature-envelope.ts';
import type {
  CacheMark,
  JsonObject,
  JsonValue,
  MediaPart,
  MediaSource,
  Part,
} from '#data-plane/dialects/turn.ts';

export type MessageRole = 'user' | 'assistant' | 'system';

/** Content of a message: a plain text or blocks. */
export function decodeContent(
  reading: RequestReading,
  content: JsonValue | undefined,
  role: MessageRole,
  path: string,
): Part[] {
  if (typeof content === 'string') return [{ kind: 'text', text: content, at: path }];
  if (Array.isArray(content)) {
    return content.flatMap((block, index) => decodeBlock(reading, block, role, `${path}[${index}]`));
  }
  reading.invalid(path, 'must be a string or an array of content blocks.');
  return [];
}

export function decodeCacheMark(
  reading: RequestReading,
  block: JsonObject,
  path: string,
): CacheMark | undefined {
  const mark = reading.object(block, 'cache_control', path);
  if (mark === undefined) return undefined;
  const ttl = reading.text(mark, 'ttl', `${path}.cache_control`) ?? '5m';
  if (ttl === '5m' || ttl === '1h') return { ttl, at: `${path}.cache_control` };
  reading.invalid(`${path}.cache_control.ttl`, "must be '5m' or '1h'.");
  return undefined;
}

/** Spread of an optional mark, so that an absent one leaves no key behind. */
function marked(cache: CacheMark | undefined): { cache?: CacheMark } {
  return cache === undefined ? {} : { cache };
}

function decodeBlock(reading: RequestReading, value: JsonValue, role: MessageRole, path: string): Part[] {
  const block = reading.asObject(value, path);
  if (block === undefined) return [];
  const type = reading.requiredText(block, 'type', path);
  const cache = decodeCacheMark(reading, block, path);
  switch (type) {
    case 'text':
      return [{ kind: 'text', text: reading.requiredText(block, 'text', path), at: path, ...marked(cache) }];
    case 'image':
      return decodeImage(reading, block, cache, path);
    case 'document':
      return decodeDocument(reading, block, cache, path);
    case 'search_result':
      return [decodeSearchResult(reading, block, cache, path)];
    case 'thinking':
    case 'redacted_thinking':
      return onlyFrom('assistant', role, reading, type, path)
        ? [decodeThinking(reading, block, type, path)]
        : [];
    case 'tool_use':
      return onlyFrom('assistant', role, reading, type, path)
        ? [decodeToolUse(reading, block, cache, path)]
        : [];
    case 'tool_result':
      return onlyFrom('user', role, reading, type, path)
        ? [decodeToolResult(reading, block, cache, path)]
        : [];
    default:
      return [{ kind: 'native', family: 'messages', value: block, at: path }];
  }
}

function onlyFrom(
  allowed: MessageRole,
  role: MessageRole,
  reading: RequestReading,
  type: string,
  path: string,
): boolean {
  if (role === allowed) return true;
  reading.invalid(path, `of type '${type}' belongs into a message of the role '${allowed}'.`);
  return false;
}

function decodeThinking(reading: RequestReading, block: JsonObject, type: string, path: string): Part {
  if (type === 'redacted_thinking') {
    const data = reading.requiredText(block, 'data', path);
    const signature = unpackSignature(data) ?? { family: 'messages', kind: 'redacted', value: data };
    return { kind: 'reasoning', text: '', signature, at: path };
  }
  const text = reading.requiredText(block, 'thinking', path);
  const value = reading.text(block, 'signature', path) ?? '';
  if (value === '') return { kind: 'reasoning', text, at: path };
  const signature = unpackSignature(value) ?? { family: 'messages', kind: 'thinking', value };
  return { kind: 'reasoning', text, signature, at: path };
}

function decodeToolUse(
  reading: RequestReading,
  block: JsonObject,
  cache: CacheMark | undefined,
  path: string,
): Part {
  const { id, signature } = unpackCallId(reading.requiredText(block, 'id', path));
  const name = reading.requiredText(block, 'name', path);
  const input = reading.object(block, 'input', path) ?? {};
  reading.callNames.set(id, name);
  return {
    kind: 'tool_call',
    id,
    name,
    argumentsJson: JSON.stringify(input),
    at: path,
    ...(signature === undefined ? {} : { signature }),
    ...marked(cache),
  };
}

function decodeToolResult(
  reading: RequestReading,
  block: JsonObject,
  cache: CacheMark | undefined,
  path: string,
): Part {
  const { id } = unpackCallId(reading.requiredText(block, 'tool_use_id', path));
  const name = reading.callNames.get(id);
  if (name === undefined) {
    const param = `${path}.tool_use_id`;
    reading.refuse('tool_call_id_mismatch', param, `'${param}' names no tool call of a message before it.`);
  }
  const content = block.content;
  return {
    kind: 'tool_result',
    callId: id,
    ...(name === undefined ? {} : { name }),
    content:
      content === undefined || content === null
        ? []
        : decodeContent(reading, content, 'system', `${path}.content`),
    failed: reading.flag(block, 'is_error', path) ?? false,
    at: path,
    ...marked(cache),
  };
}

function decodeImage(
  reading: RequestReading,
  block: JsonObject,
  cache: CacheMark | undefined,
  path: string,
): Part[] {
  const source = decodeSource(reading, block, path);
  return source === undefined ? [] : [{ kind: 'media', media: 'image', source, at: path, ...marked(cache) }];
}

function decodeDocument(
  reading: RequestReading,
  block: JsonObject,
  cache: CacheMark | undefined,
  path: string,
): Part[] {
  const title = reading.text(block, 'title', path);
  const named = title === undefined ? {} : { title };
  const given = reading.object(block, 'source', path);
  if (given?.type === 'content') {
    const parts = decodeContent(reading, given.content, 'system', `${path}.source.content`);
    noteInnerMarks(reading, parts);
    return documentOfParts(parts, named, cache, path);
  }
  const source = decodeSource(reading, block, path);
  if (source === undefined) return [];
  return [{ kind: 'media', media: 'document', source, at: path, ...named, ...marked(cache) }];
}

/** Texts that are joined to one lose their own breakpoints. */
function noteInnerMarks(reading: RequestReading, parts: readonly Part[]): void {
  for (const part of parts)
    if (part.kind === 'text' && part.cache?.at !== undefined) reading.unmodelled.add(part.cache.at);
}

/** A document made of blocks: its texts become one document, its images stand on their own behind it. */
function documentOfParts(
  parts: readonly Part[],
  named: { title?: string },
  cache: CacheMark | undefined,
  path: string,
): Part[] {
  const texts = parts.flatMap((part) => (part.kind === 'text' ? [part.text] : []));
  const source: MediaSource = { kind: 'text', text: texts.join('\n\n') };
  const document: Part = { kind: 'media', media: 'document', source, at: path, ...named };
  const pieces = [...(texts.length > 0 ? [document] : []), ...parts.filter((part) => part.kind === 'media')];
  const last = pieces.pop();
  return last === undefined ? [] : [...pieces, { ...last, ...marked(cache) }];
}

function decodeSearchResult(
  reading: RequestReading,
  block: JsonObject,
  cache: CacheMark | undefined,
  path: string,
): MediaPart {
  const origin = reading.requiredText(block, 'source', path);
  const title = reading.requiredText(block, 'title', path);
  const parts = decodeContent(reading, block.content, 'system', `${path}.content`);
  noteInnerMarks(reading, parts);
  const texts = parts.flatMap((part) => (part.kind === 'text' ? [part.text] : []));
  const source: MediaSource = { kind: 'text', text: [origin, ...texts].join('\n\n') };
  return { kind: 'media', media: 'document', source, title, at: path, ...marked(cache) };
}

function decodeSource(reading: RequestReading, block: JsonObject, path: string): MediaSource | undefined {
  const at = `${path}.source`;
  const source = reading.asObject(block.source, at);
  if (source === undefined) return undefined;
  switch (source.type) {
    case 'base64':
      return {
        kind: 'base64',
        data: reading.requiredText(source, 'data', at),
        mediaType: reading.requiredText(source, 'media_type', at),
      };
    case 'url':
      return { kind: 'url', url: reading.requiredText(source, 'url', at) };
    case 'text':
      return { kind: 'text', text: reading.requiredText(source, 'data', at) };
    case 'file':
      return { kind: 'file_id', id: reading.requiredText(source, 'file_id', at), family: 'messages' };
    default:
      reading.invalid(`${at}.type`, "must be 'base64', 'url', 'text', 'content' or 'file'.");
      return undefined;
  }
}
