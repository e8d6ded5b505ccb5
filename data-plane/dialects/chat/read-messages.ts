import { MediaUrls } from '#data-plane/dialects/media-url.ts';
import type { MediaKind } from '#data-plane/dialects/turn.ts';
import { JSON_KINDS, type JsonKind } from '#data-plane/json/json-watch.ts';
import { decodeJsonString } from '#data-plane/json/scan-json.ts';
import { type Fault, fault } from '#shared/fault.ts';
import { SLOTS } from './request-watch.ts';

const ROLES = ['system', 'developer', 'user', 'assistant', 'tool'] as const;
const KNOWN_ROLES: ReadonlySet<string> = new Set(ROLES);
const ROLE_TEXTS = ROLES.map((role) => ({ role, text: Buffer.from(`"${role}"`) }));
/** An inline file is at least this long; anything shorter only names one. */
const INLINE_FILE_BYTES = 1_024;
/** Where clients of this dialect put a URL. */
const URL_FIELDS = {
  [SLOTS.imageUrl]: 'image_url.url',
  [SLOTS.videoUrl]: 'video_url.url',
  [SLOTS.fileData]: 'file.file_data',
  [SLOTS.audioData]: 'input_audio.data',
  [SLOTS.documentUrl]: 'document_url',
} as const;
type UrlSlot = keyof typeof URL_FIELDS | typeof SLOTS.videoFrame;
/** What stands behind the fields that take a data URL as well as an address. */
const URL_MEDIA: Partial<Record<UrlSlot, MediaKind>> = {
  [SLOTS.imageUrl]: 'image',
  [SLOTS.videoFrame]: 'image',
  [SLOTS.videoUrl]: 'video',
  [SLOTS.fileData]: 'document',
};
const ABSENT = 0;
const CALL_TYPES: ReadonlySet<string> = new Set(['function', 'custom']);
type KindOrAbsent = JsonKind | typeof ABSENT;

/**
 * Checks `messages` while the body is scanned, one message at a time, and measures its media. Keeps the first fault:
 * `invalid_messages`, `unsupported_message_role` or `tool_call_id_mismatch`.
 */
export class MessagesReader {
  failure: Fault | undefined;
  images = 0;
  videos = 0;
  audioBytes = 0;
  fileReferences = 0;
  /** A message holds thoughts or the id of a call: what providers write in words of their own. */
  hasProviderState = false;
  readonly mediaUrls = new MediaUrls();
  /** Bytes of content blocks that are not text. */
  mediaBytes = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #messageIndex = 0;
  /** Ids that the nearest assistant message so far has called with. */
  #openCallIds: string[] = [];

  #role: string | undefined;
  #roleKind: KindOrAbsent = ABSENT;
  #contentKind: KindOrAbsent = ABSENT;
  #toolCallsKind: KindOrAbsent = ABSENT;
  #toolCallIdKind: KindOrAbsent = ABSENT;
  #toolCallId = '';
  #hasOtherAnswer = false;
  #callIds: string[] = [];
  #callIndex = 0;
  #callId: string | undefined;
  #callTypeIsKnown = true;
  #blockIndex = 0;
  #blockType: string | undefined;
  #videoFrames = 0;
  #badPart: string | undefined;

  reset(bytes: Buffer): void {
    this.failure = undefined;
    this.images = 0;
    this.videos = 0;
    this.audioBytes = 0;
    this.fileReferences = 0;
    this.hasProviderState = false;
    this.mediaBytes = 0;
    this.mediaUrls.reset(bytes);
    this.#bytes = bytes;
    this.#messageIndex = 0;
    this.#openCallIds = [];
    this.#beginMessage();
  }

  #beginMessage(): void {
    this.#role = undefined;
    this.#roleKind = ABSENT;
    this.#contentKind = ABSENT;
    this.#toolCallsKind = ABSENT;
    this.#toolCallIdKind = ABSENT;
    this.#toolCallId = '';
    this.#hasOtherAnswer = false;
    this.#callIds = [];
    this.#callIndex = 0;
    this.#blockIndex = 0;
    this.#videoFrames = 0;
    this.#badPart = undefined;
    this.#beginPart();
  }

  /** Parts are content blocks and tool calls: both are small objects inside a message. */
  #beginPart(): void {
    this.#blockType = undefined;
    this.#callId = undefined;
    this.#callTypeIsKnown = true;
  }

  /** Messages seen so far. */
  get count(): number {
    return this.#messageIndex;
  }

  value(slot: number, kind: JsonKind, start: number, end: number): void {
    switch (slot) {
      case SLOTS.role:
        this.#roleKind = kind;
        this.#role = kind === JSON_KINDS.string ? readRole(this.#bytes, start, end) : undefined;
        return;
      case SLOTS.content:
        this.#contentKind = kind;
        return;
      case SLOTS.toolCallId:
        this.hasProviderState = true;
        this.#toolCallIdKind = kind;
        this.#toolCallId = this.#text(kind, start, end) ?? '';
        return;
      case SLOTS.toolCalls:
        this.#toolCallsKind = kind;
        return;
      case SLOTS.otherAnswer:
        this.hasProviderState = true;
        if (kind !== JSON_KINDS.null) this.#hasOtherAnswer = true;
        return;
      case SLOTS.contentBlockType:
        this.#blockType = this.#text(kind, start, end);
        return;
      case SLOTS.videoFrame:
        this.#noteUrl(slot, kind, start, end);
        this.#videoFrames += 1;
        return;
      case SLOTS.imageUrl:
      case SLOTS.videoUrl:
      case SLOTS.fileData:
      case SLOTS.audioData:
      case SLOTS.documentUrl:
        this.#noteUrl(slot, kind, start, end);
        return;
      case SLOTS.contentBlock:
        this.#endContentBlock(kind, end - start);
        return;
      case SLOTS.toolCallOwnId:
        this.hasProviderState = true;
        this.#callId = this.#text(kind, start, end);
        return;
      case SLOTS.toolCallType:
        this.#callTypeIsKnown = CALL_TYPES.has(this.#text(kind, start, end) ?? '');
        return;
      case SLOTS.toolCall:
        this.#endToolCall(kind);
        return;
      case SLOTS.message:
        this.#endMessage(kind);
        return;
    }
  }

  #text(kind: JsonKind, start: number, end: number): string | undefined {
    return kind === JSON_KINDS.string ? decodeJsonString(this.#bytes, start, end) : undefined;
  }

  #noteUrl(slot: UrlSlot, kind: JsonKind, start: number, end: number): void {
    const holds = slot === SLOTS.fileData || slot === SLOTS.audioData ? 'data' : 'url';
    if (!this.mediaUrls.isUrl(kind, start, end, holds)) return;
    const field = slot === SLOTS.videoFrame ? `video[${this.#videoFrames}]` : URL_FIELDS[slot];
    const block = `messages[${this.#messageIndex}].content[${this.#blockIndex}]`;
    this.mediaUrls.add(`${block}.${field}`, start, end, URL_MEDIA[slot]);
  }

  #endContentBlock(kind: JsonKind, size: number): void {
    if (kind !== JSON_KINDS.object || this.#blockType === undefined)
      this.#badPart ??= `content[${this.#blockIndex}]`;
    switch (this.#blockType) {
      case 'image_url':
        this.images += 1;
        this.mediaBytes += size;
        break;
      case 'input_audio':
        this.audioBytes += size;
        this.mediaBytes += size;
        break;
      case 'video_url':
        this.videos += 1;
        this.mediaBytes += size;
        break;
      case 'video':
        this.images += this.#videoFrames;
        this.mediaBytes += size;
        break;
      case 'file':
        if (size < INLINE_FILE_BYTES) this.fileReferences += 1;
        break;
    }
    this.#blockIndex += 1;
    this.#videoFrames = 0;
    this.#beginPart();
  }

  #endToolCall(kind: JsonKind): void {
    const part = `tool_calls[${this.#callIndex}]`;
    if (kind !== JSON_KINDS.object) this.#badPart ??= part;
    else if (this.#callId === undefined) this.#badPart ??= `${part}.id`;
    else if (!this.#callTypeIsKnown) this.#badPart ??= `${part}.type`;
    else this.#callIds.push(this.#callId);
    this.#callIndex += 1;
    this.#beginPart();
  }

  #endMessage(kind: JsonKind): void {
    this.failure ??= this.#checkMessage(kind);
    if (this.#role === 'assistant') this.#openCallIds = this.#callIds;
    this.#messageIndex += 1;
    this.#beginMessage();
  }

  /** Path of the message at hand. */
  get #path(): string {
    return `messages[${this.#messageIndex}]`;
  }

  #checkMessage(kind: JsonKind): Fault | undefined {
    if (kind !== JSON_KINDS.object) return invalid(this.#path, 'must be an object.');
    if (this.#role === undefined) {
      return invalid(`${this.#path}.role`, this.#roleKind === ABSENT ? 'is required.' : 'must be a string.');
    }
    if (!KNOWN_ROLES.has(this.#role)) {
      const param = `${this.#path}.role`;
      return fault('unsupported_message_role', `'${param}' must be one of ${ROLES.join(', ')}.`, { param });
    }
    return this.#checkContent() ?? this.#checkToolCalls();
  }

  #checkContent(): Fault | undefined {
    if (this.#badPart?.startsWith('content')) {
      return invalid(`${this.#path}.${this.#badPart}`, 'must be an object with a type.');
    }
    if (this.#contentKind === JSON_KINDS.string || this.#contentKind === JSON_KINDS.array) return undefined;
    const isEmpty = this.#contentKind === ABSENT || this.#contentKind === JSON_KINDS.null;
    if (!isEmpty)
      return invalid(`${this.#path}.content`, 'must be a string, an array of content blocks or null.');
    if (this.#role !== 'assistant') return invalid(`${this.#path}.content`, 'is required.');
    if (this.#callIndex > 0 || this.#hasOtherAnswer) return undefined;
    return invalid(`${this.#path}.content`, 'is required unless the assistant message has tool calls.');
  }

  #checkToolCalls(): Fault | undefined {
    if (this.#toolCallsKind !== ABSENT && this.#toolCallsKind !== JSON_KINDS.null) {
      if (this.#toolCallsKind !== JSON_KINDS.array)
        return invalid(`${this.#path}.tool_calls`, 'must be an array.');
      if (this.#badPart !== undefined) {
        return invalid(`${this.#path}.${this.#badPart}`, 'is missing or not what a function call needs.');
      }
    }
    if (this.#role !== 'tool') return undefined;
    const param = `${this.#path}.tool_call_id`;
    if (this.#toolCallIdKind !== JSON_KINDS.string || this.#toolCallId === '') {
      return invalid(param, 'is required for a message with the role tool.');
    }
    if (this.#openCallIds.includes(this.#toolCallId)) return undefined;
    return fault(
      'tool_call_id_mismatch',
      `'${param}' names no tool call of the assistant message before it.`,
      {
        param,
      },
    );
  }
}

/** Knows the usual spellings without decoding: there may be thousands of messages. */
function readRole(bytes: Buffer, start: number, end: number): string {
  for (const { role, text } of ROLE_TEXTS) {
    if (text.length === end - start && equalsAt(bytes, start, text)) return role;
  }
  return decodeJsonString(bytes, start, end);
}

function equalsAt(bytes: Buffer, start: number, text: Buffer): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (bytes[start + index] !== text[index]) return false;
  }
  return true;
}

function invalid(param: string, rule: string): Fault {
  return fault('invalid_messages', `'${param}' ${rule}`, { param });
}
