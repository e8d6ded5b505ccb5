import type { Answer, Turn, TurnUsage } from '../turn.ts';
import type { WireError } from '../wire-error.ts';
import { sseFrame, type WireEvent } from '../wire-protocol.ts';
import { newId, type OutputItem, outputItems } from './output-items.ts';
import type { ResponsesWriting } from './read-responses-request.ts';
import { streamErrorMembers, turnErrorOf } from './responses-error.ts';

/** What all states of one response have in common. */
export interface ResponseEnvelope {
  readonly id: string;
  readonly model: string;
  readonly writing: ResponsesWriting;
}

export function newResponse(model: string, writing: ResponsesWriting): ResponseEnvelope {
  return { id: newId('resp'), model, writing };
}

/** The `response` object of a turn. */
export function encodeResponseBody(turn: Turn, envelope: ResponseEnvelope, nowMs: number): string {
  const answer = onlyAnswer(turn);
  const output = outputItems(turn, answer, envelope.writing).map((item) => item.done);
  return JSON.stringify(responseObject(envelope, nowMs, finalMembers(turn, answer, output, nowMs)));
}

/** The events of a stream in order, numbered from 0. */
export function* encodeResponseEvents(
  turn: Turn,
  envelope: ResponseEnvelope,
  nowMs: number,
): Generator<WireEvent> {
  const answer = onlyAnswer(turn);
  const items = outputItems(turn, answer, envelope.writing);
  let sequence = 0;
  const event = (type: string, members: object, tokensSoFar: number): WireEvent => {
    const frame = eventFrame(type, sequence, members);
    sequence += 1;
    return { frame, tokensSoFar };
  };
  const begun = { response: responseObject(envelope, nowMs, { status: 'in_progress' }) };
  yield event('response.created', begun, 0);
  yield event('response.in_progress', begun, 0);
  for (const [index, item] of items.entries()) {
    const place = { output_index: index };
    yield event('response.output_item.added', { ...place, item: item.opening }, item.startsAt);
    for (const { type, members, tokensSoFar } of item.events)
      yield event(type, { item_id: item.id, ...place, ...members }, tokensSoFar);
    yield event('response.output_item.done', { ...place, item: item.done }, item.endsAt);
  }
  const output = items.map((item: OutputItem) => item.done);
  const ended = responseObject(envelope, nowMs, finalMembers(turn, answer, output, nowMs));
  const state = reasonOf(answer) === undefined ? 'completed' : 'incomplete';
  yield event(`response.${state}`, { response: ended }, turn.usage.outputTokens);
}

/** How a stream ends that fails after so many events: the error, then the response that failed by it. */
export function encodeResponseFailure(
  error: WireError,
  envelope: ResponseEnvelope,
  nowMs: number,
  eventsSent: number,
): string {
  const response = responseObject(envelope, nowMs, { status: 'failed', error: turnErrorOf(error) });
  return encodeStreamError(error, eventsSent) + eventFrame('response.failed', eventsSent + 1, { response });
}

/** The `error` event at this place of a stream. */
export function encodeStreamError(error: WireError, sequence: number): string {
  return eventFrame('error', sequence, streamErrorMembers(error));
}

function eventFrame(type: string, sequence: number, members: object): string {
  return sseFrame(JSON.stringify({ type, sequence_number: sequence, ...members }), type);
}

function onlyAnswer(turn: Turn): Answer {
  const [answer] = turn.answers;
  if (answer === undefined) throw new Error('a turn without an answer');
  return answer;
}

function responseObject({ id, model, writing }: ResponseEnvelope, nowMs: number, state: object): object {
  return {
    id,
    object: 'response',
    created_at: unixSeconds(nowMs),
    completed_at: null,
    model,
    error: null,
    incomplete_details: null,
    output: [],
    usage: usageOf(NOTHING_USED),
    ...writing.echo,
    ...state,
  };
}

function finalMembers(turn: Turn, answer: Answer, output: readonly object[], nowMs: number): object {
  const reason = reasonOf(answer);
  return {
    ...(reason === undefined
      ? { status: 'completed', completed_at: unixSeconds(nowMs) }
      : { status: 'incomplete', incomplete_details: { reason } }),
    output,
    usage: usageOf(turn.usage),
  };
}

/** Why an answer is not whole. */
function reasonOf({ finish }: Answer): string | undefined {
  if (finish === 'length') return 'max_output_tokens';
  return finish === 'content_filter' ? finish : undefined;
}

/** Before the end: one published schema demands the field, the other allows no `null`. */
const NOTHING_USED: TurnUsage = {
  promptTokens: 0,
  cachedTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
};

function usageOf(usage: TurnUsage): object {
  return {
    input_tokens: usage.promptTokens,
    input_tokens_details: { cached_tokens: usage.cachedTokens, cache_write_tokens: usage.cacheWriteTokens },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: usage.promptTokens + usage.outputTokens,
  };
}

function unixSeconds(nowMs: number): number {
  return Math.floor(nowMs / 1000);
}
