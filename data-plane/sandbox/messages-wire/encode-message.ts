import { randomBytes } from 'node:crypto';
import { sealState } from '../opaque-state.ts';
import { groupTokens } from '../token-groups.ts';
import { type Answer, type AnsweredCall, reasoningPerAnswer, type Turn } from '../turn.ts';
import { sseFrame, type WireEvent } from '../wire-protocol.ts';
import { REDACTED_FAMILY, THINKING_FAMILY } from './read-content.ts';
import type { MessagesWriting } from './read-messages-request.ts';

const ID_BYTES = 12;
const PING = sseFrame('{"type": "ping"}', 'ping');

export interface MessageEnvelope {
  readonly id: string;
  readonly model: string;
  readonly answer: Answer;
  readonly turn: Turn;
  readonly writing: MessagesWriting;
}

export function newMessage(model: string, turn: Turn, writing: MessagesWriting): MessageEnvelope {
  const [answer] = turn.answers;
  if (answer === undefined) throw new Error('a turn without an answer');
  return { id: `msg_${randomBytes(ID_BYTES).toString('hex')}`, model, answer, turn, writing };
}

/** The `message` object of a turn. */
export function encodeMessageBody(message: MessageEnvelope): string {
  const { answer, writing } = message;
  const thinking = thinkingBlock(answer, writing);
  const text = answer.textTokens.join('');
  return JSON.stringify(
    messageObject(message, {
      content: [
        ...(thinking === undefined ? [] : [thinking]),
        ...(text === '' ? [] : [{ type: 'text', text, citations: null }]),
        ...answer.toolCalls.map((call) => callBlock(call, parsedArguments(call))),
      ],
      ...endOf(answer),
      usage: usageOf(message, message.turn.usage.outputTokens),
    }),
  );
}

/** The events of a stream in order, a ping among the first as Anthropic sends it. */
export function* encodeMessageEvents(message: MessageEnvelope): Generator<WireEvent> {
  const { answer, turn, writing } = message;
  const hidden = reasoningPerAnswer(turn);
  yield event(
    {
      type: 'message_start',
      message: messageObject(message, {
        content: [],
        stop_reason: null,
        stop_sequence: null,
        stop_details: null,
        usage: usageOf(message, 1),
      }),
    },
    0,
  );
  yield { frame: PING, tokensSoFar: 0 };
  let index = 0;
  let tokensSoFar = hidden;
  const thinking = thinkingBlock(answer, writing);
  if (thinking !== undefined) {
    yield* thinkingEvents(thinking, answer, hidden);
    index += 1;
  }
  if (answer.textTokens.length > 0) {
    const opening = { type: 'text', text: '', citations: null };
    const groups = [...groupTokens(answer.textTokens, tokensSoFar)];
    yield* blockEvents(
      index,
      opening,
      groups.map((group) => [{ type: 'text_delta', text: group.text }, group.tokensSoFar]),
    );
    tokensSoFar += answer.textTokens.length;
    index += 1;
  }
  for (const call of answer.toolCalls) {
    const groups = [...groupTokens(call.argumentTokens, tokensSoFar)];
    yield* blockEvents(index, callBlock(call, {}), [
      [{ type: 'input_json_delta', partial_json: '' }, tokensSoFar],
      ...groups.map(
        (group): TimedDelta => [{ type: 'input_json_delta', partial_json: group.text }, group.tokensSoFar],
      ),
    ]);
    tokensSoFar += call.argumentTokens.length;
    index += 1;
  }
  yield event(
    {
      type: 'message_delta',
      delta: { container: null, ...endOf(answer) },
      usage: usageOf(message, turn.usage.outputTokens),
    },
    tokensSoFar,
  );
  yield event({ type: 'message_stop' }, tokensSoFar);
}

type TimedDelta = readonly [delta: object, tokensSoFar: number];

function* blockEvents(
  index: number,
  opening: object,
  deltas: readonly TimedDelta[],
  startAt = deltas[0]?.[1] ?? 0,
): Generator<WireEvent> {
  yield event({ type: 'content_block_start', index, content_block: opening }, startAt);
  for (const [delta, tokensSoFar] of deltas)
    yield event({ type: 'content_block_delta', index, delta }, tokensSoFar);
  yield event({ type: 'content_block_stop', index }, deltas.at(-1)?.[1] ?? startAt);
}

function thinkingEvents(thinking: ThinkingBlock, answer: Answer, hidden: number): Iterable<WireEvent> {
  if (thinking.type === 'redacted_thinking') return blockEvents(0, thinking, [], 0);
  const shown = thinking.thinking === '' ? [] : [...groupTokens(answer.thoughtTokens, 0, hidden)];
  return blockEvents(
    0,
    { type: 'thinking', thinking: '', signature: '' },
    [
      ...shown.map(
        (group): TimedDelta => [{ type: 'thinking_delta', thinking: group.text }, group.tokensSoFar],
      ),
      [{ type: 'signature_delta', signature: thinking.signature }, hidden],
    ],
    0,
  );
}

type ThinkingBlock =
  | { readonly type: 'thinking'; readonly thinking: string; readonly signature: string }
  | { readonly type: 'redacted_thinking'; readonly data: string };

function thinkingBlock(answer: Answer, { showThinking }: MessagesWriting): ThinkingBlock | undefined {
  if (answer.thoughtTokens.length === 0) return undefined;
  if (answer.thoughtHidden) return { type: 'redacted_thinking', data: sealState(REDACTED_FAMILY, '') };
  const thinking = showThinking ? answer.thoughtTokens.join('') : '';
  return { type: 'thinking', thinking, signature: sealState(THINKING_FAMILY, thinking) };
}

function callBlock(call: AnsweredCall, input: unknown): object {
  const id = call.id.replace('call_', 'toolu_');
  return { type: 'tool_use', id, name: call.name, input, caller: { type: 'direct' } };
}

/** Arguments that the output limit cut are no object any more: nothing can be said of them outside a stream. */
function parsedArguments(call: AnsweredCall): unknown {
  try {
    return JSON.parse(call.argumentTokens.join(''));
  } catch {
    return {};
  }
}

function endOf(answer: Answer): object {
  const filtered = answer.refused || answer.finish === 'content_filter';
  return {
    stop_reason: filtered ? 'refusal' : stopReasonOf(answer),
    stop_sequence: filtered ? null : answer.stoppedBy,
    stop_details: filtered ? { type: 'refusal', category: null, explanation: null } : null,
  };
}

function stopReasonOf(answer: Answer): string {
  if (answer.finish === 'tool_calls') return 'tool_use';
  if (answer.finish === 'length') return 'max_tokens';
  return answer.stoppedBy === null ? 'end_turn' : 'stop_sequence';
}

/** Anthropic states what came from and went to the cache beside the input tokens, not inside. */
function usageOf({ turn, writing }: MessageEnvelope, outputTokens: number) {
  const { promptTokens, cachedTokens, cacheWriteTokens, reasoningTokens } = turn.usage;
  return {
    input_tokens: promptTokens - cachedTokens - cacheWriteTokens,
    cache_creation_input_tokens: cacheWriteTokens,
    cache_read_input_tokens: cachedTokens,
    cache_creation: {
      ephemeral_5m_input_tokens: writing.longCache ? 0 : cacheWriteTokens,
      ephemeral_1h_input_tokens: writing.longCache ? cacheWriteTokens : 0,
    },
    output_tokens: outputTokens,
    output_tokens_details: { thinking_tokens: Math.min(reasoningTokens, outputTokens) },
    server_tool_use: null,
    service_tier: 'standard',
    inference_geo: null,
    speed: 'standard',
  };
}

function messageObject({ id, model }: MessageEnvelope, members: object): object {
  return {
    id,
    type: 'message',
    role: 'assistant',
    model,
    container: null,
    diagnostics: null,
    ...members,
  };
}

function event(
  payload: { readonly type: string; readonly [member: string]: unknown },
  tokensSoFar: number,
): WireEvent {
  return { frame: sseFrame(JSON.stringify(payload), payload.type), tokensSoFar };
}
