import { answeredCall, chooseToolCalls } from './choose-tool-calls.ts';
import { composeText, composeThought, fillerToken, REFUSAL_TEXT } from './compose-text.ts';
import { type Directive, readDirective } from './directives.ts';
import { withoutHarnessNotes } from './harness-notes.ts';
import type { PromptCache } from './prompt-cache.ts';
import { cacheableTokens, countPrompt } from './prompt-tokens.ts';
import { tokenize } from './tokenize.ts';
import {
  type Answer,
  type AnsweredCall,
  type FinishReason,
  lastUserText,
  type Turn,
  type TurnRequest,
  type TurnUsage,
} from './turn.ts';
import { valueForSchema } from './value-for-schema.ts';
import { hintsFrom } from './value-hints.ts';

const REASONING_TOKENS: Readonly<Record<string, number>> = {
  none: 0,
  minimal: 16,
  low: 48,
  medium: 128,
  high: 320,
  xhigh: 640,
  max: 960,
};

/** Decides the whole answer to a request. The same request gets the same words; only call ids and cache hits differ. */
export function composeTurn(sent: TurnRequest, promptCache: PromptCache): Turn {
  const request = withoutHarnessNotes(sent);
  const directive = readDirective(lastUserText(request));
  const reasoningTokens = reasoningTokensOf(request);
  const limit =
    request.outputLimitTokens === null ? null : Math.max(0, request.outputLimitTokens - reasoningTokens);
  const thoughtTokens = reasoningTokens > 0 ? tokenize(composeThought(request)) : [];
  const answers = Array.from({ length: request.answerCount }, (_, index) => ({
    ...limited(composeAnswer(request, directive, index), limit),
    thoughtTokens,
    thoughtHidden: directive?.kind === 'redacted',
  }));
  return { answers, usage: usageOf(sent, answers, reasoningTokens, promptCache) };
}

function composeAnswer(request: TurnRequest, directive: Directive | undefined, index: number): Answer {
  switch (directive?.kind) {
    case 'tokens':
      return answerOf(
        Array.from({ length: directive.count }, (_, token) => fillerToken(token)),
        [],
        'stop',
      );
    case 'filter':
      return answerOf(tokenize('This answer was cut'), [], 'content_filter');
    case 'refusal':
      return { ...answerOf(tokenize(REFUSAL_TEXT), [], 'stop'), refused: true };
    default: {
      const toolCalls = directive?.kind === 'calls' ? nextStep(request, directive) : chooseToolCalls(request);
      if (toolCalls.length > 0) return answerOf([], toolCalls, 'tool_calls');
      const variant =
        request.answerCount > 1 && request.format.kind === 'text' ? ` (Answer ${index + 1}.)` : '';
      const { text, stoppedBy } = cutAtStop(`${composeContent(request)}${variant}`, request.stopSequences);
      return { ...answerOf(tokenize(text), [], 'stop'), stoppedBy };
    }
  }
}

/** The step after those that the conversation shows as taken; empty when all are, and then it is told what came back. */
function nextStep(request: TurnRequest, { steps }: Extract<Directive, { kind: 'calls' }>): AnsweredCall[] {
  const asked = request.messages.findLastIndex((message) => message.role === 'user');
  const taken = request.messages.slice(asked + 1).filter((message) => message.toolCalls.length > 0).length;
  const calls = (steps[taken] ?? []).slice(0, request.parallelToolCalls ? undefined : 1);
  return calls.map((call) => answeredCall(call.name, call.argumentsJson));
}

function composeContent(request: TurnRequest): string {
  const { format } = request;
  if (format.kind === 'text') return composeText(request);
  if (format.kind === 'json') return JSON.stringify({ answer: composeText(request), sandbox: true });
  return JSON.stringify(valueForSchema(format.schema, hintsFrom(lastUserText(request), undefined), true));
}

function answerOf(
  textTokens: readonly string[],
  toolCalls: readonly AnsweredCall[],
  finish: FinishReason,
): Answer {
  return {
    thoughtTokens: [],
    thoughtHidden: false,
    textTokens,
    refused: false,
    toolCalls,
    finish,
    stoppedBy: null,
  };
}

function cutAtStop(
  text: string,
  stopSequences: readonly string[],
): Pick<Answer, 'stoppedBy'> & { text: string } {
  let cut = { text, stoppedBy: null as string | null };
  for (const stop of stopSequences) {
    const at = stop === '' ? -1 : cut.text.indexOf(stop);
    if (at >= 0) cut = { text: cut.text.slice(0, at), stoppedBy: stop };
  }
  return cut;
}

/** Cuts an answer to so many tokens, as a provider does: in the middle of a word or of the arguments of a call. */
function limited(answer: Answer, limit: number | null): Answer {
  if (limit === null || outputTokensOf(answer) <= limit) return answer;
  let left = limit - Math.min(limit, answer.textTokens.length);
  const toolCalls: AnsweredCall[] = [];
  for (const call of answer.toolCalls) {
    if (left === 0) break;
    const argumentTokens = call.argumentTokens.slice(0, left);
    left -= argumentTokens.length;
    toolCalls.push({ ...call, argumentTokens });
  }
  return {
    ...answer,
    textTokens: answer.textTokens.slice(0, limit),
    toolCalls,
    finish: 'length',
    stoppedBy: null,
  };
}

function outputTokensOf(answer: Answer): number {
  return answer.toolCalls.reduce((sum, call) => sum + call.argumentTokens.length, answer.textTokens.length);
}

/** Counts for the usage; what is shown of it is a summary of a length of its own. */
function reasoningTokensOf(request: TurnRequest): number {
  const wanted = REASONING_TOKENS[request.reasoningEffort ?? 'none'] ?? 0;
  return request.outputLimitTokens === null
    ? wanted
    : Math.min(wanted, Math.floor(request.outputLimitTokens / 2));
}

function usageOf(
  request: TurnRequest,
  answers: readonly Answer[],
  reasoningPerAnswer: number,
  promptCache: PromptCache,
): TurnUsage {
  const { text, tokens: promptTokens } = countPrompt(request);
  const reasoningTokens = reasoningPerAnswer * answers.length;
  const cachedTokens =
    request.caching === 'none' ? 0 : promptCache.lookUpAndRemember(request.model, text, promptTokens);
  return {
    promptTokens,
    cachedTokens,
    cacheWriteTokens:
      request.caching === 'marked' ? Math.max(0, cacheableTokens(promptTokens) - cachedTokens) : 0,
    outputTokens: answers.reduce((sum, answer) => sum + outputTokensOf(answer), reasoningTokens),
    reasoningTokens,
  };
}
