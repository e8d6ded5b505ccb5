import { randomBytes } from 'node:crypto';
import { groupTokens } from '../token-groups.ts';
import {
  type Answer,
  type AnsweredCall,
  type FinishReason,
  reasoningPerAnswer,
  type Turn,
  type TurnUsage,
} from '../turn.ts';
import { sseFrame, type WireEvent } from '../wire-protocol.ts';
import type { ChatWriting } from './read-chat-request.ts';

const SYSTEM_FINGERPRINT = 'fp_crossmodel_sandbox';
const COMPLETION_ID_BYTES = 12;

export interface ChatEnvelope {
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  readonly model: string;
}

export function newEnvelope(model: string, nowMs: number): ChatEnvelope {
  const id = `chatcmpl-${randomBytes(COMPLETION_ID_BYTES).toString('hex')}`;
  return { id, created: Math.floor(nowMs / 1000), model };
}

/** The `chat.completion` object of a turn. */
export function encodeChatBody(turn: Turn, envelope: ChatEnvelope, writing: ChatWriting): string {
  return JSON.stringify({
    id: envelope.id,
    object: 'chat.completion',
    created: envelope.created,
    model: envelope.model,
    choices: turn.answers.map((answer, index) => {
      const text = answer.textTokens.join('');
      const spoken = answer.toolCalls.length === 0 && !answer.refused;
      return {
        index,
        message: {
          role: 'assistant',
          content: spoken ? text : null,
          refusal: answer.refused ? text : null,
          annotations: [],
          ...(answer.toolCalls.length > 0 ? { tool_calls: answer.toolCalls.map(encodeCall) } : {}),
        },
        logprobs: logprobsOf(answer.textTokens, answer.refused, writing.topLogprobs),
        finish_reason: answer.finish,
      };
    }),
    usage: encodeUsage(turn.usage),
    service_tier: 'default',
    system_fingerprint: SYSTEM_FINGERPRINT,
  });
}

/** The `chat.completion.chunk` events of a turn in order; several answers take turns, as they do at the vendors. */
export function* encodeChatEvents(
  turn: Turn,
  envelope: ChatEnvelope,
  writing: ChatWriting,
): Generator<WireEvent> {
  const streams = turn.answers.map((answer, index) =>
    chunksOf(answer, index, writing, reasoningPerAnswer(turn)),
  );
  const running = new Set(streams);
  while (running.size > 0) {
    for (const stream of running) {
      const next = stream.next();
      if (next.done) running.delete(stream);
      else
        yield {
          frame: sseFrame(
            encodeChunk(envelope, [next.value.choice], writing.includeUsage ? { usage: null } : {}),
          ),
          tokensSoFar: next.value.tokensSoFar,
        };
    }
  }
  if (writing.includeUsage)
    yield {
      frame: sseFrame(encodeChunk(envelope, [], { usage: encodeUsage(turn.usage) })),
      tokensSoFar: turn.usage.outputTokens / turn.answers.length,
    };
}

function encodeChunk(envelope: ChatEnvelope, choices: readonly object[], tail: object): string {
  return JSON.stringify({
    id: envelope.id,
    object: 'chat.completion.chunk',
    created: envelope.created,
    model: envelope.model,
    service_tier: 'default',
    system_fingerprint: SYSTEM_FINGERPRINT,
    choices,
    ...tail,
  });
}

interface Chunk {
  readonly choice: object;
  readonly tokensSoFar: number;
}

/** Reasoning is hidden here, as at the vendors that keep it to themselves: it takes time and shows in the usage. */
function* chunksOf(
  answer: Answer,
  index: number,
  writing: ChatWriting,
  hiddenTokens: number,
): Generator<Chunk> {
  const choiceOf = (
    delta: object,
    finish: FinishReason | null = null,
    logprobs: object | null = null,
  ): object => ({
    index,
    delta,
    logprobs,
    finish_reason: finish,
  });
  let tokensSoFar = hiddenTokens;
  const content = answer.toolCalls.length > 0 || answer.refused ? null : '';
  yield { choice: choiceOf({ role: 'assistant', content, refusal: null }), tokensSoFar };
  for (const group of groupTokens(answer.textTokens, tokensSoFar)) {
    tokensSoFar = group.tokensSoFar;
    const delta = answer.refused ? { refusal: group.text } : { content: group.text };
    yield {
      choice: choiceOf(delta, null, logprobsOf(group.tokens, answer.refused, writing.topLogprobs)),
      tokensSoFar,
    };
  }
  for (const [callIndex, call] of answer.toolCalls.entries()) {
    const opening = { index: callIndex, ...encodeCall({ ...call, argumentTokens: [] }) };
    yield { choice: choiceOf({ tool_calls: [opening] }), tokensSoFar };
    for (const group of groupTokens(call.argumentTokens, tokensSoFar)) {
      tokensSoFar = group.tokensSoFar;
      const fragment = { index: callIndex, function: { arguments: group.text } };
      yield { choice: choiceOf({ tool_calls: [fragment] }), tokensSoFar };
    }
  }
  yield { choice: choiceOf({}, answer.finish), tokensSoFar };
}

function encodeCall(call: AnsweredCall): object {
  return {
    id: call.id,
    type: 'function',
    function: { name: call.name, arguments: call.argumentTokens.join('') },
  };
}

function encodeUsage(usage: TurnUsage): object {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.promptTokens + usage.outputTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoningTokens,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

function logprobsOf(tokens: readonly string[], refused: boolean, topLogprobs: number | null): object | null {
  if (topLogprobs === null || tokens.length === 0) return null;
  const entries = tokens.map((token) => {
    const likely = tokenLogprob(token, -0.05);
    const others = Array.from({ length: Math.max(0, topLogprobs - 1) }, (_, rank) =>
      tokenLogprob(`${token}${'?'.repeat(rank + 1)}`, -3 - rank),
    );
    return { ...likely, top_logprobs: topLogprobs > 0 ? [likely, ...others] : [] };
  });
  return { content: refused ? null : entries, refusal: refused ? entries : null };
}

function tokenLogprob(token: string, logprob: number): { token: string; logprob: number; bytes: number[] } {
  return { token, logprob, bytes: [...Buffer.from(token)] };
}
