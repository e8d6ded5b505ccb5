import { MediaUrls } from '#data-plane/dialects/media-url.ts';
import { JSON_KINDS, type JsonKind } from '#data-plane/json/json-watch.ts';
import { KnownTexts } from '#data-plane/json/known-texts.ts';
import { type Fault, fault } from '#shared/fault.ts';
import { SLOTS } from './request-watch.ts';

const ROLES = ['user', 'assistant', 'system'] as const;
const KNOWN_ROLES = new KnownTexts(ROLES);
const MEDIA_BLOCKS = new KnownTexts(['image', 'document']);
const IMAGE = 0;
const DOCUMENT = 1;
/** Sources that only say where a document is. */
const REMOTE_SOURCES = new KnownTexts(['url', 'file']);
const ABSENT = 0;
const UNKNOWN = -1;

/**
 * Checks `messages` while the body is scanned, one message at a time, and measures its media. Keeps the first fault:
 * `invalid_messages` or `unsupported_message_role`.
 */
export class MessagesReader {
  failure: Fault | undefined;
  /** Messages seen so far. */
  count = 0;
  images = 0;
  fileReferences = 0;
  readonly mediaUrls = new MediaUrls();
  /** Bytes of content blocks that are not text. */
  mediaBytes = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #roleKind: JsonKind | 0 = ABSENT;
  #roleKnown = false;
  #contentKind: JsonKind | 0 = ABSENT;
  #blockIndex = 0;
  #badBlock: string | undefined;
  #blockTyped = false;
  #block: number = UNKNOWN;
  #blockIsRemote = false;
  #innerBlock: number = UNKNOWN;
  #innerIsRemote = false;
  #innerIndex = 0;
  #sourceBlockIndex = 0;

  reset(bytes: Buffer): void {
    this.failure = undefined;
    this.count = 0;
    this.images = 0;
    this.fileReferences = 0;
    this.mediaBytes = 0;
    this.mediaUrls.reset(bytes);
    this.#bytes = bytes;
    this.#innerIndex = 0;
    this.#sourceBlockIndex = 0;
    this.#beginInnerBlock();
    this.#beginBlock();
    this.#beginMessage();
  }

  #beginMessage(): void {
    this.#roleKind = ABSENT;
    this.#roleKnown = false;
    this.#contentKind = ABSENT;
    this.#blockIndex = 0;
    this.#badBlock = undefined;
  }

  #beginBlock(): void {
    this.#blockTyped = false;
    this.#block = UNKNOWN;
    this.#blockIsRemote = false;
  }

  #beginInnerBlock(): void {
    this.#innerBlock = UNKNOWN;
    this.#innerIsRemote = false;
  }

  value(slot: number, kind: JsonKind, start: number, end: number): void {
    switch (slot) {
      case SLOTS.role:
        this.#roleKind = kind;
        this.#roleKnown = this.#find(KNOWN_ROLES, kind, start, end) !== UNKNOWN;
        return;
      case SLOTS.content:
        this.#contentKind = kind;
        return;
      case SLOTS.blockType:
        this.#blockTyped = kind === JSON_KINDS.string;
        this.#block = this.#find(MEDIA_BLOCKS, kind, start, end);
        return;
      case SLOTS.sourceType:
        this.#blockIsRemote = this.#find(REMOTE_SOURCES, kind, start, end) !== UNKNOWN;
        return;
      case SLOTS.innerBlockType:
        this.#innerBlock = this.#find(MEDIA_BLOCKS, kind, start, end);
        return;
      case SLOTS.innerSourceType:
        this.#innerIsRemote = this.#find(REMOTE_SOURCES, kind, start, end) !== UNKNOWN;
        return;
      case SLOTS.sourceUrl:
      case SLOTS.innerSourceUrl:
      case SLOTS.sourceBlockUrl:
        if (this.mediaUrls.isUrl(kind, start, end)) this.mediaUrls.add(this.#urlParam(slot), start, end);
        return;
      case SLOTS.sourceBlock:
        this.#sourceBlockIndex += 1;
        return;
      case SLOTS.innerBlock:
        this.#measure(this.#innerBlock, this.#innerIsRemote, end - start);
        this.#innerIndex += 1;
        this.#beginInnerBlock();
        return;
      case SLOTS.block:
        if (kind !== JSON_KINDS.object || !this.#blockTyped)
          this.#badBlock ??= `content[${this.#blockIndex}]`;
        this.#measure(this.#block, this.#blockIsRemote, end - start);
        this.#blockIndex += 1;
        this.#innerIndex = 0;
        this.#sourceBlockIndex = 0;
        this.#beginBlock();
        return;
      case SLOTS.message:
        this.failure ??= this.#checkMessage(kind, `messages[${this.count}]`);
        this.count += 1;
        this.#beginMessage();
        return;
    }
  }

  #urlParam(slot: number): string {
    const block = `messages[${this.count}].content[${this.#blockIndex}]`;
    if (slot === SLOTS.innerSourceUrl) return `${block}.content[${this.#innerIndex}].source.url`;
    if (slot === SLOTS.sourceBlockUrl) return `${block}.source.content[${this.#sourceBlockIndex}].source.url`;
    return `${block}.source.url`;
  }

  #find(texts: KnownTexts, kind: JsonKind, start: number, end: number): number {
    return kind === JSON_KINDS.string ? texts.find(this.#bytes, start, end) : UNKNOWN;
  }

  /** Documents that are sent inline count as text. */
  #measure(block: number, isRemote: boolean, size: number): void {
    if (block === IMAGE) {
      this.images += 1;
      this.mediaBytes += size;
    } else if (block === DOCUMENT && isRemote) {
      this.fileReferences += 1;
    }
  }

  #checkMessage(kind: JsonKind, path: string): Fault | undefined {
    if (kind !== JSON_KINDS.object) return invalid(path, 'must be an object.');
    if (this.#roleKind !== JSON_KINDS.string) {
      return invalid(`${path}.role`, this.#roleKind === ABSENT ? 'is required.' : 'must be a string.');
    }
    if (!this.#roleKnown) {
      return fault('unsupported_message_role', `'${path}.role' must be one of ${ROLES.join(', ')}.`, {
        param: `${path}.role`,
      });
    }
    if (this.#badBlock !== undefined) {
      return invalid(`${path}.${this.#badBlock}`, 'must be an object with a type.');
    }
    if (this.#contentKind === JSON_KINDS.string || this.#contentKind === JSON_KINDS.array) return undefined;
    const isEmpty = this.#contentKind === ABSENT || this.#contentKind === JSON_KINDS.null;
    return invalid(
      `${path}.content`,
      isEmpty ? 'is required.' : 'must be a string or an array of content blocks.',
    );
  }
}

function invalid(param: string, rule: string): Fault {
  return fault('invalid_messages', `'${param}' ${rule}`, { param });
}
