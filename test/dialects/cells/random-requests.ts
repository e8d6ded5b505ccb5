import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ProviderTarget } from '#data-plane/dialects/codec.ts';
import { providerCodecs } from '#data-plane/dialects/provider-codecs.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import { isFault } from '#shared/fault.ts';
import type { Dialect, ProviderProtocol } from '#shared/usage-record.ts';
import { CLIENTS, DIALECTS } from './recorded-cells.ts';

const PROTOCOLS = Object.keys(providerCodecs) as ProviderProtocol[];

interface Call {
  readonly id: string;
  readonly input: JsonObject;
  readonly result: string;
}

/** A user's words, the model's answer with its calls, and their results; the last one is only the user's words. */
interface Exchange {
  readonly asked: string;
  readonly said: string;
  readonly calls: readonly Call[];
}

interface Conversation {
  readonly system: string | undefined;
  readonly exchanges: readonly Exchange[];
  readonly asked: string;
}

const ascii = { type: 'object', properties: { q: { type: 'string' } } };

/** The same conversation as a client of each dialect sends it. */
const WRITERS: Readonly<Record<Dialect, (conversation: Conversation) => JsonObject>> = {
  chat: ({ system, exchanges, asked }) => ({
    model: 'm',
    tools: [{ type: 'function', function: { name: 'look', parameters: ascii } }],
    messages: [
      ...(system === undefined ? [] : [{ role: 'system', content: system }]),
      ...exchanges.flatMap(({ asked: words, said, calls }): JsonObject[] => [
        { role: 'user', content: words },
        {
          role: 'assistant',
          content: said,
          ...(calls.length === 0 ? {} : { tool_calls: calls.map(chatCall) }),
        },
        ...calls.map(({ id, result }) => ({ role: 'tool', tool_call_id: id, content: result })),
      ]),
      { role: 'user', content: asked },
    ],
  }),
  responses: ({ system, exchanges, asked }) => ({
    model: 'm',
    tools: [{ type: 'function', name: 'look', parameters: ascii }],
    ...(system === undefined ? {} : { instructions: system }),
    input: [
      ...exchanges.flatMap(({ asked: words, said, calls }): JsonObject[] => [
        { role: 'user', content: [{ type: 'input_text', text: words }] },
        {
          type: 'message',
          role: 'assistant',
          content: [{ type: 'output_text', text: said, annotations: [] }],
        },
        ...calls.map(({ id, input }) => ({
          type: 'function_call',
          call_id: id,
          name: 'look',
          arguments: JSON.stringify(input),
        })),
        ...calls.map(({ id, result }) => ({ type: 'function_call_output', call_id: id, output: result })),
      ]),
      { role: 'user', content: asked },
    ],
  }),
  messages: ({ system, exchanges, asked }) => ({
    model: 'm',
    max_tokens: 100,
    tools: [{ name: 'look', input_schema: ascii }],
    ...(system === undefined ? {} : { system }),
    messages: [
      ...exchanges.flatMap(({ asked: words, said, calls }): JsonObject[] => [
        { role: 'user', content: words },
        {
          role: 'assistant',
          content: [
            { type: 'text', text: said },
            ...calls.map(({ id, input }) => ({ type: 'tool_use', id, name: 'look', input })),
          ],
        },
        ...(calls.length === 0
          ? []
          : [{ role: 'user', content: calls.map(({ id, result }) => toolResult(id, result)) }]),
      ]),
      { role: 'user', content: asked },
    ],
  }),
};

function chatCall({ id, input }: Call): JsonObject {
  return { id, type: 'function', function: { name: 'look', arguments: JSON.stringify(input) } };
}

function toolResult(id: string, content: string): JsonObject {
  return { type: 'tool_result', tool_use_id: id, content };
}

/** Words that end in no white space, which some providers may not be sent. */
const words = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 6 }),
);

const conversations = fc
  .record({
    system: fc.option(words, { nil: undefined }),
    exchanges: fc.array(
      fc.record({
        asked: words,
        said: words,
        calls: fc.array(fc.record({ q: words, result: words }), { maxLength: 2 }),
      }),
      { maxLength: 4 },
    ),
    asked: words,
  })
  .map(({ system, exchanges, asked }): Conversation => {
    let count = 0;
    // Every text is unlike all others, so that each can be looked for.
    const marked = (text: string) => `<${count++}>${text}.`;
    return {
      system: system === undefined ? undefined : marked(system),
      exchanges: exchanges.map((exchange) => ({
        asked: marked(exchange.asked),
        said: marked(exchange.said),
        calls: exchange.calls.map(({ q, result }) => ({
          id: `call_${count}`,
          input: { q: marked(q) },
          result: marked(result),
        })),
      })),
      asked: marked(asked),
    };
  });

function textsOf({ system, exchanges, asked }: Conversation): string[] {
  return [
    ...(system === undefined ? [] : [system]),
    ...exchanges.flatMap((exchange) => [
      exchange.asked,
      exchange.said,
      ...exchange.calls.map(({ input }) => String(input.q)),
      ...exchange.calls.map(({ result }) => result),
    ]),
    asked,
  ];
}

/** Every string of a body in order, those inside JSON texts as well. */
function stringsIn(value: JsonValue): string[] {
  if (Array.isArray(value)) return value.flatMap(stringsIn);
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(stringsIn);
  if (typeof value !== 'string') return [];
  return value.startsWith('{') ? stringsIn(JSON.parse(value) as JsonValue) : [value];
}

const target = (protocol: ProviderProtocol): ProviderTarget => ({
  providerModel: 'm',
  vendor: protocol,
  maxOutputTokens: 1_000,
  capabilities: { reasoningEfforts: undefined, thinkingBudget: true },
});

/** Random conversations of every client to every provider: nothing that was said may be missing or in another order. */
export function describeRandomRequests(numRuns: number, timeoutMs: number): void {
  describe('any conversation in any cell', () => {
    it('reaches the provider whole and in order', { timeout: timeoutMs }, () => {
      const cells = fc.record({
        dialect: fc.constantFrom(...DIALECTS),
        protocol: fc.constantFrom(...PROTOCOLS),
        conversation: conversations,
      });
      fc.assert(
        fc.property(cells, ({ dialect, protocol, conversation }) => {
          const turn = CLIENTS[dialect].decodeRequest(WRITERS[dialect](conversation));
          if (isFault(turn)) throw new Error(`${turn.param}: ${turn.message}`);
          const encoded = providerCodecs[protocol].encodeRequest(turn, target(protocol));
          if (isFault(encoded)) throw new Error(`${encoded.param}: ${encoded.message}`);
          expect(encoded.dropped).toEqual([]);
          const sent = stringsIn(encoded.body);
          const texts = textsOf(conversation);
          expect(sent.filter((text) => texts.includes(text)).sort()).toEqual([...texts].sort());
          const spoken = texts.filter((text) => text !== conversation.system);
          expect(sent.filter((text) => spoken.includes(text))).toEqual(spoken);
        }),
        { seed: 20_261_121, numRuns },
      );
    });
  });
}
