import type { ProviderProtocol } from '#shared/usage-record.ts';
import type { Ending, ToldUsage } from './told-answer.ts';

/** A piece of an answer in the order in which the model wrote it. */
export interface SaidPart {
  readonly kind: 'text' | 'reasoning' | 'refusal' | 'call';
  /** Text, or the JSON of a call's arguments, in the pieces in which a stream has it. */
  readonly pieces: readonly string[];
  readonly name: string;
}

export interface SaidAnswer {
  readonly choices: readonly { readonly parts: readonly SaidPart[]; readonly ending: Ending }[];
  readonly usage: ToldUsage;
}

/** Payloads of a provider's stream, in order; a string goes as it is. */
export type Payload = Readonly<Record<string, unknown>> | string;

const joined = ({ pieces }: SaidPart) => pieces.join('');

/** How each protocol streams an answer, by its documentation and apart from the code under test. */
export const STREAMS: Readonly<Record<ProviderProtocol, (answer: SaidAnswer) => Payload[]>> = {
  chat: (answer) => [
    ...answer.choices.flatMap(({ parts, ending }, index) => {
      let calls = 0;
      const deltas = parts.flatMap((part, at): object[] => {
        if (part.kind === 'text') return part.pieces.map((content) => ({ content }));
        if (part.kind === 'refusal') return part.pieces.map((refusal) => ({ refusal }));
        if (part.kind === 'reasoning') return part.pieces.map((reasoning_content) => ({ reasoning_content }));
        const call = { index: calls++, id: `c${index}${at}`, type: 'function' };
        const head = { ...call, function: { name: part.name, arguments: '' } };
        const rest = part.pieces.map((text) => ({ index: call.index, function: { arguments: text } }));
        return [head, ...rest].map((piece) => ({ tool_calls: [piece] }));
      });
      const chunk = (delta: object, finish_reason: string | null) => ({
        id: 'chatcmpl-1',
        object: 'chat.completion.chunk',
        choices: [{ index, delta, finish_reason }],
      });
      const reason = CHAT_REASONS[ending] ?? 'stop';
      return [
        chunk({ role: 'assistant', content: '' }, null),
        ...deltas.map((delta) => chunk(delta, null)),
        chunk({}, reason),
      ];
    }),
    { id: 'chatcmpl-1', object: 'chat.completion.chunk', choices: [], usage: chatUsage(answer.usage) },
    '[DONE]',
  ],
  messages: (answer) => {
    const { parts, ending } = first(answer);
    const { input, cacheRead, cacheWrite, output, reasoning } = answer.usage;
    const blocks = parts.flatMap((part, index): Payload[] => [
      { type: 'content_block_start', index, content_block: messagesBlock(part, index) },
      ...part.pieces.map((text) => ({
        type: 'content_block_delta',
        index,
        delta: messagesDelta(part, text),
      })),
      { type: 'content_block_stop', index },
    ]);
    const usage = {
      input_tokens: input,
      cache_read_input_tokens: cacheRead,
      cache_creation_input_tokens: cacheWrite,
      output_tokens: 1,
    };
    const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: [], usage };
    const stop_reason = MESSAGES_REASONS[ending] ?? 'end_turn';
    return [
      { type: 'message_start', message: { ...message, stop_reason: null, stop_sequence: null } },
      { type: 'ping' },
      ...blocks,
      {
        type: 'message_delta',
        delta: { stop_reason, stop_sequence: null },
        usage: { output_tokens: output, output_tokens_details: { thinking_tokens: reasoning } },
      },
      { type: 'message_stop' },
    ];
  },
  responses: (answer) => {
    const { parts } = first(answer);
    const items = parts.map((part, at) => responsesItem(part, at));
    const events = parts.flatMap((part, output_index): Payload[] => [
      { type: 'response.output_item.added', output_index, item: begun(items[output_index] ?? {}) },
      ...part.pieces.map((delta) => ({
        type: RESPONSES_DELTAS[part.kind],
        output_index,
        item_id: `i${output_index}`,
        content_index: 0,
        summary_index: 0,
        delta,
      })),
      { type: 'response.output_item.done', output_index, item: items[output_index] },
    ]);
    const response = wholeResponse(answer, items);
    const started = { ...response, status: 'in_progress', output: [] };
    return [
      { type: 'response.created', response: started },
      ...events,
      { type: `response.${response.status}`, response },
    ].map((event, sequence_number) => ({ ...(event as object), sequence_number }));
  },
  gemini: (answer) => {
    const chunks = answer.choices.flatMap(({ parts, ending }, index) => [
      ...parts.flatMap(geminiParts).map((part) => ({
        responseId: 'r1',
        candidates: [{ index, content: { role: 'model', parts: [part] } }],
      })),
      { responseId: 'r1', candidates: [{ index, finishReason: GEMINI_REASONS[ending] ?? 'STOP' }] },
    ]);
    return [...chunks, { responseId: 'r1', usageMetadata: geminiUsage(answer.usage) }];
  },
};

/** How each protocol says an answer in one body. */
export const BODIES: Readonly<Record<ProviderProtocol, (answer: SaidAnswer) => object>> = {
  chat: (answer) => ({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    choices: answer.choices.map(({ parts, ending }, index) => ({
      index,
      finish_reason: CHAT_REASONS[ending] ?? 'stop',
      message: {
        role: 'assistant',
        content: textOf(parts, 'text'),
        refusal: textOf(parts, 'refusal') || null,
        reasoning_content: textOf(parts, 'reasoning'),
        tool_calls: parts.flatMap((part, at) =>
          part.kind === 'call'
            ? [{ id: `c${at}`, type: 'function', function: { name: part.name, arguments: joined(part) } }]
            : [],
        ),
      },
    })),
    usage: chatUsage(answer.usage),
  }),
  messages: (answer) => {
    const { parts, ending } = first(answer);
    const { input, cacheRead, cacheWrite, output, reasoning } = answer.usage;
    const content = parts.map((part, index) => {
      const block = messagesBlock(part, index);
      if (part.kind === 'call') return { ...block, input: JSON.parse(joined(part) || '{}') };
      return part.kind === 'reasoning'
        ? { ...block, thinking: joined(part) }
        : { ...block, text: joined(part) };
    });
    return {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      content,
      stop_reason: MESSAGES_REASONS[ending] ?? 'end_turn',
      stop_sequence: null,
      usage: {
        input_tokens: input,
        cache_read_input_tokens: cacheRead,
        cache_creation_input_tokens: cacheWrite,
        output_tokens: output,
        output_tokens_details: { thinking_tokens: reasoning },
      },
    };
  },
  responses: (answer) => wholeResponse(answer, first(answer).parts.map(responsesItem)),
  gemini: (answer) => ({
    responseId: 'r1',
    candidates: answer.choices.map(({ parts, ending }, index) => ({
      index,
      content: { role: 'model', parts: parts.flatMap(geminiParts) },
      finishReason: GEMINI_REASONS[ending] ?? 'STOP',
    })),
    usageMetadata: geminiUsage(answer.usage),
  }),
};

type Reasons = Readonly<Partial<Record<Ending, string>>>;
const CHAT_REASONS: Reasons = { length: 'length', calls: 'tool_calls', filtered: 'content_filter' };
const GEMINI_REASONS: Reasons = { length: 'MAX_TOKENS', filtered: 'SAFETY' };
const MESSAGES_REASONS: Reasons = {
  length: 'max_tokens',
  calls: 'tool_use',
  sequence: 'stop_sequence',
  paused: 'pause_turn',
  refused: 'refusal',
  context_full: 'model_context_window_exceeded',
};
const RESPONSES_DELTAS: Readonly<Record<SaidPart['kind'], string>> = {
  text: 'response.output_text.delta',
  refusal: 'response.refusal.delta',
  reasoning: 'response.reasoning_summary_text.delta',
  call: 'response.function_call_arguments.delta',
};

function first(answer: SaidAnswer): SaidAnswer['choices'][number] {
  return answer.choices[0] ?? { parts: [], ending: 'end' };
}

function textOf(parts: readonly SaidPart[], kind: SaidPart['kind']): string {
  return parts
    .filter((part) => part.kind === kind)
    .map(joined)
    .join('');
}

function chatUsage({ input, cacheRead, cacheWrite, output, reasoning }: ToldUsage): object {
  const prompt_tokens = input + cacheRead + cacheWrite;
  return {
    prompt_tokens,
    completion_tokens: output,
    total_tokens: prompt_tokens + output,
    prompt_tokens_details: { cached_tokens: cacheRead, cache_write_tokens: cacheWrite },
    completion_tokens_details: { reasoning_tokens: reasoning },
  };
}

function messagesBlock(part: SaidPart, index: number): Record<string, unknown> {
  if (part.kind === 'call') return { type: 'tool_use', id: `toolu_${index}`, name: part.name, input: {} };
  return part.kind === 'reasoning'
    ? { type: 'thinking', thinking: '', signature: '' }
    : { type: 'text', text: '' };
}

function messagesDelta(part: SaidPart, text: string): object {
  if (part.kind === 'call') return { type: 'input_json_delta', partial_json: text };
  return part.kind === 'reasoning'
    ? { type: 'thinking_delta', thinking: text }
    : { type: 'text_delta', text };
}

function responsesItem(part: SaidPart, at: number): Record<string, unknown> {
  const id = `i${at}`;
  const text = joined(part);
  if (part.kind === 'call')
    return { type: 'function_call', id, call_id: `call_${at}`, name: part.name, arguments: text };
  if (part.kind === 'reasoning') return { type: 'reasoning', id, summary: [{ type: 'summary_text', text }] };
  const content =
    part.kind === 'refusal'
      ? { type: 'refusal', refusal: text }
      : { type: 'output_text', text, annotations: [], logprobs: [] };
  return { type: 'message', id, role: 'assistant', status: 'completed', content: [content] };
}

function begun(item: Record<string, unknown>): object {
  if (item.type === 'function_call') return { ...item, arguments: '' };
  return item.type === 'reasoning' ? { ...item, summary: [] } : { ...item, content: [] };
}

function wholeResponse(answer: SaidAnswer, output: readonly object[]) {
  const { ending } = first(answer);
  const { input, cacheRead, cacheWrite, output: made, reasoning } = answer.usage;
  const reason =
    ending === 'length' ? 'max_output_tokens' : ending === 'filtered' ? 'content_filter' : undefined;
  const prompt = input + cacheRead + cacheWrite;
  return {
    id: 'resp_1',
    object: 'response',
    status: reason === undefined ? 'completed' : 'incomplete',
    incomplete_details: reason === undefined ? null : { reason },
    error: null,
    output,
    usage: {
      input_tokens: prompt,
      input_tokens_details: { cached_tokens: cacheRead, cache_write_tokens: cacheWrite },
      output_tokens: made,
      output_tokens_details: { reasoning_tokens: reasoning },
      total_tokens: prompt + made,
    },
  };
}

function geminiParts(part: SaidPart): object[] {
  if (part.kind === 'call')
    return [{ functionCall: { name: part.name, args: JSON.parse(joined(part) || '{}') } }];
  return part.pieces.map((text) => (part.kind === 'reasoning' ? { text, thought: true } : { text }));
}

function geminiUsage({ input, cacheRead, output, reasoning }: ToldUsage): object {
  return {
    promptTokenCount: input + cacheRead,
    cachedContentTokenCount: cacheRead,
    candidatesTokenCount: output - reasoning,
    thoughtsTokenCount: reasoning,
    totalTokenCount: input + cacheRead + output,
  };
}
