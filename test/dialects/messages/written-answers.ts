import { expect } from 'vitest';
import { objectsOf } from '#data-plane/dialects/json-access.ts';
import { MESSAGES_CLIENT } from '#data-plane/dialects/messages/messages-codec.ts';
import type { JsonObject, ProviderSignature } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { payloadsIn } from '#test/dialects/provider-recordings.ts';

export const ANSWER = {
  idSeed: '0192f0c1d2e37aaabbbbccccddddeeee',
  model: 'anthropic/claude-sonnet-4.6',
  createdAt: 0,
  body: {},
};
export const GEMINI: ProviderSignature = { family: 'gemini', kind: 'thought', value: 'CiQB/+=' };
export const OWN: ProviderSignature = { family: 'messages', kind: 'thinking', value: 'EqAB==' };

export function encodeStream(events: readonly TurnEvent[]): string[] {
  const written: string[] = [];
  const encoder = MESSAGES_CLIENT.createStreamEncoder(ANSWER, (bytes) => written.push(bytes));
  for (const event of events) encoder.event(event);
  return written;
}

export const payloadsOf = (written: readonly string[]) => payloadsIn(Buffer.from(written.join('')));
export const typesOf = (written: readonly string[]) =>
  payloadsOf(written).map((payload) => JSON.parse(payload).type);

export function blocksOf(events: readonly TurnEvent[]): JsonObject[] {
  return [...objectsOf(MESSAGES_CLIENT.encodeBody(ANSWER, events).content)];
}

export const START: TurnEvent = { kind: 'turn_start', upstreamId: 'x' };
export const END: readonly TurnEvent[] = [
  { kind: 'choice_end', choice: 0, reason: 'stop' },
  { kind: 'turn_end' },
];
export const prose = (
  index: number,
  part: 'text' | 'reasoning' | 'refusal',
  text: string,
  ...between: TurnEvent[]
): TurnEvent[] => [
  { kind: 'part_start', index, part, choice: 0 },
  { kind: 'part_delta', index, text },
  ...between,
  { kind: 'part_end', index },
];
export const sign = (index: number, signature: ProviderSignature): TurnEvent => ({
  kind: 'part_signature',
  index,
  signature,
});
export const callStart = (index: number, name: string, signature?: ProviderSignature): TurnEvent => ({
  kind: 'part_start',
  index,
  part: 'tool_call',
  choice: 0,
  callId: `call_${index}`,
  name,
  ...(signature === undefined ? {} : { signature }),
});

/** No block begins inside another, each one ends, and the order of the whole is that of the protocol. */
export function expectBalanced(types: readonly string[]): void {
  let open = false;
  for (const type of types.slice(1, -2)) {
    if (type === 'content_block_start') expect(open).toBe(false);
    else expect(open).toBe(true);
    open = type !== 'content_block_stop';
  }
  expect(open).toBe(false);
  expect([types[0], ...types.slice(-2)]).toEqual(['message_start', 'message_delta', 'message_stop']);
}
