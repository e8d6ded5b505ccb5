import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chatClientCodec, chatProviderCodec } from '#data-plane/dialects/chat/chat-codec.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { isFault } from '#shared/fault.ts';
import { target } from './chat-requests.ts';

describe('no input', () => {
  const SEED = 20_261_121;
  const words = [
    'model',
    'messages',
    'role',
    'content',
    'tool_calls',
    'id',
    'type',
    'text',
    'function',
    'name',
    'arguments',
    'user',
    'assistant',
    'tool',
    'tool_call_id',
    'image_url',
    'url',
    'choices',
    'delta',
    'index',
    'finish_reason',
    'reasoning_details',
    'logprobs',
    'usage',
    'error',
    'tools',
    'stop',
    'response_format',
    'file',
    'input_audio',
    'video',
    'thinking',
    'message',
    'data:,%',
  ];
  const word = fc.oneof(fc.constantFrom(...words), fc.string());
  const { tree } = fc.letrec<{ tree: unknown; leaf: unknown }>((tie) => ({
    leaf: fc.oneof(word, fc.integer(), fc.boolean(), fc.constant(null)),
    tree: fc.oneof(
      { maxDepth: 5 },
      tie('leaf'),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(word, tie('tree'), { maxKeys: 5 }),
    ),
  }));
  const object = fc.dictionary(word, tree, { maxKeys: 6 }) as fc.Arbitrary<JsonObject>;
  const message = fc.record(
    {
      role: fc.constantFrom('user', 'assistant', 'tool', 'system'),
      content: tree,
      tool_calls: tree,
      reasoning_details: tree,
    },
    { requiredKeys: ['role'] },
  );

  it('makes the reader of requests or their writer throw', () => {
    const request = fc.record({ messages: fc.array(message, { minLength: 1, maxLength: 3 }) });
    fc.assert(
      fc.property(
        fc.oneof(
          object,
          fc.tuple(object, request).map(([a, b]) => ({ ...a, ...b })),
        ),
        (body) => {
          const turn = chatClientCodec.decodeRequest(body as JsonObject);
          if (!isFault(turn))
            for (const vendor of ['openai', 'mistral', 'openrouter'])
              chatProviderCodec.encodeRequest(turn, target(vendor));
        },
      ),
      { seed: SEED, numRuns: 3_000 },
    );
  });

  it('makes the reader of answers throw, or speak after its end', () => {
    const choice = fc.record(
      { index: fc.integer({ min: 0, max: 2 }), delta: object, finish_reason: tree },
      { requiredKeys: [] },
    );
    const chunk = fc.oneof(object, fc.record({ id: word, choices: fc.array(choice, { maxLength: 2 }) }));
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 6 }), (chunks) => {
        const kinds: string[] = [];
        const decoder = chatProviderCodec.createStreamDecoder((event) => kinds.push(event.kind));
        for (const item of chunks) decoder.frame('', JSON.stringify(item));
        decoder.end();
        expect(kinds.filter((kind) => kind === 'turn_end' || kind === 'turn_fault')).toEqual([kinds.at(-1)]);
      }),
      { seed: SEED, numRuns: 3_000 },
    );
  });
});
