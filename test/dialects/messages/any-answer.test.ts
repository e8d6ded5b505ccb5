import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { objectsOf } from '#data-plane/dialects/json-access.ts';
import { MESSAGES_CLIENT } from '#data-plane/dialects/messages/messages-codec.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { foldMessage } from './fold-message.ts';
import {
  ANSWER,
  callStart,
  END,
  encodeStream,
  expectBalanced,
  GEMINI,
  OWN,
  payloadsOf,
  START,
  sign,
  typesOf,
} from './written-answers.ts';

describe('an answer of any parts, written for Messages clients', () => {
  it('loses no text and stays balanced for any order of parts', () => {
    const partKind = fc.constantFrom('text', 'reasoning', 'refusal', 'tool_call', 'native');
    const part = fc.record({
      part: partKind,
      pieces: fc.array(fc.string(), { maxLength: 3 }),
      isSigned: fc.boolean(),
    });
    const pick = fc.array(fc.nat(), { minLength: 60, maxLength: 60 });
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), pick, (parts, picks) => {
        const queues = parts.map((each, index) => eventsOf(each, index));
        const events: TurnEvent[] = [START, ...interleave(queues, picks), ...END];
        const written = encodeStream(events);
        expectBalanced(typesOf(written));
        const folded = foldMessage(payloadsOf(written));
        expect(folded).toEqual(MESSAGES_CLIENT.encodeBody(ANSWER, events));
        const spoken = parts.filter((each) => each.part === 'text' || each.part === 'refusal');
        const texts = objectsOf(folded.content).filter(({ type }) => type === 'text');
        expect(texts.map((block) => block.text)).toEqual(
          spoken.map((each) => each.pieces.join('')).filter((text) => text !== ''),
        );
        expect(objectsOf(folded.content).filter(({ type }) => type === 'tool_use')).toHaveLength(
          parts.filter((each) => each.part === 'tool_call').length,
        );
      }),
      { seed: 20_261_121, numRuns: 300 },
    );
  });
});

interface SomePart {
  readonly part: string;
  readonly pieces: readonly string[];
  readonly isSigned: boolean;
}

function eventsOf({ part, pieces, isSigned }: SomePart, index: number): TurnEvent[] {
  if (part === 'native')
    return [
      { kind: 'native_part', index, choice: 0, family: 'messages', value: { type: 'container_upload' } },
    ];
  const deltas = pieces.map((text): TurnEvent => ({ kind: 'part_delta', index, text }));
  if (part === 'tool_call') return [callStart(index, 'run'), ...deltas, { kind: 'part_end', index }];
  const start: TurnEvent = { kind: 'part_start', index, part: part as 'text', choice: 0 };
  const signed = part === 'reasoning' && isSigned ? [sign(index, index % 2 === 0 ? OWN : GEMINI)] : [];
  return [start, ...deltas, ...signed, { kind: 'part_end', index }];
}

/** Parts start in order; from then on their events may come in any order among one another. */
function interleave(queues: readonly TurnEvent[][], picks: readonly number[]): TurnEvent[] {
  const events: TurnEvent[] = [];
  const running: TurnEvent[][] = [];
  const waiting = queues.map((queue) => [...queue]);
  for (const pick of picks) {
    const isNext = waiting.length > 0 && (running.length === 0 || pick % 3 === 0);
    const queue = isNext ? waiting.shift() : running[pick % running.length];
    if (queue === undefined) break;
    const event = queue.shift();
    if (event !== undefined) events.push(event);
    if (isNext && queue.length > 0) running.push(queue);
    if (!isNext && queue.length === 0) running.splice(running.indexOf(queue), 1);
  }
  return [...events, ...running.flat(), ...waiting.flat()];
}
