import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import {
  callArguments,
  inPieces,
  type LoopStep,
  objectsIn,
  opaque,
  type ThinkingProvider,
} from './thinking-step.ts';

/** Anthropic: two signed thoughts around a redacted one, then text and two calls. */
export const thinkingMessages: ThinkingProvider = {
  step(tag, isLast) {
    const state: JsonObject[] = [
      { type: 'thinking', thinking: `I think about ${tag}…`, signature: opaque(`sig1-${tag}`) },
      { type: 'redacted_thinking', data: opaque(`redacted-${tag}`) },
      { type: 'thinking', thinking: `and once more about ${tag}`, signature: opaque(`sig2-${tag}`) },
    ];
    const calls = ['a', 'b'].map((call) => ({
      type: 'tool_use',
      id: `toolu_${tag}_${call}`,
      name: 'get_weather',
      input: callArguments(`${tag}${call}`),
    }));
    const said = { type: 'text', text: isLast ? 'The end.' : 'Let me look.' };
    const content: JsonObject[] = [...state, said, ...(isLast ? [] : calls)];
    const message = {
      id: `msg_${tag}`,
      type: 'message',
      role: 'assistant',
      model: 'messages-internal',
      content,
      stop_reason: isLast ? 'end_turn' : 'tool_use',
      stop_sequence: null,
      usage: { input_tokens: 20, output_tokens: 30 },
    };
    return {
      whole: message,
      stream: streamOf(message, content),
      state,
      secrets: state.map(({ signature, data }) => String(signature ?? data)),
    };
  },

  stateIn(body) {
    const messages = objectsIn(body.messages);
    const problems: string[] = [];
    const state = messages.flatMap(({ role, content }, at) => {
      const blocks = objectsIn(content);
      const thoughts = blocks.filter(isThought);
      if (thoughts.length > 0 && role !== 'assistant') problems.push(`messages[${at}]: thoughts of a user`);
      // The provider wants its thoughts in front, as it wrote them.
      if (!blocks.slice(0, thoughts.length).every(isThought)) problems.push(`messages[${at}]: out of order`);
      for (const id of blocks.filter(({ type }) => type === 'tool_use').map((block) => block.id)) {
        const results = objectsIn(messages[at + 1]?.content).map((block) => block.tool_use_id);
        if (!results.includes(id ?? '')) problems.push(`messages[${at}]: ${String(id)} without its result`);
        if (!/^[a-zA-Z0-9_-]+$/.test(String(id))) problems.push(`messages[${at}]: ${String(id)} is no id`);
      }
      return thoughts;
    });
    const isBudget = (body.thinking as JsonObject | undefined)?.type === 'enabled';
    const last = objectsIn(messages.at(-1)?.content)[0];
    const before = objectsIn(messages.at(-2)?.content)[0];
    if (isBudget && last?.type === 'tool_result' && before !== undefined && !isThought(before))
      problems.push('thinking is on, and the calls that were answered last begin without a thought');
    return { state, problems };
  },
};

function isThought(block: JsonObject): boolean {
  return block.type === 'thinking' || block.type === 'redacted_thinking';
}

function streamOf(message: JsonObject, content: readonly JsonObject[]): LoopStep['stream'] {
  const events: JsonObject[] = [
    {
      type: 'message_start',
      message: { ...message, content: [], stop_reason: null, usage: { input_tokens: 20, output_tokens: 1 } },
    },
    { type: 'ping' },
  ];
  content.forEach((block, index) => {
    const delta = (value: JsonObject): JsonObject => ({ type: 'content_block_delta', index, delta: value });
    events.push({ type: 'content_block_start', index, content_block: emptied(block) });
    for (const piece of deltasOf(block)) events.push(delta(piece));
    events.push({ type: 'content_block_stop', index });
  });
  const { stop_reason, stop_sequence } = message;
  events.push({
    type: 'message_delta',
    delta: { stop_reason, stop_sequence } as JsonObject,
    usage: { output_tokens: 30 },
  });
  events.push({ type: 'message_stop' });
  return events.map((data) => ({ event: String(data.type), data }));
}

function emptied(block: JsonObject): JsonObject {
  switch (block.type) {
    case 'thinking':
      return { ...block, thinking: '', signature: '' };
    case 'text':
      return { ...block, text: '' };
    case 'tool_use':
      return { ...block, input: {} };
    default:
      return block;
  }
}

function deltasOf(block: JsonObject): JsonObject[] {
  switch (block.type) {
    case 'thinking':
      return [
        ...inPieces(String(block.thinking)).map((thinking) => ({ type: 'thinking_delta', thinking })),
        { type: 'signature_delta', signature: block.signature as JsonValue },
      ];
    case 'text':
      return inPieces(String(block.text)).map((text) => ({ type: 'text_delta', text }));
    case 'tool_use':
      return inPieces(JSON.stringify(block.input)).map((partial_json) => ({
        type: 'input_json_delta',
        partial_json,
      }));
    default:
      return [];
  }
}
