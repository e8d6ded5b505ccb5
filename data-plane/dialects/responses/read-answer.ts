import { ChunkTemplate } from '#data-plane/dialects/chunk-template.ts';
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
import { ServerToolTally } from './read-server-tools.ts';
import { readUsage } from './read-usage.ts';

const SLOTS = {
  type: 0,
  sequenceNumber: 1,
  delta: 2,
  padding: 3,
  model: 4,
  usage: 5,
  error: 6,
  output: 7,
  status: 8,
  ignored: 9,
  serviceTier: 10,
  itemType: 11,
  actionType: 12,
  outputItem: 13,
  searches: 14,
} as const;

const ignored = SLOTS.ignored;

/** Enough of an output item to see whether it is a call of the provider's own tools. */
const item: JsonWatch = {
  fields: watchFields({
    type: { slot: SLOTS.itemType },
    action: { slot: ignored, within: { fields: watchFields({ type: { slot: SLOTS.actionType } }) } },
  }),
};

const response = {
  model: { slot: SLOTS.model },
  usage: { slot: SLOTS.usage },
  error: { slot: SLOTS.error },
  output: { slot: SLOTS.output, within: { items: { slot: SLOTS.outputItem, within: item } } },
  status: { slot: SLOTS.status },
  service_tier: { slot: SLOTS.serviceTier },
  tool_usage: {
    slot: ignored,
    within: {
      fields: watchFields({
        web_search: {
          slot: ignored,
          within: { fields: watchFields({ num_requests: { slot: SLOTS.searches } }) },
        },
      }),
    },
  },
};

/** An event, or a response object that was not streamed. */
const ANSWER_WATCH: JsonWatch = {
  fields: watchFields({
    ...response,
    type: { slot: SLOTS.type },
    sequence_number: { slot: SLOTS.sequenceNumber },
    delta: { slot: SLOTS.delta },
    obfuscation: { slot: SLOTS.padding },
    item: { slot: ignored, within: item },
    response: { slot: ignored, within: { fields: watchFields(response) } },
  }),
};

const TYPES = [
  'response.created',
  'response.in_progress',
  'response.queued',
  'keepalive',
  'response.output_item.done',
  'response.completed',
  'response.incomplete',
  'error',
  'response.failed',
];
const KNOWN_TYPES = new KnownTexts(TYPES);
const KEEP_ALIVE = TYPES.indexOf('keepalive');
const LAST_CLOSING = TYPES.indexOf('response.incomplete');
const ITEM_DONE = TYPES.indexOf('response.output_item.done');
const FAILED = new KnownTexts(['failed']);
const UNKNOWN = -1;
const QUOTES = 2;
/** The gaps of events that are alike: number, text, and a string of random length against traffic analysis. */
const NUMBER_GAP = 0;
const TEXT_GAP = 1;
const PADDING_GAP = 2;
const ABSENT = -1;
const NOTHING = Buffer.alloc(0);
const ZERO = 0x30;

/** Reads Responses events and bodies of one provider answer. */
export class ResponsesAnswerReader implements AnswerReader, JsonSink {
  modelStart = 0;
  modelEnd = 0;
  textBytes = 0;
  nextSequenceNumber = 0;
  /** True once the whole response has come: clients wait for it, so an answer without is cut. */
  finished = false;

  readonly #tools = new ServerToolTally();
  #counts: TokenUsage | undefined;
  #serviceTier: string | undefined;
  #bytes: Buffer = NOTHING;
  #type = UNKNOWN;
  #isTyped = false;
  #hasError = false;
  #hasOutput = false;
  #hasFailed = false;
  /** Of the event read last; counted on where the provider leaves it out. */
  #sequenceNumber = 0;
  readonly #template = new ChunkTemplate();
  #deltaCount = 0;
  /** The event says something besides its type, number and text. */
  #hasOther = false;

  get usage(): TokenUsage | undefined {
    if (this.#counts === undefined) return undefined;
    const tier = this.#serviceTier === undefined ? {} : { serviceTier: this.#serviceTier };
    return { ...this.#counts, ...tier, ...this.#tools.calls };
  }

  readChunk(bytes: Buffer, start: number, end: number): Piece {
    if (this.#template.matches(bytes, start, end)) return this.#readRepeated(bytes);
    if (!this.#scan(bytes, start, end)) return PIECES.garbage;
    if (this.#hasError || this.#hasFailed || this.#type > LAST_CLOSING) return PIECES.error;
    if (!this.#isTyped) return PIECES.garbage;
    // An event that the client does not get leaves its number to the one that stands in for it.
    this.nextSequenceNumber = this.#sequenceNumber + 1;
    if (this.#type === ITEM_DONE) this.#tools.addDone();
    if (this.#type === UNKNOWN && this.#deltaCount === 1 && !this.#hasOther)
      this.#template.learn(bytes, start, end, 0, 0);
    if (this.#type === UNKNOWN || this.#type === ITEM_DONE) return PIECES.content;
    if (this.#type === KEEP_ALIVE) return PIECES.heartbeat;
    if (this.#type < KEEP_ALIVE) return PIECES.preamble;
    this.finished = true;
    return PIECES.closing;
  }

  /** An event that differs from the one before only in its number, text and padding. */
  #readRepeated(bytes: Buffer): Piece {
    const { starts, ends } = this.#template;
    this.modelEnd = 0;
    const numberStart = starts[NUMBER_GAP] ?? ABSENT;
    if (numberStart !== ABSENT) this.#sequenceNumber = readCount(bytes, numberStart, ends[NUMBER_GAP] ?? 0);
    else this.#sequenceNumber = this.nextSequenceNumber;
    this.nextSequenceNumber = this.#sequenceNumber + 1;
    this.textBytes += (ends[TEXT_GAP] ?? 0) - (starts[TEXT_GAP] ?? 0) - QUOTES;
    return PIECES.content;
  }

  readBody(bytes: Buffer): Piece {
    if (!this.#scan(bytes, 0, bytes.length)) return PIECES.garbage;
    if (this.#hasError || this.#hasFailed) return PIECES.error;
    return this.#hasOutput ? PIECES.content : PIECES.garbage;
  }

  #scan(bytes: Buffer, start: number, end: number): boolean {
    this.#bytes = bytes;
    this.#sequenceNumber = this.nextSequenceNumber;
    this.modelStart = 0;
    this.modelEnd = 0;
    this.#type = UNKNOWN;
    this.#isTyped = false;
    this.#hasError = false;
    this.#hasOutput = false;
    this.#hasFailed = false;
    this.#deltaCount = 0;
    this.#hasOther = false;
    this.#template.begin();
    this.#tools.begin();
    const valid = scanJson(bytes, start, end, ANSWER_WATCH, this) === SCAN_OK;
    this.#bytes = NOTHING;
    return valid;
  }

  value(slot: number, kind: JsonKind, start: number, end: number): void {
    const isText = kind === JSON_KINDS.string;
    if (slot > SLOTS.padding) this.#hasOther = true;
    switch (slot) {
      case SLOTS.type:
        this.#isTyped = isText;
        this.#type = isText ? KNOWN_TYPES.find(this.#bytes, start, end) : UNKNOWN;
        return;
      case SLOTS.sequenceNumber:
        if (kind !== JSON_KINDS.number) return;
        this.#sequenceNumber = Number(this.#bytes.toString('latin1', start, end));
        if (Number.isSafeInteger(this.#sequenceNumber) && this.#sequenceNumber >= 0)
          this.#template.gap(NUMBER_GAP, start, end);
        return;
      case SLOTS.delta:
        if (!isText) return;
        this.#deltaCount += 1;
        this.textBytes += end - start - QUOTES;
        this.#template.gap(TEXT_GAP, start, end);
        return;
      case SLOTS.padding:
        if (isText) this.#template.gap(PADDING_GAP, start, end);
        return;
      case SLOTS.model:
        if (!isText) return;
        this.modelStart = start;
        this.modelEnd = end;
        return;
      case SLOTS.error:
        if (kind !== JSON_KINDS.null) this.#hasError = true;
        return;
      case SLOTS.output:
        if (kind === JSON_KINDS.array) this.#hasOutput = true;
        return;
      case SLOTS.itemType:
        if (isText) this.#tools.readItemType(this.#bytes, start, end);
        return;
      case SLOTS.actionType:
        if (isText) this.#tools.readAction(this.#bytes, start, end);
        return;
      case SLOTS.outputItem:
        this.#tools.addToOutput();
        return;
      case SLOTS.searches:
        if (kind === JSON_KINDS.number) this.#tools.readSearches(this.#bytes, start, end);
        return;
      case SLOTS.serviceTier:
        if (isText) this.#serviceTier = JSON.parse(this.#bytes.toString('utf8', start, end)) as string;
        return;
      case SLOTS.status:
        if (isText && FAILED.find(this.#bytes, start, end) !== UNKNOWN) this.#hasFailed = true;
        return;
      case SLOTS.usage:
        if (kind === JSON_KINDS.object) this.#readUsage(start, end);
        return;
    }
  }

  #readUsage(start: number, end: number): void {
    const usage = readUsage({ usage: JSON.parse(this.#bytes.toString('utf8', start, end)) });
    if (usage !== undefined) this.#counts = usage;
  }

  /** Providers repeat keys at most by accident; the client's parser decides, as it would without us. */
  ambiguousKey(): void {}
}

function readCount(bytes: Buffer, start: number, end: number): number {
  let count = 0;
  for (let at = start; at < end; at += 1) count = count * 10 + (bytes[at] ?? 0) - ZERO;
  return count;
}
