import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChatAnswerReader } from '#data-plane/dialects/chat/read-answer.ts';
import { PIECES } from '#data-plane/dialects/dialect.ts';

const PIECE_NAMES = Object.fromEntries(Object.entries(PIECES).map(([name, value]) => [value, name]));

/** Reads chunks one after the other, as they lie in a larger buffer. */
function readAll(reader: ChatAnswerReader, payloads: readonly string[]): string[] {
  return payloads.map((payload) => {
    const bytes = Buffer.from(`data: ${payload}\n\n`);
    const piece = reader.readChunk(bytes, 6, bytes.length - 2);
    const model = reader.modelEnd === 0 ? '' : bytes.toString('utf8', reader.modelStart, reader.modelEnd);
    return `${PIECE_NAMES[piece]} ${model}`;
  });
}

const chunk = (delta: object, more: object = {}, finish: string | null = null): string =>
  JSON.stringify({ id: 'c', model: 'p', choices: [{ index: 0, delta, finish_reason: finish }], ...more });

describe('pieces of a provider’s stream are told apart', () => {
  it.each([
    ['a role', chunk({ role: 'assistant', content: '' }), 'preamble "p"'],
    ['text', chunk({ content: 'x' }), 'content "p"'],
    ['thoughts', chunk({ reasoning_content: 'x' }), 'content "p"'],
    ['thoughts under another name', chunk({ reasoning: 'x', content: null }), 'content "p"'],
    [
      'typed thoughts',
      chunk({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'x' }] }] }),
      'content "p"',
    ],
    [
      'encrypted thoughts',
      chunk({ reasoning_details: [{ type: 'reasoning.encrypted', data: 'x' }] }),
      'content "p"',
    ],
    ['a refusal', chunk({ refusal: 'no' }), 'content "p"'],
    [
      'a tool call',
      chunk({ tool_calls: [{ index: 0, function: { name: 'f', arguments: '' } }] }),
      'content "p"',
    ],
    ['sound', chunk({ audio: { data: 'AA' } }), 'content "p"'],
    ['a picture', chunk({ images: [{}] }), 'content "p"'],
    ['the end of a choice', chunk({}, {}, 'stop'), 'content "p"'],
    ['nothing yet (Azure)', '{"choices":[],"prompt_filter_results":[{}]}', 'preamble '],
    [
      'usage alone',
      '{"model":"p","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}',
      'usageOnly "p"',
    ],
    [
      'usage beside content',
      chunk({ content: 'x' }, { usage: { prompt_tokens: 1, completion_tokens: 2 } }),
      'content "p"',
    ],
    ['null usage', chunk({ content: 'x' }, { usage: null }), 'content "p"'],
    ['the end', '[DONE]', 'end '],
    ['an error', '{"error":{"message":"x"}}', 'error '],
    ['an error as text', '{"error":"x"}', 'error '],
    [
      'an error within a choice',
      '{"choices":[{"index":0,"error":{"code":502},"delta":{"content":"x"}}]}',
      'error ',
    ],
    ['no error', chunk({ content: 'x' }, { error: null }), 'content "p"'],
    ['broken JSON', '{"choices":[', 'garbage '],
    ['something else', '"hello"', 'garbage '],
  ])('%s', (_, payload, expected) => {
    expect(readAll(new ChatAnswerReader(), [payload])).toEqual([expected]);
  });

  it('the answer is finished once every choice that was seen has ended', () => {
    const of = (index: number, finish: string | null): string =>
      JSON.stringify({ choices: [{ index, delta: { content: 'x' }, finish_reason: finish }] });
    const reader = new ChatAnswerReader();
    const states = [of(0, null), of(1, null), of(0, 'stop'), of(1, 'length')].map((payload) => {
      readAll(reader, [payload]);
      return reader.finished;
    });
    expect(states).toEqual([false, false, false, true]);
  });

  it('the last counts stand, also where only the vendor’s own field has them', () => {
    const reader = new ChatAnswerReader();
    readAll(reader, [chunk({ content: 'x' }, { usage: { prompt_tokens: 8, completion_tokens: 1 } })]);
    expect(reader.usage).toMatchObject({ input: 8, output: 1 });
    readAll(reader, [chunk({}, { x_groq: { usage: { prompt_tokens: 8, completion_tokens: 3 } } }, 'stop')]);
    expect(reader.usage).toMatchObject({ input: 8, output: 3 });
    readAll(reader, [chunk({}, { usage: null })]);
    expect(reader.usage).toMatchObject({ output: 3 });
  });

  it('generated text is measured once, whatever field carries it', () => {
    const reader = new ChatAnswerReader();
    readAll(reader, [
      chunk({ role: 'assistant', content: '12345' }),
      chunk({ reasoning: '123', reasoning_details: [{ type: 'reasoning.text', text: '123' }] }),
      chunk({ tool_calls: [{ index: 0, function: { name: 'weather', arguments: '{"a":1}' } }] }),
    ]);
    expect(reader.textBytes).toBe(5 + 3 + JSON.stringify('{"a":1}').length - 2);
  });
});

describe('a chunk that repeats the one before but for its text', () => {
  const texts = fc.oneof(
    fc.string(),
    fc.constantFrom('', '"', '\\', '","finish_reason":"stop"', '[DONE]', 'é😀'),
  );
  const shapes = fc.constantFrom<(text: string) => string>(
    (text) => chunk({ content: text }),
    (text) => chunk({ content: text }, { usage: null, obfuscation: 'x'.repeat(text.length % 5) }),
    (text) => chunk({ content: text }, { p: text }),
    (text) => JSON.stringify({ choices: [{ index: 0, delta: { content: text } }], model: 'late' }),
    (text) => JSON.stringify({ obfuscation: text, choices: [{ index: 0, delta: { content: text } }] }),
    (text) => chunk({ tool_calls: [{ index: 0, function: { arguments: text } }] }),
    (text) => chunk({ reasoning_content: text }),
    (text) => chunk({ content: text, refusal: text }),
    (text) => chunk({ content: text }, {}, 'stop'),
    (text) => chunk({ content: text }, { usage: { prompt_tokens: text.length, completion_tokens: 1 } }),
    (text) => chunk({ content: text }).slice(0, -1),
    (text) => chunk({ content: text }).replace('"index"', '"Index"'),
  );
  const runs = fc.array(fc.tuple(shapes, fc.array(texts, { minLength: 1, maxLength: 5 })), { maxLength: 6 });

  it('is read exactly as if it were read alone', () => {
    fc.assert(
      fc.property(runs, (parts) => {
        const payloads = parts.flatMap(([shape, words]) => words.map((word) => shape(word)));
        const together = new ChatAnswerReader();
        const seen = readAll(together, payloads);
        let textBytes = 0;
        const alone = payloads.flatMap((payload) => {
          const reader = new ChatAnswerReader();
          const result = readAll(reader, [payload]);
          textBytes += reader.textBytes;
          return result;
        });
        expect(seen).toEqual(alone);
        expect(together.textBytes).toBe(textBytes);
      }),
      { seed: 11, numRuns: 3_000 },
    );
  });
});
