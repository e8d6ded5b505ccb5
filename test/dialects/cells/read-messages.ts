import type { Anthropic } from '@anthropic-ai/sdk';
import type { Message } from '@anthropic-ai/sdk/resources/messages';
import { countIn, field, listOf, textOf } from './read-chat.ts';
import { type Ending, SILENT, type ToldAnswer, type ToldUsage } from './told-answer.ts';

const REQUEST = { max_tokens: 9, messages: [{ role: 'user' as const, content: 'x' }] };
const ENDINGS: Readonly<Record<string, Ending>> = {
  end_turn: 'end',
  max_tokens: 'length',
  stop_sequence: 'sequence',
  tool_use: 'calls',
  pause_turn: 'paused',
  compaction: 'paused',
  refusal: 'refused',
  model_context_window_exceeded: 'context_full',
};

/** Reads a Messages stream with the official SDK; throws where that does. */
export async function readMessagesStream(client: Anthropic, model = 'm'): Promise<ToldAnswer> {
  return tell(await client.messages.stream({ ...REQUEST, model }).finalMessage());
}

export async function readMessagesBody(client: Anthropic, model = 'm'): Promise<ToldAnswer> {
  return tell(await client.messages.create({ ...REQUEST, model }));
}

function tell(message: Message): ToldAnswer {
  const told = {
    ...SILENT,
    calls: [] as ToldAnswer['choices'][0]['calls'][number][],
    citedUrls: [] as string[],
  };
  let { text, reasoning } = told;
  for (const block of message.content) {
    if (block.type === 'text') text += block.text;
    if (block.type === 'thinking') reasoning += block.thinking;
    if (block.type === 'tool_use') told.calls.push({ name: block.name, input: block.input ?? {} });
    for (const citation of listOf(field(block, 'citations'))) {
      const url = textOf(citation.url) || textOf(citation.source);
      if (url !== '') told.citedUrls.push(url);
    }
  }
  const stated = ENDINGS[message.stop_reason ?? ''];
  const ending = stated ?? (told.calls.length > 0 ? 'calls' : 'end');
  return { choices: [{ ...told, text, reasoning, ending }], usage: usageOf(message.usage) };
}

function usageOf(usage: unknown): ToldUsage | undefined {
  const output = countIn(usage, 'output_tokens');
  if (output === undefined) return undefined;
  const reasoning = countIn(field(usage, 'output_tokens_details'), 'thinking_tokens') ?? 0;
  return {
    input: countIn(usage, 'input_tokens') ?? 0,
    cacheRead: countIn(usage, 'cache_read_input_tokens') ?? 0,
    cacheWrite: countIn(usage, 'cache_creation_input_tokens') ?? 0,
    output,
    reasoning,
  };
}
