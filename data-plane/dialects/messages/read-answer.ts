import { ChunkTemplate } from '#data-plane/dialects/chunk-template.ts';
import { coveringText } from '#data-plane/dialects/covering-text.ts';
import { type AnswerReader, PIECES, type Piece } from '#data-plane/dialects/dialect.ts';
import {
  JSON_KINDS,
  type JsonKind,
  type JsonSink,
  type JsonWatch,
  watchFields,
} from '#data-plane/json/json-watch.ts';
import { KnownTexts } from '#data-plane/json/known-texts.ts';
import { SCAN_OK, scanJson } from '#data-plane/json/scan-json.ts';
import type { TokenUsage } from '#shared/token-usage.ts';
import { UsageReading } from './read-usage.ts';

const SLOTS = {
  type: 0,
  text: 1,
  ignored: 2,
  model: 3,
  usage: 4,
  error: 5,
  content: 6,
  generated: 7,
  stopReason: 8,
} as const;

const text = { slot: SLOTS.text };
const generated = { slot: SLOTS.generated };
const ignored = SLOTS.ignored;

/** A block that begins, or one of a whole answer: most begin empty, but some come without a delta. */
const block: JsonWatch = {
  fields: watchFields({ text, thinking: text, data: generated, name: generated, content: generated }),
};

const ANSWER_WATCH: JsonWatch = {
  fields: watchFields({
    type: { slot: SLOTS.type },
    message: {
      slot: ignored,
      within: { fields: watchFields({ model: { slot: SLOTS.model }, usage: { slot: SLOTS.usage } }) },
    },
    model: { slot: SLOTS.model },
    content: { slot: SLOTS.content, within: { items: { slot: ignored, within: block } } },
    content_block: { slot: ignored, within: block },
    delta: {
      slot: ignored,
      within: {
        fields: watchFields({
          text,
          thinking: text,
          partial_json: text,
          signature: generated,
          citation: generated,
          content: generated,
          stop_reason: { slot: SLOTS.stopReason },
        }),
      },
    },
    usage: { slot: SLOTS.usage },
    error: { slot: SLOTS.error },
  }),
};

const TYPES = ['message_start', 'ping', 'message_delta', 'message_stop', 'error', 'message'];
const KNOWN_TYPES = new KnownTexts(TYPES);
const PING = TYPES.indexOf('ping');
const MESSAGE_STOP = TYPES.indexOf('message_stop');
const ERROR = TYPES.indexOf('error');
const UNKNOWN = -1;
const QUOTES = 2;
/** The gap of events that are alike: their text. */
const TEXT_GAP = 0;
const NOTHING = Buffer.alloc(0);

/** Reads Messages events and bodies of one provider answer. */
export class MessagesAnswerReader implements AnswerReader, JsonSink {
  modelStart = 0;
  modelEnd = 0;
  textBytes = 0;
  /** True once `message_stop` has come: clients wait for it, so an answer without is cut. */
  finished = false;
  readonly #usage = new UsageReading();
  #counts: TokenUsage | undefined;
  /** How much text the last counts cover: those of the first event cover none. */
  #countedTextBytes = 0;

  #bytes: Buffer = NOTHING;
  #type = UNKNOWN;
  #isTyped = false;
  #hasContent = false;
  #hasBlocks = false;
  #hasError = false;
  readonly #template = new ChunkTemplate();
  #textCount = 0;
  /** The event says something besides its type and text. */
  #hasOther = false;

  get usage(): TokenUsage | undefined {
    const counts = this.#counts;
    if (counts === undefined) return undefined;
    const { textBytes, finished } = this;
    return coveringText(counts, {
      countedTextBytes: this.#countedTextBytes,
      textBytes,
      isWhole: finished || this.#hasBlocks,
    });
  }

  readChunk(bytes: Buffer, start: number, end: number): Piece {
    if (this.#template.matches(bytes, start, end)) return this.#readRepeated();
    const textBytesBefore = this.textBytes;
    if (!this.#scan(bytes, start, end) || !this.#isTyped) return PIECES.garbage;
    if (this.#hasError || this.#type === ERROR) return PIECES.error;
    if (this.#type === MESSAGE_STOP) {
      this.finished = true;
      return PIECES.closing;
    }
    if (this.#type === PING) return PIECES.heartbeat;
    // Only an event that changes nothing but the text so far can be repeated without being read.
    if (
      this.#textCount === 1 &&
      this.#type === UNKNOWN &&
      !this.#hasOther &&
      this.textBytes > textBytesBefore
    )
      this.#template.learn(bytes, start, end, 0, 0);
    return this.#hasContent ? PIECES.content : PIECES.preamble;
  }

  /** An event that differs from the one before only in its text. */
  #readRepeated(): Piece {
    const { starts, ends } = this.#template;
    this.modelEnd = 0;
    const textBytes = (ends[TEXT_GAP] ?? 0) - (starts[TEXT_GAP] ?? 0) - QUOTES;
    this.textBytes += textBytes;
    return textBytes > 0 ? PIECES.content : PIECES.preamble;
  }

  readBody(bytes: Buffer): Piece {
    if (!this.#scan(bytes, 0, bytes.length)) return PIECES.garbage;
    if (this.#hasError || this.#type === ERROR) return PIECES.error;
    this.#countedTextBytes = this.textBytes;
    return this.#hasBlocks ? PIECES.content : PIECES.garbage;
  }

  #scan(bytes: Buffer, start: number, end: number): boolean {
    this.#bytes = bytes;
    this.modelStart = 0;
    this.modelEnd = 0;
    this.#type = UNKNOWN;
    this.#isTyped = false;
    this.#hasContent = false;
    this.#hasBlocks = false;
    this.#hasError = false;
    this.#textCount = 0;
    this.#hasOther = false;
    this.#template.begin();
    const valid = scanJson(bytes, start, end, ANSWER_WATCH, this) === SCAN_OK;
    this.#bytes = NOTHING;
    return valid;
  }

  value(slot: number, kind: JsonKind, start: number, end: number): void {
    const isText = kind === JSON_KINDS.string;
    if (slot > SLOTS.ignored) this.#hasOther = true;
    switch (slot) {
      case SLOTS.type:
        this.#isTyped = isText;
        this.#type = isText ? KNOWN_TYPES.find(this.#bytes, start, end) : UNKNOWN;
        return;
      case SLOTS.text:
        if (!isText) return;
        this.#textCount += 1;
        this.#template.gap(TEXT_GAP, start, end);
        if (end - start <= QUOTES) return;
        this.textBytes += end - start - QUOTES;
        this.#hasContent = true;
        return;
      case SLOTS.generated:
        if (kind !== JSON_KINDS.null) this.#hasContent = true;
        return;
      case SLOTS.stopReason:
        if (!isText) return;
        this.#hasContent = true;
        return;
      case SLOTS.model:
        if (!isText) return;
        this.modelStart = start;
        this.modelEnd = end;
        return;
      case SLOTS.content:
        this.#hasBlocks = kind === JSON_KINDS.array;
        return;
      case SLOTS.error:
        if (kind !== JSON_KINDS.null) this.#hasError = true;
        return;
      case SLOTS.usage:
        if (kind !== JSON_KINDS.object) return;
        this.#counts = this.#usage.add(JSON.parse(this.#bytes.toString('utf8', start, end)));
        this.#countedTextBytes = this.textBytes;
        return;
    }
  }

  /** Providers repeat keys at most by accident; the client's parser decides, as it would without us. */
  ambiguousKey(): void {}
}
