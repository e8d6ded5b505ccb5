import type { ProviderProtocol } from '#shared/usage-record.ts';

/** What every provider of these streams says in the end. */
export const STATED = { input: 37, output: 60 } as const;
const WORDS = 40;
/** Unlike anything that a wire format has of its own, so that it can be counted in whatever a client receives. */
const WORD = 'wordling';

export interface ProviderStream {
  readonly events: readonly string[];
  /** Every pair of counts that the stream states, in its order. */
  readonly statements: readonly { readonly input: number; readonly output: number }[];
  /** The least that the provider's own counts can be once so many words were said. */
  readonly leastOutput: (saidWords: number) => number;
  /** Its counts of the prompt come before the first text. */
  readonly statesPromptFirst: boolean;
  readonly bytesPerWord: number;
  readonly totalTextBytes: number;
  /** How many words of the answer a client's bytes hold for certain. */
  readonly wordsIn: (received: string) => number;
}

const data = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;
const named = (value: { type: string }): string => `event: ${value.type}\n${data(value)}`;
const words = Array.from({ length: WORDS }, () => `${WORD} `);

const shared = {
  bytesPerWord: WORD.length,
  totalTextBytes: WORDS * (WORD.length + 1),
  leastOutput: (saidWords: number) => (saidWords === 0 ? 0 : STATED.output),
  // The end of a stream repeats all of it in some dialects; no more was delivered than was said.
  wordsIn: (received: string) => Math.min(WORDS, received.split(WORD).length - 1),
} as const;

function chatStream(): ProviderStream {
  const chunk = (delta: object, finish: string | null = null) =>
    data({
      id: 'c',
      object: 'chat.completion.chunk',
      created: 1,
      model: 'talker',
      choices: [{ index: 0, delta, finish_reason: finish }],
    });
  const usage = {
    prompt_tokens: STATED.input,
    completion_tokens: STATED.output,
    total_tokens: STATED.input + STATED.output,
  };
  return {
    ...shared,
    events: [
      chunk({ role: 'assistant', content: '' }),
      ...words.map((content) => chunk({ content })),
      chunk({}, 'stop'),
      data({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'talker', choices: [], usage }),
      'data: [DONE]\n\n',
    ],
    statements: [STATED],
    statesPromptFirst: false,
  };
}

function messagesStream(): ProviderStream {
  const message = {
    id: 'm',
    type: 'message',
    role: 'assistant',
    model: 'talker',
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: STATED.input, output_tokens: 1 },
  };
  return {
    ...shared,
    events: [
      named({ type: 'message_start', message } as { type: string }),
      named({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } } as {
        type: string;
      }),
      ...words.map((text) =>
        named({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } } as {
          type: string;
        }),
      ),
      named({ type: 'content_block_stop', index: 0 } as { type: string }),
      named({
        type: 'message_delta',
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: { output_tokens: STATED.output },
      } as { type: string }),
      named({ type: 'message_stop' }),
    ],
    statements: [{ input: STATED.input, output: 1 }, STATED],
    statesPromptFirst: true,
  };
}

function responsesStream(): ProviderStream {
  const text = words.join('');
  const item = (content: object[], status: string) => ({
    id: 'i',
    type: 'message',
    role: 'assistant',
    status,
    content,
  });
  const response = (status: string, output: object[], usage: object | null) => ({
    id: 'r',
    object: 'response',
    created_at: 1,
    model: 'talker',
    status,
    output,
    usage,
  });
  const whole = [{ type: 'output_text', text, annotations: [] }];
  const usage = {
    input_tokens: STATED.input,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: STATED.output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: STATED.input + STATED.output,
  };
  const place = { item_id: 'i', output_index: 0, content_index: 0 };
  const events: { type: string }[] = [
    { type: 'response.created', response: response('in_progress', [], null) },
    { type: 'response.output_item.added', output_index: 0, item: item([], 'in_progress') },
    {
      type: 'response.content_part.added',
      ...place,
      part: { type: 'output_text', text: '', annotations: [] },
    },
    ...words.map((delta) => ({ type: 'response.output_text.delta', ...place, delta })),
    { type: 'response.output_text.done', ...place, text },
    { type: 'response.content_part.done', ...place, part: whole[0] },
    { type: 'response.output_item.done', output_index: 0, item: item(whole, 'completed') },
    { type: 'response.completed', response: response('completed', [item(whole, 'completed')], usage) },
  ] as { type: string }[];
  return {
    ...shared,
    events: events.map((event, index) => named({ ...event, sequence_number: index } as { type: string })),
    statements: [STATED],
    statesPromptFirst: false,
  };
}

function geminiStream(): ProviderStream {
  const chunk = (text: string, candidatesTokenCount: number | undefined, finishReason?: string) =>
    data({
      responseId: 'g',
      modelVersion: 'talker',
      candidates: [
        { index: 0, content: { role: 'model', parts: [{ text }] }, ...(finishReason && { finishReason }) },
      ],
      usageMetadata: {
        promptTokenCount: STATED.input,
        ...(candidatesTokenCount !== undefined && { candidatesTokenCount }),
      },
    });
  const countAfter = (index: number) => Math.round(((index + 1) * STATED.output) / WORDS);
  // The first chunks count no output, as some of Gemini's do.
  const counts = words.map((_, index) => (index < 3 ? undefined : countAfter(index)));
  return {
    ...shared,
    events: words.map((text, index) => chunk(text, counts[index], index === WORDS - 1 ? 'STOP' : undefined)),
    leastOutput: (saidWords) => (saidWords === 0 ? 0 : countAfter(saidWords - 1)),
    statements: counts.flatMap((output) => (output === undefined ? [] : [{ input: STATED.input, output }])),
    statesPromptFirst: true,
  };
}

export const PROVIDER_STREAMS: Readonly<Record<ProviderProtocol, ProviderStream>> = {
  chat: chatStream(),
  messages: messagesStream(),
  responses: responsesStream(),
  gemini: geminiStream(),
};
