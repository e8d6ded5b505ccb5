import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  chatClientDialect,
  messagesClientDialect,
  responsesClientDialect,
} from '#data-plane/dialects/client-dialects.ts';
import { PIECES } from '#data-plane/dialects/dialect.ts';
import { isFault } from '#shared/fault.ts';

const dialects = [chatClientDialect, messagesClientDialect, responsesClientDialect].map(
  (dialect) => [dialect.name, dialect] as const,
);
const words = fc.constantFrom('user', 'assistant', 'message', 'text', 'image', 'function_call_output', 'm');
const leaf = fc.oneof(words, fc.jsonValue({ maxDepth: 1 }), fc.integer({ min: -1, max: 9 }), fc.boolean());
const block = fc.record({ type: leaf, role: leaf, content: leaf, source: leaf, call_id: leaf, text: leaf });
const message = fc.record(
  { type: leaf, role: leaf, content: fc.oneof(leaf, fc.array(fc.oneof(leaf, block))), call_id: leaf },
  { requiredKeys: [] },
);
const list = fc.array(fc.oneof(leaf, message), { maxLength: 4 });
const request = fc.record(
  {
    model: fc.oneof(words, leaf),
    messages: fc.oneof(list, leaf),
    input: fc.oneof(list, leaf),
    max_tokens: leaf,
    stream: leaf,
    metadata: fc.oneof(leaf, fc.record({ user_id: leaf })),
    reasoning: fc.oneof(leaf, fc.record({ effort: leaf })),
    tools: fc.oneof(leaf, fc.array(leaf)),
  },
  { requiredKeys: [] },
);
const answer = fc.record(
  {
    type: fc.oneof(leaf, fc.constantFrom('message_start', 'message_stop', 'response.completed', 'error')),
    message: fc.oneof(leaf, fc.record({ model: leaf, usage: leaf })),
    response: fc.oneof(leaf, fc.record({ model: leaf, usage: fc.record({ input_tokens: leaf }) })),
    delta: fc.oneof(leaf, fc.record({ text: leaf, stop_reason: leaf })),
    usage: fc.oneof(leaf, fc.record({ input_tokens: leaf, output_tokens: leaf, iterations: leaf })),
    error: leaf,
    sequence_number: leaf,
  },
  { requiredKeys: [] },
);
const RUNS = { seed: 20_261_121, numRuns: 1_500 };

describe.each(dialects)('whatever JSON comes, the byte readers of %s', (_, dialect) => {
  it('refuse a request by a rule, or read of it what its parsed form says', () => {
    const property = fc.property(request, (json) => {
      const body = Buffer.from(JSON.stringify(json));
      const read = dialect.readRequest(body);
      if (isFault(read)) return;
      const provided = JSON.parse(dialect.forwardBody(body, read, 'theirs').toString());
      expect(read.model).toBe(json.model);
      expect(read.stream).toBe(json.stream === true);
      expect(provided).toMatchObject({ model: 'theirs' });
    });
    fc.assert(property, RUNS);
  });

  it('judge an answer, and find its model only where a string stands', () => {
    const pieces = new Set<number>(Object.values(PIECES));
    const property = fc.property(answer, (json) => {
      const bytes = Buffer.from(`data: ${JSON.stringify(json)}`);
      const reader = dialect.forward.createAnswerReader();
      expect(pieces.has(reader.readChunk(bytes, 'data: '.length, bytes.length))).toBe(true);
      if (reader.modelEnd > 0)
        expect(typeof JSON.parse(bytes.toString('utf8', reader.modelStart, reader.modelEnd))).toBe('string');
      expect(pieces.has(dialect.forward.createAnswerReader().readBody(bytes.subarray('data: '.length)))).toBe(
        true,
      );
    });
    fc.assert(property, RUNS);
  });
});
