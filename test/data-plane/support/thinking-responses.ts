import type { JsonObject } from '#data-plane/dialects/turn.ts';
import {
  callArguments,
  inPieces,
  type LoopStep,
  objectsIn,
  opaque,
  type ThinkingProvider,
} from './thinking-step.ts';

/** OpenAI Responses: an encrypted reasoning item before each call, and one before the message. */
export const thinkingResponses: ThinkingProvider = {
  step(tag, isLast) {
    const reasoning = (name: string, summaries: readonly string[]): JsonObject => ({
      id: `rs_${tag}_${name}`,
      type: 'reasoning',
      summary: summaries.map((text) => ({ type: 'summary_text', text })),
      encrypted_content: opaque(`enc-${name}-${tag}`),
    });
    const call = (name: string): JsonObject => ({
      id: `fc_${tag}_${name}`,
      type: 'function_call',
      status: 'completed',
      call_id: `call_${tag}_${name}`,
      name: 'get_weather',
      arguments: JSON.stringify(callArguments(`${tag}${name}`)),
    });
    const message: JsonObject = {
      id: `msg_${tag}`,
      type: 'message',
      status: 'completed',
      role: 'assistant',
      content: [{ type: 'output_text', text: 'The end.', annotations: [], logprobs: [] }],
    };
    const first = reasoning('a', [`**Weighing** ${tag}`, `and again ${tag}`]);
    const second = reasoning('b', []);
    const output = isLast ? [first, message] : [first, call('a'), second, call('b')];
    const response: JsonObject = {
      id: `resp_${tag}`,
      object: 'response',
      created_at: 1_780_000_000,
      status: 'completed',
      model: 'responses-internal',
      output,
      usage: { input_tokens: 20, output_tokens: 30, total_tokens: 50 },
    };
    const state = isLast ? [first] : [first, second];
    return {
      whole: response,
      stream: streamOf(response, output),
      state: state.map(essence),
      secrets: state.map(({ encrypted_content: content }) => String(content)),
    };
  },

  stateIn(body) {
    const items = objectsIn(body.input);
    const problems: string[] = [];
    items.forEach((item, at) => {
      const next = items[at + 1];
      const isFollowed = next?.type === 'function_call' || (next?.type ?? 'message') === 'message';
      if (item.type === 'reasoning' && !isFollowed)
        problems.push(`input[${at}]: nothing follows its reasoning`);
    });
    if (items.some(({ type }) => type === 'reasoning') && body.store === true)
      problems.push('encrypted items, and yet stored');
    return { state: items.filter(({ type }) => type === 'reasoning').map(essence), problems };
  },
};

/** What of a reasoning item counts for its issuer. */
function essence({ id, summary, encrypted_content }: JsonObject): JsonObject {
  return { id, summary, encrypted_content } as JsonObject;
}

function streamOf(response: JsonObject, output: readonly JsonObject[]): LoopStep['stream'] {
  const begun = { ...response, status: 'in_progress', output: [], usage: null };
  const events: JsonObject[] = [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
  ];
  output.forEach((item, output_index) => {
    const at = { item_id: item.id ?? '', output_index };
    events.push({ type: 'response.output_item.added', output_index, item: emptied(item) });
    if (item.type === 'function_call') {
      const text = String(item.arguments);
      for (const delta of inPieces(text))
        events.push({ type: 'response.function_call_arguments.delta', ...at, delta });
      events.push({ type: 'response.function_call_arguments.done', ...at, arguments: text });
    }
    objectsIn(item.summary).forEach((part, summary_index) => {
      const place = { ...at, summary_index };
      const text = String(part.text);
      events.push({
        type: 'response.reasoning_summary_part.added',
        ...place,
        part: { type: 'summary_text', text: '' },
      });
      for (const delta of inPieces(text))
        events.push({ type: 'response.reasoning_summary_text.delta', ...place, delta });
      events.push({ type: 'response.reasoning_summary_text.done', ...place, text });
      events.push({ type: 'response.reasoning_summary_part.done', ...place, part });
    });
    objectsIn(item.content).forEach((part, content_index) => {
      const place = { ...at, content_index };
      const text = String(part.text);
      events.push({ type: 'response.content_part.added', ...place, part: { ...part, text: '' } });
      for (const delta of inPieces(text))
        events.push({ type: 'response.output_text.delta', ...place, delta, logprobs: [] });
      events.push({ type: 'response.output_text.done', ...place, text, logprobs: [] });
      events.push({ type: 'response.content_part.done', ...place, part });
    });
    events.push({ type: 'response.output_item.done', output_index, item });
  });
  events.push({ type: 'response.completed', response });
  return events.map((data, sequence_number) => ({
    event: String(data.type),
    data: { ...data, sequence_number },
  }));
}

function emptied(item: JsonObject): JsonObject {
  if (item.type === 'function_call') return { ...item, status: 'in_progress', arguments: '' };
  if (item.type === 'reasoning') return { ...item, summary: [], encrypted_content: '' };
  return { ...item, status: 'in_progress', content: [] };
}
