import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AnswerReader } from '#data-plane/dialects/dialect.ts';
import { MessagesAnswerReader } from '#data-plane/dialects/messages/read-answer.ts';
import { ResponsesAnswerReader } from '#data-plane/dialects/responses/read-answer.ts';

/** One run of events of a kind: how an event with a text and a number looks, and the texts. */
type Shape = (text: string, number: number) => string;

const delta = (more: object): string =>
  JSON.stringify({ type: 'content_block_delta', index: 0, delta: more });
const MESSAGES_SHAPES: readonly Shape[] = [
  (text) => delta({ type: 'text_delta', text }),
  (text) => delta({ type: 'thinking_delta', thinking: text }),
  (text) => delta({ type: 'input_json_delta', partial_json: text }),
  (text) => delta({ type: 'text_delta', text, citation: null }),
  (text) => delta({ type: 'text_delta', text, thinking: text }),
  (text) => delta({ type: 'signature_delta', signature: text }),
  (text) => JSON.stringify({ delta: { text }, type: 'ping' }),
  (text) => JSON.stringify({ delta: { text }, type: 'content_block_delta', error: { message: text } }),
  (text, number) =>
    JSON.stringify({ type: 'message_delta', delta: { text }, usage: { output_tokens: number } }),
  (text) => JSON.stringify({ type: 'content_block_start', content_block: { type: 'text', text } }),
  (text) => delta({ type: 'text_delta', text }).slice(0, -1),
  () => '{"type":"message_stop"}',
];

const RESPONSES_SHAPES: readonly Shape[] = [
  (text, number) =>
    JSON.stringify({
      type: 'response.output_text.delta',
      sequence_number: number,
      delta: text,
      obfuscation: text,
    }),
  (text, number) =>
    JSON.stringify({ obfuscation: 'x', delta: text, sequence_number: number, type: 'response.x' }),
  (text) => JSON.stringify({ type: 'response.output_text.delta', delta: text }),
  (text, number) => `{"type":"response.x","sequence_number":${number}.0,"delta":${JSON.stringify(text)}}`,
  (text, number) => `{"type":"response.x","sequence_number":0${number},"delta":${JSON.stringify(text)}}`,
  (text) => `{"type":"response.x","delta":${JSON.stringify(text)},"delta":${JSON.stringify(text)}}`,
  (text, number) => JSON.stringify({ type: 'response.x', sequence_number: number, delta: { text } }),
  (text, number) => JSON.stringify({ type: 'response.x', sequence_number: number, delta: text, model: text }),
  (text, number) => JSON.stringify({ type: 'keepalive', sequence_number: number, delta: text }),
  (text, number) => JSON.stringify({ type: 'response.x', sequence_number: -number, delta: text }),
];

/** What a reader makes of an event, as far as others see it. */
function seenBy(reader: AnswerReader, payload: string) {
  const bytes = Buffer.from(`..${payload}..`);
  const textBytes = reader.textBytes;
  const piece = reader.readChunk(bytes, 2, bytes.length - 2);
  const model = reader.modelEnd === 0 ? '' : bytes.toString('utf8', reader.modelStart, reader.modelEnd);
  return { piece, model, textBytes: reader.textBytes - textBytes };
}

function checkRuns(shapes: readonly Shape[], open: () => AnswerReader): void {
  const texts = fc.oneof(fc.string(), fc.constantFrom('', '"', '\\', '"}', 'é😀'));
  const event = fc.tuple(texts, fc.nat({ max: 2_000 }));
  const runs = fc.array(fc.tuple(fc.constantFrom(...shapes), fc.array(event, { maxLength: 5 })), {
    maxLength: 6,
  });
  fc.assert(
    fc.property(runs, (parts) => {
      const payloads = parts.flatMap(([shape, events]) =>
        events.map(([text, number]) => shape(text, number)),
      );
      const together = open();
      for (const payload of payloads) {
        const alone = open();
        const before = together.nextSequenceNumber;
        expect(seenBy(together, payload)).toEqual(seenBy(alone, payload));
        const numbered = /"sequence_number":\d/.test(payload);
        if (before !== undefined && numbered && !payload.includes(':0') && !payload.includes('{"text"'))
          expect(together.nextSequenceNumber).toBe(alone.nextSequenceNumber);
      }
    }),
    { seed: 12, numRuns: 2_000 },
  );
}

describe('an event that repeats the one before but for its text and number', () => {
  it('is read as if it were alone in a stream of Messages', () => {
    checkRuns(MESSAGES_SHAPES, () => new MessagesAnswerReader());
  });

  it('is read as if it were alone in a stream of Responses', () => {
    checkRuns(RESPONSES_SHAPES, () => new ResponsesAnswerReader());
  });

  it('is counted on where a Responses provider leaves its number out', () => {
    const reader = new ResponsesAnswerReader();
    for (const text of ['a', 'b', 'c']) seenBy(reader, JSON.stringify({ type: 'response.x', delta: text }));
    expect(reader.nextSequenceNumber).toBe(3);
    seenBy(reader, JSON.stringify({ type: 'response.x', sequence_number: 41, delta: 'd' }));
    seenBy(reader, JSON.stringify({ type: 'response.x', sequence_number: 42, delta: 'e' }));
    expect(reader.nextSequenceNumber).toBe(43);
  });
});
