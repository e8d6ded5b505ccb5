import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import { callArguments, objectsIn, opaque, type ThinkingProvider } from './thinking-step.ts';

/** Gemini 3: a thought, and signatures on the first of two calls, or on the text and behind it. */
export const thinkingGemini: ThinkingProvider = {
  step(tag, isLast) {
    const thought = { text: `**Pondering** ${tag}`, thought: true };
    const call = (name: string): JsonObject => ({
      functionCall: { name: 'get_weather', args: callArguments(`${tag}${name}`) },
    });
    const signature = opaque(`call-${tag}`);
    const parts: JsonObject[] = isLast
      ? [thought, { text: 'The ' }, { text: 'end.', thoughtSignature: signature }]
      : [thought, { ...call('a'), thoughtSignature: signature }, call('b')];
    const chunk = (own: readonly JsonObject[], finishReason?: string): JsonObject => ({
      candidates: [
        {
          index: 0,
          content: { role: 'model', parts: [...own] },
          ...(finishReason === undefined ? {} : { finishReason }),
        },
      ],
      usageMetadata: { promptTokenCount: 20, candidatesTokenCount: 10, totalTokenCount: 30 },
      modelVersion: 'gemini-internal',
      responseId: `resp-${tag}`,
    });
    return {
      whole: chunk(parts, 'STOP'),
      stream: parts.map((part, index) => ({
        data: chunk([part], index === parts.length - 1 ? 'STOP' : undefined),
      })),
      state: [isLast ? { text: signature } : { call: callArguments(`${tag}a`), signature }],
      secrets: [signature],
    };
  },

  stateIn(body) {
    const contents = objectsIn(body.contents);
    const problems: string[] = [];
    const state: JsonValue[] = [];
    const isQuestion = ({ role, parts }: JsonObject) =>
      role === 'user' && objectsIn(parts).some((part) => part.functionResponse === undefined);
    const currentTurn = contents.findLastIndex(isQuestion);
    contents.forEach(({ role, parts }, at) => {
      let calls = 0;
      for (const part of objectsIn(parts)) {
        const { functionCall, thoughtSignature } = part;
        if (thoughtSignature !== undefined && role !== 'model')
          problems.push(`contents[${at}]: signed by a user`);
        if (functionCall !== undefined) calls += 1;
        const isFirstCall = functionCall !== undefined && calls === 1;
        if (isFirstCall && thoughtSignature === undefined && at > currentTurn)
          problems.push(`contents[${at}]: function call is missing a thought_signature`);
        if (thoughtSignature === undefined || thoughtSignature === UNSIGNED) continue;
        if (functionCall === undefined) state.push({ text: thoughtSignature });
        else state.push({ call: (functionCall as JsonObject).args ?? null, signature: thoughtSignature });
      }
      const answers = objectsIn(contents[at + 1]?.parts).filter(
        (part) => part.functionResponse !== undefined,
      );
      if (calls > 0 && answers.length !== calls)
        problems.push(`contents[${at}]: ${answers.length} responses`);
    });
    return { state, problems };
  },
};

const UNSIGNED = 'skip_thought_signature_validator';
