import { MediaUrls } from '#data-plane/dialects/media-url.ts';
import { JSON_KINDS, type JsonKind } from '#data-plane/json/json-watch.ts';
import { KnownTexts } from '#data-plane/json/known-texts.ts';
import { decodeJsonString } from '#data-plane/json/scan-json.ts';
import { type Fault, fault } from '#shared/fault.ts';
import { OUTPUT_URLS, SLOTS } from './request-watch.ts';

const ROLES = ['user', 'assistant', 'system', 'developer'];
const KNOWN_ROLES = new KnownTexts(ROLES);
const ITEM_TYPES = [
  'message',
  'item_reference',
  'function_call_output',
  'custom_tool_call_output',
  'function_call',
  'custom_tool_call',
  'compaction',
];
const KNOWN_ITEMS = new KnownTexts(ITEM_TYPES);
const MESSAGE = ITEM_TYPES.indexOf('message');
const ITEM_REFERENCE = ITEM_TYPES.indexOf('item_reference');
const OUTPUTS = [ITEM_TYPES.indexOf('function_call_output'), ITEM_TYPES.indexOf('custom_tool_call_output')];
const CALLS = [ITEM_TYPES.indexOf('function_call'), ITEM_TYPES.indexOf('custom_tool_call')];
const COMPACTION = ITEM_TYPES.indexOf('compaction');
const MEDIA_PARTS = new KnownTexts(['input_image', 'input_file', 'input_audio']);
const IMAGE = 0;
const FILE = 1;
const AUDIO = 2;
/** An inline file is at least this long; anything shorter only names one. */
const INLINE_FILE_BYTES = 1_024;
/** Where clients of this dialect put a URL, by the slot of the field. */
const URL_FIELDS: Readonly<Record<number, string>> = {
  [SLOTS.imageUrl]: 'image_url',
  [SLOTS.fileUrl]: 'file_url',
  [SLOTS.fileData]: 'file_data',
  [SLOTS.videoUrl]: 'video_url',
  [SLOTS.audioData]: 'input_audio.data',
};
const ABSENT = 0;
const UNKNOWN = -1;

/**
 * Checks the items of `input` while the body is scanned, one at a time, and measures their media. Keeps the first fault:
 * `invalid_messages`, `unsupported_message_role`, `tool_call_id_mismatch` or `unsupported_responses_feature`.
 */
export class InputReader {
  failure: Fault | undefined;
  /** Items seen so far. */
  count = 0;
  images = 0;
  audioBytes = 0;
  fileReferences = 0;
  readonly mediaUrls = new MediaUrls();
  /** Bytes of content parts that are not text. */
  mediaBytes = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #callIds = new Set<string>();
  /** A compacted past may hold the calls that outputs answer. */
  #hasCompactedPast = false;
  #typeKind: JsonKind | 0 = ABSENT;
  #type: number = UNKNOWN;
  #roleKind: JsonKind | 0 = ABSENT;
  #roleKnown = false;
  #contentKind: JsonKind | 0 = ABSENT;
  #callId: string | undefined;
  #partIndex = 0;
  #partTyped = false;
  #part: number = UNKNOWN;
  #badPart: string | undefined;

  reset(bytes: Buffer): void {
    this.failure = undefined;
    this.count = 0;
    this.images = 0;
    this.audioBytes = 0;
    this.fileReferences = 0;
    this.mediaBytes = 0;
    this.mediaUrls.reset(bytes);
    this.#bytes = bytes;
    if (this.#callIds.size > 0) this.#callIds = new Set();
    this.#hasCompactedPast = false;
    this.#beginPart();
    this.#beginItem();
  }

  #beginItem(): void {
    this.#typeKind = ABSENT;
    this.#type = UNKNOWN;
    this.#roleKind = ABSENT;
    this.#roleKnown = false;
    this.#contentKind = ABSENT;
    this.#callId = undefined;
    this.#partIndex = 0;
    this.#badPart = undefined;
  }

  #beginPart(): void {
    this.#partTyped = false;
    this.#part = UNKNOWN;
  }

  value(slot: number, kind: JsonKind, start: number, end: number): void {
    switch (slot) {
      case SLOTS.itemType:
        this.#typeKind = kind;
        this.#type = this.#find(KNOWN_ITEMS, kind, start, end);
        return;
      case SLOTS.role:
        this.#roleKind = kind;
        this.#roleKnown = this.#find(KNOWN_ROLES, kind, start, end) !== UNKNOWN;
        return;
      case SLOTS.content:
        this.#contentKind = kind;
        return;
      case SLOTS.callId:
        this.#callId = kind === JSON_KINDS.string ? decodeJsonString(this.#bytes, start, end) : undefined;
        return;
      case SLOTS.partType:
        this.#partTyped = kind === JSON_KINDS.string;
        this.#part = this.#find(MEDIA_PARTS, kind, start, end);
        return;
      case SLOTS.part:
        this.#endPart(kind, end - start);
        return;
      case SLOTS.item:
        this.failure ??= this.#checkItem(kind, `input[${this.count}]`);
        this.#rememberCall();
        this.count += 1;
        this.#beginItem();
        return;
      default:
        this.#noteUrl(slot, kind, start, end);
    }
  }

  #noteUrl(slot: number, kind: JsonKind, start: number, end: number): void {
    const isOutput = slot >= SLOTS.imageUrl + OUTPUT_URLS;
    const field = isOutput ? slot - OUTPUT_URLS : slot;
    const holds = field === SLOTS.fileData || field === SLOTS.audioData ? 'data' : 'url';
    if (!this.mediaUrls.isUrl(kind, start, end, holds)) return;
    const part = `input[${this.count}].${isOutput ? 'output' : 'content'}[${this.#partIndex}]`;
    this.mediaUrls.add(`${part}.${URL_FIELDS[field]}`, start, end);
  }

  #find(texts: KnownTexts, kind: JsonKind, start: number, end: number): number {
    return kind === JSON_KINDS.string ? texts.find(this.#bytes, start, end) : UNKNOWN;
  }

  /** Files that are sent inline count as text. */
  #endPart(kind: JsonKind, size: number): void {
    if (kind !== JSON_KINDS.object || !this.#partTyped) this.#badPart ??= `content[${this.#partIndex}]`;
    if (this.#part === IMAGE) this.images += 1;
    if (this.#part === AUDIO) this.audioBytes += size;
    if (this.#part === IMAGE || this.#part === AUDIO) this.mediaBytes += size;
    if (this.#part === FILE && size < INLINE_FILE_BYTES) this.fileReferences += 1;
    this.#partIndex += 1;
    this.#beginPart();
  }

  #rememberCall(): void {
    if (this.#callId !== undefined && CALLS.includes(this.#type)) this.#callIds.add(this.#callId);
    if (this.#type === COMPACTION) this.#hasCompactedPast = true;
  }

  #checkItem(kind: JsonKind, path: string): Fault | undefined {
    if (kind !== JSON_KINDS.object) return invalid(path, 'must be an object.');
    if (this.#typeKind !== ABSENT && this.#typeKind !== JSON_KINDS.null) {
      if (this.#typeKind !== JSON_KINDS.string) return invalid(`${path}.type`, 'must be a string.');
      if (this.#type === ITEM_REFERENCE) return storedItem(path);
      if (OUTPUTS.includes(this.#type)) return this.#checkOutput(path);
      return this.#type === MESSAGE ? this.#checkMessage(path) : undefined;
    }
    // Without a type it is a message, or no more than the id of a stored item.
    return this.#roleKind === ABSENT ? storedItem(path) : this.#checkMessage(path);
  }

  #checkMessage(path: string): Fault | undefined {
    if (this.#roleKind !== JSON_KINDS.string) {
      return invalid(`${path}.role`, this.#roleKind === ABSENT ? 'is required.' : 'must be a string.');
    }
    if (!this.#roleKnown) {
      return fault('unsupported_message_role', `'${path}.role' must be one of ${ROLES.join(', ')}.`, {
        param: `${path}.role`,
      });
    }
    if (this.#badPart !== undefined) {
      return invalid(`${path}.${this.#badPart}`, 'must be an object with a type.');
    }
    if (this.#contentKind === JSON_KINDS.string || this.#contentKind === JSON_KINDS.array) return undefined;
    const isEmpty = this.#contentKind === ABSENT || this.#contentKind === JSON_KINDS.null;
    return invalid(
      `${path}.content`,
      isEmpty ? 'is required.' : 'must be a string or an array of content parts.',
    );
  }

  #checkOutput(path: string): Fault | undefined {
    const param = `${path}.call_id`;
    if (this.#callId === undefined) return invalid(param, 'is required and must be a string.');
    if (this.#hasCompactedPast || this.#callIds.has(this.#callId)) return undefined;
    return fault('tool_call_id_mismatch', `'${param}' matches no earlier call in 'input'.`, { param });
  }
}

function invalid(param: string, rule: string): Fault {
  return fault('invalid_messages', `'${param}' ${rule}`, { param });
}

function storedItem(path: string): Fault {
  return fault(
    'unsupported_responses_feature',
    `'${path}' refers to a stored item; nothing is stored here, so send the item itself.`,
    { param: path },
  );
}
