import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { callArguments, inPieces, objectsIn, opaque, type ThinkingProvider } from './thinking-step.ts';

/** A chat provider of the family of OpenRouter: typed thoughts, signed and encrypted. */
export const thinkingChat: ThinkingProvider = {
  step(tag, isLast) {
    const signed: JsonObject = {
      type: 'reasoning.text',
      text: `I wonder about ${tag}`,
      signature: opaque(`sig-${tag}`),
      format: 'anthropic-claude-v1',
      index: 0,
    };
    const encrypted: JsonObject = {
      type: 'reasoning.encrypted',
      data: opaque(`enc-${tag}`),
      id: `rs_${tag}`,
      format: 'openai-responses-v1',
      index: 1,
    };
    const calls = ['a', 'b'].map((name) => ({
      id: `call_${tag}_${name}`,
      type: 'function',
      function: { name: 'get_weather', arguments: JSON.stringify(callArguments(`${tag}${name}`)) },
    }));
    const head = { id: `gen-${tag}`, created: 1_780_000_000, model: 'chat-internal' };
    const finish_reason = isLast ? 'stop' : 'tool_calls';
    const message: JsonObject = {
      role: 'assistant',
      content: isLast ? 'The end.' : '',
      refusal: null,
      reasoning: String(signed.text),
      reasoning_details: [signed, encrypted],
      ...(isLast ? {} : { tool_calls: calls }),
    };
    const usage = { prompt_tokens: 20, completion_tokens: 30, total_tokens: 50 };
    const choices = [{ index: 0, message, logprobs: null, finish_reason }];
    const { signature, text, ...bare } = signed;
    const deltas: JsonObject[] = [
      { role: 'assistant', content: '' },
      ...inPieces(String(text)).map((piece) => ({
        reasoning: piece,
        reasoning_details: [{ ...bare, text: piece }],
      })),
      { reasoning_details: [{ ...bare, signature: String(signature) }] },
      { reasoning_details: [encrypted] },
      ...(isLast ? inPieces('The end.').map((content) => ({ content })) : calls.flatMap(callDeltas)),
    ];
    const chunk = (delta: JsonObject, reason: string | null): JsonObject => ({
      ...head,
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta, finish_reason: reason }],
    });
    return {
      whole: { ...head, object: 'chat.completion', choices, usage },
      stream: [
        ...deltas.map((delta) => ({ data: chunk(delta, null) })),
        { data: chunk({}, finish_reason) },
        { data: { ...head, object: 'chat.completion.chunk', choices: [], usage } },
        { data: '[DONE]' },
      ],
      state: [signed, encrypted],
      secrets: [String(signed.signature), String(encrypted.data)],
    };
  },

  stateIn(body) {
    const messages = objectsIn(body.messages);
    const problems: string[] = [];
    const state = messages.flatMap((message, at) => {
      const calls = objectsIn(message.tool_calls);
      const answers = messages.slice(at + 1, at + 1 + calls.length).map((answer) => answer.tool_call_id);
      if (calls.some(({ id }) => !answers.includes(id ?? '')))
        problems.push(`messages[${at}]: call without result`);
      if (message.reasoning_details !== undefined && message.role !== 'assistant')
        problems.push(`messages[${at}]: thoughts of ${String(message.role)}`);
      return joined(objectsIn(message.reasoning_details)).filter(
        ({ signature, data }) => signature !== undefined || data !== undefined,
      );
    });
    return { state, problems };
  },
};

/** This provider takes the pieces of its stream as well as the whole entries. */
function joined(pieces: readonly JsonObject[]): JsonObject[] {
  const entries = new Map<string, JsonObject>();
  for (const piece of pieces) {
    const key = `${String(piece.type)} ${String(piece.index)}`;
    const before = entries.get(key);
    const text = `${String(before?.text ?? '')}${String(piece.text ?? '')}`;
    entries.set(key, { ...before, ...piece, ...(text === '' ? {} : { text }) });
  }
  return [...entries.values()];
}

function callDeltas(call: JsonObject, index: number): JsonObject[] {
  const { name, arguments: text } = call.function as { name: string; arguments: string };
  return [
    { tool_calls: [{ ...call, index, function: { name, arguments: '' } }] },
    ...inPieces(text).map((piece) => ({ tool_calls: [{ index, function: { arguments: piece } }] })),
  ];
}
