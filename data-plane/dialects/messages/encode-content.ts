import type { RequestLosses } from '#data-plane/dialects/loss-rule.ts';
import { callInput } from '#data-plane/dialects/messages/call-input.ts';
import type { ProviderCallIds } from '#data-plane/dialects/messages/provider-call-ids.ts';
import type { CacheMark, JsonObject, MediaPart, Part } from '#data-plane/dialects/turn.ts';
import { fault } from '#shared/fault.ts';

/** What the blocks of one request share while they are written. */
export interface ContentWriting {
  readonly losses: RequestLosses;
  readonly callIds: ProviderCallIds;
  /** Filled in as blocks need them: betas that the provider wants to see named. */
  readonly betas: Set<string>;
}

const FILES_BETA = 'files-api-2025-04-14';

export function encodeCacheMark(cache: CacheMark | undefined): JsonObject {
  if (cache === undefined) return {};
  return { cache_control: cache.ttl === '1h' ? { type: 'ephemeral', ttl: '1h' } : { type: 'ephemeral' } };
}

/** A part of a user or system message, or of a tool result; `undefined` for one that is left out. */
export function encodeUserPart(part: Part, path: string, writing: ContentWriting): JsonObject | undefined {
  switch (part.kind) {
    case 'media':
      return encodeMedia(part, path, writing);
    case 'tool_result':
      return encodeToolResult(part, path, writing);
    case 'reasoning':
    case 'tool_call':
      writing.losses.dropField(path);
      return undefined;
    default:
      return encodeProse(part, path, writing);
  }
}

export function encodeAssistantPart(
  part: Part,
  path: string,
  writing: ContentWriting,
): JsonObject | undefined {
  switch (part.kind) {
    case 'media':
      writing.losses.dropField(path);
      return undefined;
    case 'tool_result':
      writing.losses.dropField(path);
      return undefined;
    case 'reasoning':
      return encodeReasoning(part, path, writing);
    case 'tool_call':
      if (part.signature !== undefined && part.signature.family !== 'messages')
        writing.losses.drop('tool_call.id', path);
      if (part.legacy === true) writing.losses.admitsField('tool_call.legacy', path);
      return {
        type: 'tool_use',
        id: writing.callIds.forCall(part.id),
        name: part.name,
        input: part.custom ? { input: part.argumentsJson } : callInput(part.argumentsJson),
        ...encodeCacheMark(part.cache),
      };
    default:
      return encodeProse(part, path, writing);
  }
}

function encodeProse(
  part: Extract<Part, { kind: 'text' | 'refusal' | 'native' }>,
  path: string,
  writing: ContentWriting,
): JsonObject | undefined {
  if (part.kind === 'native') {
    if (part.family === 'messages') return part.value;
    writing.losses.dropField(path);
    return undefined;
  }
  if (part.kind === 'text' && part.phase !== undefined)
    writing.losses.admitsField('message.phase', part.phaseAt ?? 'phase');
  if (part.text.trim() === '') return undefined;
  return {
    type: 'text',
    text: part.text,
    ...(part.kind === 'text' ? encodeCacheMark(part.cache) : {}),
  };
}

function encodeReasoning(
  part: Extract<Part, { kind: 'reasoning' }>,
  path: string,
  writing: ContentWriting,
): JsonObject | undefined {
  const { signature } = part;
  if (signature?.family !== 'messages') {
    writing.losses.dropField(path);
    return undefined;
  }
  return signature.kind === 'redacted'
    ? { type: 'redacted_thinking', data: signature.value }
    : { type: 'thinking', thinking: part.text, signature: signature.value };
}

function encodeToolResult(
  part: Extract<Part, { kind: 'tool_result' }>,
  path: string,
  writing: ContentWriting,
): JsonObject | undefined {
  const id = writing.callIds.forResult(part.callId);
  if (id === undefined) {
    const message = 'A tool result names no tool call of a message before it.';
    writing.losses.fail(fault('tool_call_id_mismatch', message, { param: 'messages' }));
    return undefined;
  }
  const content = part.content.flatMap((piece, index) => {
    const block = encodeUserPart(piece, piece.at ?? `${path}.content[${index}]`, writing);
    return block === undefined ? [] : [block];
  });
  return {
    type: 'tool_result',
    tool_use_id: id,
    ...(content.length === 0 ? {} : { content }),
    ...(part.failed ? { is_error: true } : {}),
    ...encodeCacheMark(part.cache),
  };
}

function encodeMedia(part: MediaPart, path: string, writing: ContentWriting): JsonObject | undefined {
  if (part.media === 'audio' || part.media === 'video') {
    writing.losses.admits(part.media === 'audio' ? 'content.audio' : 'content.video', path);
    return undefined;
  }
  if (part.detail !== undefined && part.detail !== 'auto')
    writing.losses.admits('content.image.detail', path);
  const source = part.media === 'image' ? imageSource(part) : documentSource(part);
  if (source === undefined) {
    writing.losses.admits(part.source.kind === 'file_id' ? 'file_id.openai' : 'content.document.other', path);
    return undefined;
  }
  if (source.type === 'file') writing.betas.add(FILES_BETA);
  const title = part.media === 'document' ? (part.title ?? part.filename) : undefined;
  return {
    type: part.media,
    source,
    ...(title === undefined ? {} : { title }),
    ...encodeCacheMark(part.cache),
  };
}

function imageSource({ source }: MediaPart): JsonObject | undefined {
  switch (source.kind) {
    case 'base64':
      return { type: 'base64', media_type: source.mediaType, data: source.data };
    case 'url':
      return { type: 'url', url: source.url };
    case 'file_id':
      return source.family === 'messages' ? { type: 'file', file_id: source.id } : undefined;
    case 'text':
      return undefined;
  }
}

function documentSource({ source }: MediaPart): JsonObject | undefined {
  switch (source.kind) {
    case 'base64':
      return encodedDocument(source.data, source.mediaType);
    case 'url':
      return { type: 'url', url: source.url };
    case 'file_id':
      return source.family === 'messages' ? { type: 'file', file_id: source.id } : undefined;
    case 'text':
      return { type: 'text', media_type: 'text/plain', data: source.text };
  }
}

const TEXTUAL_TYPE = /^(text\/|application\/(json|xml|yaml|x-yaml|javascript)\b)/i;

function encodedDocument(data: string, mediaType: string): JsonObject | undefined {
  if (mediaType === 'application/pdf') return { type: 'base64', media_type: mediaType, data };
  if (!TEXTUAL_TYPE.test(mediaType)) return undefined;
  return { type: 'text', media_type: 'text/plain', data: Buffer.from(data, 'base64').toString('utf8') };
}
