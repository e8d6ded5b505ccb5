import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { geminiProviderCodec } from '#data-plane/dialects/gemini/gemini-codec.ts';

describe('no input', () => {
  const SEED = 20_261_121;
  const names = [
    'candidates',
    'content',
    'parts',
    'text',
    'thought',
    'thoughtSignature',
    'functionCall',
    'name',
    'args',
    'partialArgs',
    'jsonPath',
    '$.a.b',
    '$.a[0]',
    '$.__proto__.x',
    'stringValue',
    'numberValue',
    'willContinue',
    'finishReason',
    'STOP',
    'groundingMetadata',
    'groundingChunks',
    'usageMetadata',
    'promptTokenCount',
    'index',
    'error',
    'promptFeedback',
  ];
  const word = fc.oneof(fc.constantFrom(...names), fc.string());
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      fc.oneof(word, fc.integer(), fc.boolean(), fc.constant(null)),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(word, tie('tree'), { maxKeys: 3 }),
    ),
  }));

  it('makes the reader of answers throw, or speak after its end', () => {
    const functionCall = fc.record(
      {
        name: word,
        args: tree,
        partialArgs: fc.array(fc.dictionary(word, tree, { maxKeys: 4 }), { maxLength: 3 }),
        willContinue: fc.boolean(),
      },
      { requiredKeys: [] },
    );
    const part = fc.oneof(
      tree,
      fc.record({ functionCall }),
      fc.record({ text: word, thought: fc.boolean(), thoughtSignature: word }, { requiredKeys: [] }),
    );
    const chunk = fc.oneof(
      tree,
      fc.record({
        candidates: fc.array(
          fc.record({ content: fc.record({ parts: fc.array(part, { maxLength: 4 }) }), finishReason: word }),
          { maxLength: 2 },
        ),
      }),
    );
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 6 }), (chunks) => {
        const kinds: string[] = [];
        const decoder = geminiProviderCodec.createStreamDecoder((event) => kinds.push(event.kind));
        for (const item of chunks) decoder.frame('', JSON.stringify(item));
        decoder.end();
        expect(kinds.filter((kind) => kind === 'turn_end' || kind === 'turn_fault')).toEqual([kinds.at(-1)]);
        expect(Object.hasOwn(Object.prototype, 'x')).toBe(false);
      }),
      { seed: SEED, numRuns: 2_000 },
    );
  });
});
