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
import { SCAN_OK, scanJson } from '#data-plane/json/scan-json.ts';
import type { TokenUsage } from '#shared/token-usage.ts';
import { readChatUsage } from './read-usage.ts';

const SLOTS = {
  model: 0,
  usage: 1,
  vendorUsage: 2,
  choices: 3,
  choice: 4,
  index: 5,
  finishReason: 6,
  error: 7,
  text: 8,
  generated: 9,
  ignored: 10,
  padding: 11,
  serviceTier: 12,
} as const;

const text = { slot: SLOTS.text };
const generated = { slot: SLOTS.generated };
const ignored = SLOTS.ignored;
const namedArguments: JsonWatch = { fields: watchFields({ name: generated, arguments: text }) };
/** Typed parts, as in Mistral's `content: [{type: "thinking", thinking: [{text}]}]`. */
const textParts: JsonWatch = {
  items: {
    slot: ignored,
    within: {
      fields: watchFields({
        text,
        thinking: {
          slot: ignored,
          within: { items: { slot: ignored, within: { fields: watchFields({ text }) } } },
        },
      }),
    },
  },
};

/** A `delta` or a `message`. */
const answer: JsonWatch = {
  fields: watchFields({
    content: { slot: SLOTS.text, within: textParts },
    refusal: text,
    reasoning: text,
    reasoning_content: text,
    // The same thoughts again, typed: generated content, but not more text.
    reasoning_details: { slot: ignored, within: { items: generated } },
    tool_calls: {
      slot: ignored,
      within: {
        items: {
          slot: SLOTS.generated,
          within: { fields: watchFields({ function: { slot: ignored, within: namedArguments } }) },
        },
      },
    },
    function_call: { slot: SLOTS.generated, within: namedArguments },
    audio: generated,
    images: { slot: ignored, within: { items: generated } },
  }),
};

const choice: JsonWatch = {
  fields: watchFields({
    index: { slot: SLOTS.index },
    finish_reason: { slot: SLOTS.finishReason },
    delta: { slot: ignored, within: answer },
    message: { slot: ignored, within: answer },
    error: { slot: SLOTS.error },
  }),
};

const ANSWER_WATCH: JsonWatch = {
  fields: watchFields({
    model: { slot: SLOTS.model },
    usage: { slot: SLOTS.usage },
    x_groq: { slot: ignored, within: { fields: watchFields({ usage: { slot: SLOTS.vendorUsage } }) } },
    choices: { slot: SLOTS.choices, within: { items: { slot: SLOTS.choice, within: choice } } },
    error: { slot: SLOTS.error },
    service_tier: { slot: SLOTS.serviceTier },
    obfuscation: { slot: SLOTS.padding },
    p: { slot: SLOTS.padding },
  }),
};

const DONE = Buffer.from('[DONE]');
const OPEN_BRACE = 0x7b;
/** Choices above this index are not tracked: `n` is at most a few in practice. */
const TRACKED_CHOICES = 30;
const QUOTES = 2;
/** The gaps of chunks that are alike: the text, and a string of random length that some add against traffic analysis. */
const TEXT_GAP = 0;
const PADDING_GAP = 1;

/** Reads chat chunks and bodies of one provider answer. */
export class ChatAnswerReader implements AnswerReader, JsonSink {
  modelStart = 0;
  modelEnd = 0;
  textBytes = 0;
  #counts: TokenUsage | undefined;
  /** How much text the last counts cover. */
  #countedTextBytes = 0;
  #serviceTier: string | undefined;
  #isBody = false;
  #seenChoices = 0;
  #finishedChoices = 0;

  #bytes: Buffer = DONE;
  #hasChoices = false;
  #choiceCount = 0;
  #choiceIndex = 0;
  #choiceFinished = false;
  #hasContent = false;
  #hasError = false;
  #hasUsage = false;
  readonly #template = new ChunkTemplate();
  #textCount = 0;
  #hasGenerated = false;
  /** Whether chunks like the template carry generated content besides their text. */
  #repeatsGenerated = false;
  #hasFinished = false;

  get usage(): TokenUsage | undefined {
    if (this.#counts === undefined) return undefined;
    const counts = coveringText(this.#counts, {
      countedTextBytes: this.#countedTextBytes,
      textBytes: this.textBytes,
      isWhole: this.#isBody || this.finished,
    });
    return this.#serviceTier === undefined ? counts : { ...counts, serviceTier: this.#serviceTier };
  }

  get finished(): boolean {
    return this.#seenChoices !== 0 && (this.#seenChoices & ~this.#finishedChoices) === 0;
  }

  readChunk(bytes: Buffer, start: number, end: number): Piece {
    if (this.#template.matches(bytes, start, end)) return this.#readRepeated();
    if (isDone(bytes, start, end)) return PIECES.end;
    if (!this.#scan(bytes, start, end)) return PIECES.garbage;
    if (this.#hasUsage) this.#countedTextBytes = this.textBytes;
    if (this.#hasError) return PIECES.error;
    this.#learn(bytes, start, end);
    if (this.#hasContent) return PIECES.content;
    return this.#hasUsage && this.#choiceCount === 0 ? PIECES.usageOnly : PIECES.preamble;
  }

  /** A chunk that differs from the one before only in its text. */
  #readRepeated(): Piece {
    const { starts, ends, modelStart, modelEnd } = this.#template;
    this.modelStart = modelStart;
    this.modelEnd = modelEnd;
    const textLength = (ends[TEXT_GAP] ?? 0) - (starts[TEXT_GAP] ?? 0);
    this.textBytes += textLength - QUOTES;
    return textLength > QUOTES || this.#repeatsGenerated ? PIECES.content : PIECES.preamble;
  }

  /** Only a chunk that changes nothing but the text so far can be repeated without being read. */
  #learn(bytes: Buffer, start: number, end: number): void {
    if (this.#textCount !== 1 || this.#hasUsage || this.#hasFinished) return;
    this.#repeatsGenerated = this.#hasGenerated;
    this.#template.learn(bytes, start, end, this.modelStart, this.modelEnd);
  }

  readBody(bytes: Buffer): Piece {
    if (!this.#scan(bytes, 0, bytes.length)) return PIECES.garbage;
    this.#countedTextBytes = this.textBytes;
    this.#isBody = true;
    if (this.#hasError) return PIECES.error;
    return this.#hasChoices ? PIECES.content : PIECES.garbage;
  }

  #scan(bytes: Buffer, start: number, end: number): boolean {
    this.#bytes = bytes;
    this.modelStart = 0;
    this.modelEnd = 0;
    this.#hasChoices = false;
    this.#choiceCount = 0;
    this.#choiceIndex = 0;
    this.#choiceFinished = false;
    this.#hasContent = false;
    this.#hasError = false;
    this.#hasUsage = false;
    this.#hasGenerated = false;
    this.#hasFinished = false;
    this.#textCount = 0;
    this.#template.begin();
    const valid = scanJson(bytes, start, end, ANSWER_WATCH, this) === SCAN_OK;
    this.#bytes = DONE;
    return valid && opensObject(bytes, start, end);
  }

  value(slot: number, kind: JsonKind, start: number, end: number): void {
    switch (slot) {
      case SLOTS.text:
        this.#readText(kind, start, end);
        return;
      case SLOTS.generated:
        if (kind !== JSON_KINDS.null) {
          this.#hasGenerated = true;
          this.#hasContent = true;
        }
        return;
      case SLOTS.padding:
        if (kind === JSON_KINDS.string) this.#template.gap(PADDING_GAP, start, end);
        return;
      case SLOTS.model:
        if (kind !== JSON_KINDS.string) return;
        this.modelStart = start;
        this.modelEnd = end;
        return;
      case SLOTS.index:
        this.#choiceIndex = Number(this.#bytes.toString('latin1', start, end));
        return;
      case SLOTS.finishReason:
        if (kind === JSON_KINDS.string) this.#choiceFinished = true;
        return;
      case SLOTS.choice:
        this.#endChoice();
        return;
      case SLOTS.choices:
        this.#hasChoices = kind === JSON_KINDS.array;
        return;
      case SLOTS.error:
        if (kind !== JSON_KINDS.null) this.#hasError = true;
        return;
      case SLOTS.usage:
        this.#readUsage(kind, start, end);
        return;
      case SLOTS.serviceTier:
        if (kind === JSON_KINDS.string && end - start > QUOTES)
          this.#serviceTier = JSON.parse(this.#bytes.toString('utf8', start, end)) as string;
        return;
      case SLOTS.vendorUsage:
        if (!this.#hasUsage) this.#readUsage(kind, start, end);
        return;
    }
  }

  #readText(kind: JsonKind, start: number, end: number): void {
    if (kind !== JSON_KINDS.string) return;
    this.#textCount += 1;
    this.#template.gap(TEXT_GAP, start, end);
    if (end - start === QUOTES) return;
    this.textBytes += end - start - QUOTES;
    this.#hasContent = true;
  }

  #endChoice(): void {
    this.#choiceCount += 1;
    const bit = this.#choiceIndex >= 0 && this.#choiceIndex < TRACKED_CHOICES ? 1 << this.#choiceIndex : 0;
    this.#seenChoices |= bit;
    if (this.#choiceFinished) {
      this.#finishedChoices |= bit;
      this.#hasFinished = true;
      this.#hasContent = true;
    }
    this.#choiceIndex = 0;
    this.#choiceFinished = false;
  }

  #readUsage(kind: JsonKind, start: number, end: number): void {
    if (kind !== JSON_KINDS.object) return;
    const counts = readChatUsage(JSON.parse(this.#bytes.toString('utf8', start, end)));
    if (counts === undefined) return;
    this.#hasUsage = true;
    this.#counts = counts;
  }

  /** Providers repeat keys at most by accident; the client's parser decides, as it would without us. */
  ambiguousKey(): void {}
}

function isDone(bytes: Buffer, start: number, end: number): boolean {
  if (end - start !== DONE.length) return false;
  for (let index = 0; index < DONE.length; index += 1) {
    if (bytes[start + index] !== DONE[index]) return false;
  }
  return true;
}

function opensObject(bytes: Buffer, start: number, end: number): boolean {
  let at = start;
  while (at < end && (bytes[at] ?? 0) <= 0x20) at += 1;
  return bytes[at] === OPEN_BRACE;
}
