import { randomBytes } from 'node:crypto';
import { groupTokens } from '../token-groups.ts';
import { type Answer, type AnsweredCall, reasoningPerAnswer, type Turn } from '../turn.ts';
import { signCall, signText } from './thought-signature.ts';

const RESPONSE_ID_BYTES = 16;
const CALL_ID_CHARACTERS = 8;

export interface GeminiResponse {
  readonly responseId: string;
  readonly model: string;
  readonly turn: Turn;
  readonly showThoughts: boolean;
}

/** One message of a stream, and how many tokens of its answer are out with it. */
export interface GeminiChunk {
  readonly chunk: object;
  readonly tokensSoFar: number;
}

export function newGeminiResponse(model: string, turn: Turn, showThoughts: boolean): GeminiResponse {
  return { responseId: randomBytes(RESPONSE_ID_BYTES).toString('base64url'), model, turn, showThoughts };
}

/** The whole response, in the indented form that Google sends. */
export function encodeGeminiBody(response: GeminiResponse): string {
  const { turn } = response;
  const candidates = turn.answers.map((answer, index) => {
    const text = answer.textTokens.join('');
    const thoughts = shownThoughts(answer, response).join('');
    const parts = [
      ...(thoughts === '' ? [] : [{ text: thoughts, thought: true }]),
      ...(text === '' ? [] : [{ text, ...textSignature(answer, turn) }]),
      ...callParts(answer),
    ];
    return { content: contentOf(parts), finishReason: finishReasonOf(answer), index };
  });
  return JSON.stringify(responseObject(response, candidates, turn.usage), null, 2);
}

/** The messages of a stream in order: each has the counts so far, the last of a candidate says why it ended. */
export function* encodeGeminiChunks(response: GeminiResponse): Generator<GeminiChunk> {
  const { turn } = response;
  const hidden = reasoningPerAnswer(turn);
  let sentBefore = 0;
  for (const [index, answer] of turn.answers.entries()) {
    const chunkOf = (parts: readonly object[], tokensSoFar: number, finish = {}): GeminiChunk => {
      const usage = {
        ...turn.usage,
        reasoningTokens: Math.round(index * hidden + Math.min(hidden, tokensSoFar)),
        outputTokens: Math.round(sentBefore + tokensSoFar),
      };
      const candidate = { content: contentOf(parts), ...finish, index };
      return { chunk: responseObject(response, [candidate], usage), tokensSoFar };
    };
    for (const group of groupTokens(shownThoughts(answer, response), 0, hidden))
      yield chunkOf([{ text: group.text, thought: true }], group.tokensSoFar);
    for (const group of groupTokens(answer.textTokens, hidden))
      yield chunkOf([{ text: group.text }], group.tokensSoFar);
    let tokensSoFar = hidden + answer.textTokens.length;
    // Calls come whole: only their length tells how long they took.
    tokensSoFar += answer.toolCalls.reduce((sum, call) => sum + call.argumentTokens.length, 0);
    const calls = callParts(answer);
    if (calls.length > 0) yield chunkOf(calls, tokensSoFar);
    const closing = [{ text: '', ...textSignature(answer, turn) }];
    yield chunkOf(closing, tokensSoFar, { finishReason: finishReasonOf(answer) });
    sentBefore += tokensSoFar;
  }
}

export function encodeGeminiCount(promptTokens: number): string {
  return JSON.stringify(
    { totalTokens: promptTokens, promptTokensDetails: textDetails(promptTokens) },
    null,
    2,
  );
}

function shownThoughts(answer: Answer, { showThoughts }: GeminiResponse): readonly string[] {
  return showThoughts && !answer.thoughtHidden ? answer.thoughtTokens : [];
}

function textSignature(answer: Answer, turn: Turn): object {
  const isSigned = turn.usage.reasoningTokens > 0 && answer.toolCalls.length === 0;
  return isSigned ? { thoughtSignature: signText() } : {};
}

/** Only the first call of a step is signed. A call whose arguments the output limit cut is left out, as at Google. */
function callParts(answer: Answer): object[] {
  return answer.toolCalls.flatMap((call, index) => {
    const args = parsedArguments(call);
    if (args === undefined) return [];
    const id = call.id.replace('call_', '').slice(0, CALL_ID_CHARACTERS);
    const functionCall = { name: call.name, args, id };
    return [index === 0 ? { functionCall, thoughtSignature: signCall(call.name) } : { functionCall }];
  });
}

function parsedArguments(call: AnsweredCall): unknown {
  try {
    return JSON.parse(call.argumentTokens.join(''));
  } catch {
    return undefined;
  }
}

function contentOf(parts: readonly object[]): object {
  return parts.length === 0 ? { role: 'model' } : { parts, role: 'model' };
}

function finishReasonOf(answer: Answer): string {
  if (answer.finish === 'length') return 'MAX_TOKENS';
  return answer.finish === 'content_filter' ? 'SAFETY' : 'STOP';
}

function responseObject(
  { responseId, model }: GeminiResponse,
  candidates: readonly object[],
  usage: Turn['usage'],
): object {
  return { candidates, usageMetadata: usageMetadataOf(usage), modelVersion: model, responseId };
}

/** Thoughts are counted beside the candidates, cached tokens inside the prompt; what is zero is left out. */
function usageMetadataOf(usage: Turn['usage']): object {
  const { promptTokens, cachedTokens, outputTokens, reasoningTokens } = usage;
  const candidatesTokenCount = outputTokens - reasoningTokens;
  return {
    promptTokenCount: promptTokens,
    ...(candidatesTokenCount > 0 ? { candidatesTokenCount } : {}),
    totalTokenCount: promptTokens + outputTokens,
    ...(cachedTokens > 0
      ? { cachedContentTokenCount: cachedTokens, cacheTokensDetails: textDetails(cachedTokens) }
      : {}),
    promptTokensDetails: textDetails(promptTokens),
    ...(reasoningTokens > 0 ? { thoughtsTokenCount: reasoningTokens } : {}),
  };
}

function textDetails(tokenCount: number): object[] {
  return [{ modality: 'TEXT', tokenCount }];
}
