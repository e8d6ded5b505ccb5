import { describe, expect, it } from 'vitest';
import { objectOf, objectsOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, TurnRequest } from '#data-plane/dialects/turn.ts';
import { assistant, call, encode, HI, LOOK, NEWER, result, tryEncode, user } from './sent-turns.ts';

describe('what a turn wishes of a Messages provider', () => {
  it.each<[Partial<TurnRequest>, JsonObject | undefined]>([
    [{}, undefined],
    [{ toolChoice: { kind: 'auto' } }, { type: 'auto' }],
    [{ parallelToolCalls: false }, { type: 'auto', disable_parallel_tool_use: true }],
    [
      { toolChoice: { kind: 'required' }, parallelToolCalls: false },
      { type: 'any', disable_parallel_tool_use: true },
    ],
    [{ toolChoice: { kind: 'tool', name: 'look' } }, { type: 'tool', name: 'look' }],
    [{ toolChoice: { kind: 'none' } }, { type: 'none' }],
  ])('with %o chooses tools by %o', (fields, tool_choice) => {
    expect(encode({ ...fields, tools: [LOOK] }).body.tool_choice).toEqual(tool_choice);
  });

  it('names the tools of its history when it offers none, and rules them out', () => {
    const { body } = encode({ messages: [HI, assistant(call('a')), user(result('a'))] });
    expect(body).toMatchObject({
      tools: [{ name: 'look', input_schema: { type: 'object' } }],
      tool_choice: { type: 'none' },
    });
  });

  it("drops server tools that agents offer anyway, refuses others' that were asked for", () => {
    const server = (type: string) =>
      ({ kind: 'server', family: 'responses', type, value: { type } }) as const;
    const { body, dropped } = encode({ tools: [LOOK, server('web_search')] });
    expect(body.tools).toHaveLength(1);
    expect(dropped).toEqual(['tools[1]']);
    expect(tryEncode({ tools: [server('file_search')] })).toMatchObject({
      kind: 'unsupported_parameter',
      param: 'tools[0]',
    });
    const forced = { kind: 'tool', name: 'web_search' } as const;
    expect(tryEncode({ tools: [LOOK, server('web_search')], toolChoice: forced })).toMatchObject({
      dropped: ['tools[1]', 'tool_choice.tool'],
    });
  });

  it('tells what a tool schema may not say at its top in words', () => {
    const parameters = { anyOf: [{ required: ['a'] }], properties: { a: {} } };
    expect(objectsOf(encode({ tools: [{ ...LOOK, parameters }] }).body.tools)[0]?.input_schema).toEqual({
      type: 'object',
      properties: { a: {} },
      description: '{"anyOf":[{"required":["a"]}]}',
    });
  });

  it('keeps a tool strict while its schema can be enforced', () => {
    const strict = {
      type: 'object',
      properties: { a: { type: 'string' } },
      required: ['a'],
      additionalProperties: false,
    };
    const free = { type: 'object', properties: { a: { type: 'object' } } };
    const { body, dropped } = encode({
      tools: [
        { kind: 'function', name: 'a', parameters: strict, strict: true },
        { kind: 'function', name: 'b', parameters: free, strict: true },
      ],
    });
    expect(body.tools).toEqual([
      { name: 'a', input_schema: strict, strict: true },
      { name: 'b', input_schema: free },
    ]);
    expect(dropped).toEqual(['tools[1]']);
  });

  it('takes sampling within the range of the model', () => {
    expect(encode({ temperature: 0.5, topK: 3, stopSequences: ['x', '\n'] })).toMatchObject({
      body: { temperature: 0.5, top_k: 3, stop_sequences: ['x'] },
      dropped: ['stop'],
    });
    expect(encode({ temperature: 1.6 })).toMatchObject({
      body: { temperature: 1 },
      dropped: ['temperature'],
    });
    const both = encode({ temperature: 0.5, topP: 0.9 });
    expect(both).toMatchObject({ body: { temperature: 0.5 }, dropped: ['top_p'] });
    expect(both.body).not.toHaveProperty('top_p');
    const newer = encode({ temperature: 0.5, topK: 3, topP: 0.9 }, NEWER);
    expect(newer.dropped).toEqual(['temperature', 'top_p', 'top_k']);
    expect(encode({ temperature: 1, topP: 1 }, NEWER).dropped).toEqual([]);
  });

  it('drops and reports what it has no control for, unless that is neutral', () => {
    const wishes = {
      presencePenalty: 1,
      frequencyPenalty: 1,
      seed: 1,
      verbosity: 'low',
      promptCacheKey: 'k',
    };
    const { dropped } = encode({ ...wishes, metadata: { a: 'b' }, extras: { store: true } });
    expect(dropped).toEqual([
      'metadata',
      'store',
      'presence_penalty',
      'frequency_penalty',
      'seed',
      'verbosity',
      'prompt_cache_key',
    ]);
    expect(encode({ presencePenalty: 0, frequencyPenalty: 0, choiceCount: 1 }).dropped).toEqual([]);
  });

  it.each<[string, Partial<TurnRequest>]>([
    ['n', { choiceCount: 2 }],
    ['logprobs', { logprobs: { top: 0 } }],
    ['modalities', { extras: { modalities: ['text', 'audio'] } }],
    ['web_search_options', { extras: { web_search_options: {} } }],
    ['previous_response_id', { extras: { previous_response_id: 'resp_1' } }],
  ])('that asks for %s is refused', (param, fields) => {
    expect(tryEncode(fields)).toMatchObject({ kind: 'unsupported_parameter', param });
  });

  it('maps tiers and end users', () => {
    expect(encode({ serviceTier: 'default', endUser: 'u' }).body).toMatchObject({
      service_tier: 'standard_only',
      metadata: { user_id: 'u' },
    });
    const { body, dropped } = encode({ serviceTier: 'flex', endUser: 'u'.repeat(300) });
    expect(dropped).toEqual(['service_tier']);
    expect(objectOf(body.metadata)?.user_id).toMatch(/^[0-9a-f]{64}$/);
  });

  it('carries fields of its own protocol', () => {
    const context_management = { edits: [{ type: 'clear_tool_uses_20250919' }] };
    const { body, headers } = encode({
      extras: { context_management, cache_control: { type: 'ephemeral' } },
    });
    expect(body).toMatchObject({ context_management, cache_control: { type: 'ephemeral' } });
    expect(headers.at(-1)).toBe('context-management-2025-06-27');
    for (const other of [[{ type: 'compaction' }], { edits: [{ type: 'compact_20260112' }] }])
      expect(encode({ extras: { context_management: other } }).dropped).toEqual(['context_management']);
  });
});
