import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isJsonObject } from '#data-plane/dialects/json-access.ts';
import { responsesClient, responsesProvider } from '#data-plane/dialects/responses/responses-codec.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { isFault } from '#shared/fault.ts';
import { foldAnswer, grammarFaults } from '#test/dialects/event-grammar.ts';
import {
  decodeStream,
  decodeWhole,
  encodeStream,
  expectSoundLifecycle,
  identity,
  textsOf,
} from './answer-checks.ts';

const target = {
  providerModel: 'gpt-x',
  vendor: 'openai',
  maxOutputTokens: undefined,
  capabilities: { reasoningEfforts: undefined, thinkingBudget: false },
};

/** JSON made of the words of this protocol, right and wrong, and of anything else. */
const words = [
  'message',
  'reasoning',
  'function_call',
  'function_call_output',
  'custom_tool_call',
  'custom_tool_call_output',
  'item_reference',
  'web_search_call',
  'input_text',
  'output_text',
  'refusal',
  'input_image',
  'input_file',
  'input_audio',
  'summary_text',
  'reasoning_text',
  'user',
  'assistant',
  'system',
  'developer',
  'c1',
  'auto',
  'namespace',
  'function',
  'custom',
  'json_schema',
  'data:image/png;base64,AA',
  'https://example.com',
  'allowed_tools',
  'response.created',
  'response.output_item.added',
  'response.output_item.done',
  'response.output_text.delta',
  'response.completed',
  'response.failed',
  'response.incomplete',
  'error',
  'completed',
  'incomplete',
  'failed',
];
const keys = [
  'type',
  'role',
  'content',
  'text',
  'input',
  'output',
  'call_id',
  'id',
  'name',
  'arguments',
  'summary',
  'tools',
  'tool_choice',
  'instructions',
  'reasoning',
  'effort',
  'include',
  'metadata',
  'format',
  'schema',
  'image_url',
  'file_data',
  'file_id',
  'filename',
  'encrypted_content',
  'namespace',
  'item',
  'response',
  'status',
  'delta',
  'output_index',
  'content_index',
  'summary_index',
  'item_id',
  'error',
  'code',
  'usage',
  'input_tokens',
  'output_tokens',
  'annotation',
  'url',
  'logprobs',
  'part',
  'function',
  'mode',
  'phase',
  'top_logprobs',
  'stream',
];
const json = fc.letrec<{ value: JsonValue; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: 'small' },
    fc.constantFrom<JsonValue>(...words),
    fc.constantFrom<JsonValue>(null, true, false, 0, 1, -1, 1.5, '', 'é'),
    fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<JsonValue>,
    fc.array(tie('value'), { maxLength: 4 }),
    tie('object'),
  ),
  object: fc.dictionary(fc.constantFrom(...keys), tie('value'), { maxKeys: 8 }),
}));

/** The properties, each tried so often; the seed makes a failure come again. */
export function describeProperties(numRuns: number): void {
  const RUNS = { seed: 20_261_121, numRuns };

  describe('whatever arrives', () => {
    it('a request becomes a turn or a fault with a field, and a turn a request', () => {
      let turns = 0;
      fc.assert(
        fc.property(json.object, (body) => {
          const turn = responsesClient.decodeRequest(body);
          if (isFault(turn)) {
            expect(turn.param).toEqual(expect.any(String));
            return;
          }
          turns += 1;
          const encoded = responsesProvider.encodeRequest(turn, target);
          if (!isFault(encoded)) expect(encoded.body.store).toBe(false);
          JSON.stringify(responsesClient.encodeBody(identity(body), [{ kind: 'turn_end' }]));
        }),
        RUNS,
      );
      expect(turns).toBeGreaterThan(0);
    });

    it('items become messages or a fault', () => {
      const items = fc.array(json.object, { minLength: 1, maxLength: 5 });
      fc.assert(
        fc.property(items, (input) => {
          const turn = responsesClient.decodeRequest({ input });
          if (!isFault(turn)) responsesProvider.encodeRequest(turn, target);
        }),
        RUNS,
      );
    });

    it('a stream ends exactly once, its parts balanced, and a client can read it', () => {
      const event = fc
        .tuple(fc.constantFrom(...words), json.object)
        .map(([type, payload]) => ({ ...payload, type }));
      fc.assert(
        fc.property(fc.array(event, { maxLength: 12 }), (payloads) => {
          const events = decodeStream(
            payloads.map((payload) => ({ name: '', data: JSON.stringify(payload) })),
          );
          expect(grammarFaults(events)).toEqual([]);
          expect(events.filter(({ kind }) => kind === 'turn_end' || kind === 'turn_fault')).toHaveLength(1);
          if (events.at(-1)?.kind === 'turn_end') expectSoundLifecycle(encodeStream(events));
        }),
        RUNS,
      );
    });

    it('a body ends exactly once', () => {
      fc.assert(
        fc.property(json.object, fc.constantFrom('completed', 'incomplete', undefined), (body, status) => {
          const given = status === undefined ? body : { ...body, status };
          const events = decodeWhole(given as JsonObject);
          expect(grammarFaults(events)).toEqual([]);
          expect(events.at(-1)?.kind).toMatch(/^turn_(end|fault)$/);
        }),
        RUNS,
      );
    });

    it('an error answer is always judged, and never in words about us', () => {
      fc.assert(
        fc.property(json.value, fc.constantFrom(200, 400, 401, 404, 429, 500), (body, status) => {
          const judged = responsesProvider.readProviderFault(
            status,
            undefined,
            Buffer.from(JSON.stringify(body)),
          );
          if (status === 401) expect(judged.fault.kind).toBe('provider_error');
          expect(judged.fault.kind).toMatch(/^(provider_error|provider_rate_limited|invalid_request)$/);
        }),
        RUNS,
      );
    });
  });

  describe('whatever an answer says', () => {
    const kinds = fc.constantFrom<'text' | 'reasoning' | 'refusal' | 'tool_call'>(
      'text',
      'reasoning',
      'refusal',
      'tool_call',
    );
    const part = fc.record({
      kind: kinds,
      pieces: fc.array(fc.string({ unit: 'grapheme', maxLength: 12 }), { maxLength: 4 }),
    });

    it('no text is lost on the way to the client, and back from one that is a provider', () => {
      fc.assert(
        fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
          const events: TurnEvent[] = [{ kind: 'turn_start', upstreamId: 'u' }];
          parts.forEach(({ kind, pieces }, index) => {
            if (kind === 'tool_call')
              events.push({
                kind: 'part_start',
                index,
                part: kind,
                choice: 0,
                callId: `c${index}`,
                name: 'f',
              });
            else events.push({ kind: 'part_start', index, part: kind, choice: 0 });
            for (const text of pieces) events.push({ kind: 'part_delta', index, text });
            events.push({ kind: 'part_end', index });
          });
          events.push({ kind: 'choice_end', choice: 0, reason: 'stop' }, { kind: 'turn_end' });
          const told = (wanted: string) =>
            parts
              .map(({ kind, pieces }) =>
                kind === wanted ? pieces.join('') || (kind === 'tool_call' ? '{}' : '') : '',
              )
              .join('');
          const stream = encodeStream(events);
          const response = expectSoundLifecycle(stream);
          const expected = {
            text: told('text'),
            refusal: told('refusal'),
            reasoning: told('reasoning'),
            arguments: told('tool_call'),
          };
          expect(textsOf(response)).toEqual(expected);
          const seen: Record<string, string> = { text: '', refusal: '', reasoning: '', tool_call: '' };
          for (const again of foldAnswer(decodeStream(stream)).parts)
            seen[String(again.part)] += String(again.text);
          expect(seen).toEqual({
            text: expected.text,
            refusal: expected.refusal,
            reasoning: expected.reasoning,
            tool_call: expected.arguments,
          });
          expect(isJsonObject(response)).toBe(true);
        }),
        RUNS,
      );
    });
  });
}
