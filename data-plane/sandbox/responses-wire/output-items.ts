import { randomBytes } from 'node:crypto';
import { groupTokens, type TokenGroup } from '../token-groups.ts';
import { type Answer, type AnsweredCall, reasoningPerAnswer, type Turn } from '../turn.ts';
import type { ResponsesWriting } from './read-responses-request.ts';
import { sealReasoning } from './reasoning-seal.ts';

const ID_BYTES = 24;

/** An event before it gets its sequence number. */
export interface TimedPayload {
  readonly type: string;
  readonly members: object;
  readonly tokensSoFar: number;
}

/** An item of the answer: as it begins, what is streamed of it, and as it ends. */
export interface OutputItem {
  readonly id: string;
  readonly opening: object;
  readonly done: object;
  /** Events between `output_item.added` and `output_item.done`; the place of the item is added by the caller. */
  readonly events: readonly TimedPayload[];
  /** Tokens of the answer that are out before and after the item. */
  readonly startsAt: number;
  readonly endsAt: number;
}

export function newId(prefix: string): string {
  return `${prefix}_${randomBytes(ID_BYTES).toString('hex')}`;
}

/** What an answer consists of, in order: reasoning, then words or calls. New ids each time. */
export function outputItems(turn: Turn, answer: Answer, writing: ResponsesWriting): OutputItem[] {
  const items: OutputItem[] = [];
  let tokensSoFar = reasoningPerAnswer(turn);
  if (answer.thoughtTokens.length > 0) items.push(reasoningItem(answer, writing, tokensSoFar));
  if (answer.textTokens.length > 0) {
    items.push(messageItem(answer, tokensSoFar));
    tokensSoFar += answer.textTokens.length;
  }
  // The output limit cuts the last item; those before it are whole.
  for (const [index, call] of answer.toolCalls.entries()) {
    const isCut = answer.finish === 'length' && index === answer.toolCalls.length - 1;
    items.push(callItem(call, isCut, tokensSoFar));
    tokensSoFar += call.argumentTokens.length;
  }
  return items;
}

function reasoningItem(answer: Answer, writing: ResponsesWriting, endsAt: number): OutputItem {
  const id = newId('rs');
  const shown = writing.showSummary && !answer.thoughtHidden ? answer.thoughtTokens : [];
  const part = { type: 'summary_text', text: shown.join('') };
  const summary = shown.length === 0 ? [] : [part];
  const place = { summary_index: 0 };
  const item = {
    id,
    type: 'reasoning',
    ...(writing.includeEncryptedReasoning ? { encrypted_content: sealReasoning(id) } : {}),
  };
  const events =
    shown.length === 0
      ? []
      : [
          payload('reasoning_summary_part.added', { ...place, part: { ...part, text: '' } }, 0),
          ...deltas('reasoning_summary_text.delta', place, [...groupTokens(shown, 0, endsAt)]),
          payload('reasoning_summary_text.done', { ...place, text: part.text }, endsAt),
          payload('reasoning_summary_part.done', { ...place, part }, endsAt),
        ];
  return { id, opening: { ...item, summary: [] }, done: { ...item, summary }, events, startsAt: 0, endsAt };
}

function messageItem(answer: Answer, startsAt: number): OutputItem {
  const item = { id: newId('msg'), type: 'message', role: 'assistant' };
  const text = answer.textTokens.join('');
  const endsAt = startsAt + answer.textTokens.length;
  const place = { content_index: 0 };
  const groups = [...groupTokens(answer.textTokens, startsAt)];
  const partOf = (said: string): object =>
    answer.refused
      ? { type: 'refusal', refusal: said }
      : { type: 'output_text', annotations: [], logprobs: [], text: said };
  const said = answer.refused
    ? [
        ...deltas('refusal.delta', place, groups),
        payload('refusal.done', { ...place, refusal: text }, endsAt),
      ]
    : [
        ...deltas('output_text.delta', { ...place, logprobs: [] }, groups),
        payload('output_text.done', { ...place, logprobs: [], text }, endsAt),
      ];
  const isCut = answer.finish === 'length' || answer.finish === 'content_filter';
  return {
    id: item.id,
    opening: { ...item, status: 'in_progress', content: [] },
    done: { ...item, status: isCut ? 'incomplete' : 'completed', content: [partOf(text)] },
    events: [
      payload('content_part.added', { ...place, part: partOf('') }, startsAt),
      ...said,
      payload('content_part.done', { ...place, part: partOf(text) }, endsAt),
    ],
    startsAt,
    endsAt,
  };
}

function callItem(
  { id: callId, name, argumentTokens }: AnsweredCall,
  isCut: boolean,
  startsAt: number,
): OutputItem {
  const item = { id: newId('fc'), type: 'function_call', call_id: callId, name };
  const whole = argumentTokens.join('');
  const endsAt = startsAt + argumentTokens.length;
  return {
    id: item.id,
    opening: { ...item, status: 'in_progress', arguments: '' },
    done: { ...item, status: isCut ? 'incomplete' : 'completed', arguments: whole },
    events: [
      ...deltas('function_call_arguments.delta', {}, [...groupTokens(argumentTokens, startsAt)]),
      payload('function_call_arguments.done', { name, arguments: whole }, endsAt),
    ],
    startsAt,
    endsAt,
  };
}

function deltas(name: string, members: object, groups: readonly TokenGroup[]): TimedPayload[] {
  return groups.map((group) => payload(name, { ...members, delta: group.text }, group.tokensSoFar));
}

function payload(name: string, members: object, tokensSoFar: number): TimedPayload {
  return { type: `response.${name}`, members, tokensSoFar };
}
