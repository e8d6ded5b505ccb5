import type { AnswerIdentity, StreamEncoder } from '#data-plane/dialects/codec.ts';
import type { JsonObject, JsonValue, TurnUsage } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { promptTokens } from '#shared/token-usage.ts';
import { AnswerDeltas } from './answer-deltas.ts';
import { wantsUsageChunk } from './decode-request.ts';
import { encodeChatStreamFault } from './faults.ts';
import { SERVICE_TIERS } from './wire.ts';

const KEEP_ALIVE = ': keep-alive\n\n';
const END_MARKER = 'data: [DONE]\n\n';

export function createChatStreamEncoder(
  answer: AnswerIdentity,
  write: (bytes: string) => void,
): StreamEncoder {
  return new ChatStreamEncoder(answer, write);
}

class ChatStreamEncoder implements StreamEncoder {
  readonly #write: (bytes: string) => void;
  readonly #head: JsonObject;
  readonly #wantsUsage: boolean;
  readonly #deltas: AnswerDeltas;
  readonly #begun = new Set<number>();
  #usage: TurnUsage | undefined;
  #closed = false;

  constructor(answer: AnswerIdentity, write: (bytes: string) => void) {
    this.#write = write;
    this.#head = headOf(answer, 'chat.completion.chunk');
    this.#wantsUsage = wantsUsageChunk(answer.body);
    this.#deltas = new AnswerDeltas(answer, (choice, delta, logprobs) =>
      this.#chunk(choice, delta, logprobs, null),
    );
  }

  event(event: TurnEvent): void {
    if (this.#closed) return;
    switch (event.kind) {
      case 'turn_start':
        return;
      case 'usage':
        this.#usage = event.usage;
        return;
      case 'choice_end':
        this.#chunk(event.choice, {}, null, this.#deltas.endChoice(event));
        return;
      case 'turn_end':
        this.#closed = true;
        this.#writeUsage();
        this.#write(END_MARKER);
        return;
      case 'turn_fault':
        this.#closed = true;
        this.#write(encodeChatStreamFault(event.fault).toString('utf8'));
        return;
      default:
        this.#deltas.event(event);
    }
  }

  keepAlive(): string {
    return KEEP_ALIVE;
  }

  #chunk(choice: number, delta: JsonObject, logprobs: JsonValue, finishReason: string | null): void {
    if (!this.#begun.has(choice)) {
      this.#begun.add(choice);
      this.#chunk(choice, { role: 'assistant', content: '', refusal: null }, null, null);
    }
    const choices = [{ index: choice, delta, logprobs, finish_reason: finishReason }];
    this.#event({ ...this.#head, choices, ...(this.#wantsUsage ? { usage: null } : {}) });
  }

  #writeUsage(): void {
    if (!this.#wantsUsage || this.#usage === undefined) return;
    this.#event({ ...this.#head, choices: [], ...tierOf(this.#usage), usage: usageOf(this.#usage) });
  }

  #event(chunk: JsonObject): void {
    this.#write(`data: ${JSON.stringify(chunk)}\n\n`);
  }
}

interface ChoiceDraft {
  readonly message: JsonObject;
  readonly toolCalls: JsonObject[];
  readonly logprobs: { content: JsonValue[] | null; refusal: JsonValue[] | null };
  finishReason: string;
}

/** Joins the deltas of every choice to the body of an answer that was not streamed. */
export function encodeChatBody(answer: AnswerIdentity, events: readonly TurnEvent[]): JsonObject {
  const drafts = new Map<number, ChoiceDraft>();
  const draftOf = (choice: number): ChoiceDraft => {
    const known = drafts.get(choice);
    if (known !== undefined) return known;
    const draft: ChoiceDraft = {
      message: { role: 'assistant', content: null, refusal: null },
      toolCalls: [],
      logprobs: { content: null, refusal: null },
      finishReason: 'stop',
    };
    drafts.set(choice, draft);
    return draft;
  };
  const deltas = new AnswerDeltas(answer, (choice, delta, logprobs) =>
    join(draftOf(choice), delta, logprobs),
  );
  let usage: TurnUsage | undefined;
  for (const event of events) {
    if (event.kind === 'usage') usage = event.usage;
    else if (event.kind === 'choice_end') draftOf(event.choice).finishReason = deltas.endChoice(event);
    else deltas.event(event);
  }
  const ordered = [...drafts.entries()].sort(([a], [b]) => a - b);
  return {
    ...headOf(answer, 'chat.completion'),
    choices: ordered.map(([index, draft]) => choiceOf(index, draft)),
    ...tierOf(usage),
    ...(usage === undefined ? {} : { usage: usageOf(usage) }),
  };
}

function choiceOf(index: number, draft: ChoiceDraft): JsonObject {
  const { message, toolCalls, logprobs, finishReason } = draft;
  const hasLogprobs = logprobs.content !== null || logprobs.refusal !== null;
  const saysNothing = message.content === null && message.refusal === null && toolCalls.length === 0;
  const content = saysNothing && message.function_call === undefined ? '' : (message.content ?? null);
  return {
    index,
    message: { ...message, content, ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls }) },
    logprobs: hasLogprobs ? { ...logprobs } : null,
    finish_reason: finishReason,
  };
}

function join(draft: ChoiceDraft, delta: JsonObject, logprobs: JsonValue): void {
  for (const [name, value] of Object.entries(delta)) {
    if (name === 'tool_calls') joinCalls(draft.toolCalls, value as JsonObject[]);
    else if (name === 'reasoning_details') draft.message[name] = value;
    else draft.message[name] = joinValue(draft.message[name], value);
  }
  if (typeof logprobs !== 'object' || logprobs === null || Array.isArray(logprobs)) return;
  for (const field of ['content', 'refusal'] as const) {
    const entries = logprobs[field];
    if (Array.isArray(entries)) draft.logprobs[field] = [...(draft.logprobs[field] ?? []), ...entries];
  }
}

function joinCalls(calls: JsonObject[], pieces: readonly JsonObject[]): void {
  for (const { index, ...piece } of pieces) {
    const position = typeof index === 'number' ? index : calls.length;
    calls[position] = joinValue(calls[position], piece) as JsonObject;
  }
}

/** Text grows, lists grow, objects are joined field by field; an id or a type stays what it was. */
function joinValue(before: JsonValue | undefined, value: JsonValue): JsonValue {
  if (before === undefined || before === null) return value;
  if (typeof before === 'string' && typeof value === 'string') return before + value;
  if (Array.isArray(before) && Array.isArray(value)) return [...before, ...value];
  if (typeof before !== 'object' || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(before) || Array.isArray(value)) return value;
  const joined: JsonObject = { ...before };
  for (const [name, item] of Object.entries(value)) {
    const stays = name === 'id' || name === 'type';
    joined[name] = stays ? item : joinValue(joined[name], item);
  }
  return joined;
}

function headOf(answer: AnswerIdentity, object: string): JsonObject {
  return { id: `chatcmpl_${answer.idSeed}`, object, created: answer.createdAt, model: answer.model };
}

function tierOf(usage: TurnUsage | undefined): JsonObject {
  const tier = usage?.serviceTier === 'standard' ? 'default' : usage?.serviceTier;
  return tier !== undefined && SERVICE_TIERS.has(tier) ? { service_tier: tier } : {};
}

/** OpenAI counts every cached token inside the prompt and thoughts inside the completion. */
function usageOf(usage: TurnUsage): JsonObject {
  const prompt = promptTokens(usage);
  const cacheWrites = usage.cacheWrite5m + usage.cacheWrite1h;
  return {
    prompt_tokens: prompt,
    completion_tokens: usage.output,
    total_tokens: prompt + usage.output,
    prompt_tokens_details: {
      cached_tokens: usage.cacheRead,
      ...(cacheWrites === 0 ? {} : { cache_write_tokens: cacheWrites }),
    },
    completion_tokens_details: { reasoning_tokens: usage.reasoning },
  };
}
