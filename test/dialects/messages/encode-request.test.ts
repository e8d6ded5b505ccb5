import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EncodedRequest, ProviderTarget } from '#data-plane/dialects/codec.ts';
import { objectOf, objectsOf } from '#data-plane/dialects/json-access.ts';
import { MESSAGES_CLIENT, MESSAGES_PROVIDER } from '#data-plane/dialects/messages/messages-codec.ts';
import type { JsonObject, Part, TurnMessage, TurnRequest } from '#data-plane/dialects/turn.ts';
import { type Fault, isFault } from '#shared/fault.ts';
import { unplaced } from '#test/dialects/unplaced-turn.ts';
import { compileSchemas, hasMaterial, readRecordings } from './messages-material.ts';

const TARGET: ProviderTarget = {
  providerModel: 'claude-haiku-4-5',
  vendor: 'anthropic',
  maxOutputTokens: 64_000,
  capabilities: { reasoningEfforts: ['low', 'medium', 'high'], thinkingBudget: true, temperature: true },
};
const NEWER: ProviderTarget = {
  ...TARGET,
  providerModel: 'claude-opus-4-8',
  capabilities: { ...TARGET.capabilities, temperature: false },
};
const HI: TurnMessage = { role: 'user', parts: [{ kind: 'text', text: 'Hi' }] };

function encode(fields: Partial<TurnRequest>, target = TARGET): EncodedRequest {
  const encoded = tryEncode(fields, target);
  if (isFault(encoded)) throw new Error(JSON.stringify(encoded));
  return encoded;
}

function tryEncode(fields: Partial<TurnRequest>, target = TARGET): EncodedRequest | Fault {
  const turn = { stream: false, messages: [HI], tools: [], extras: {}, ...fields };
  return MESSAGES_PROVIDER.encodeRequest(turn, target);
}

const user = (...parts: Part[]): TurnMessage => ({ role: 'user', parts });
const assistant = (...parts: Part[]): TurnMessage => ({ role: 'assistant', parts });
const text = (words: string): Part => ({ kind: 'text', text: words });
const call = (id: string, argumentsJson = '{}'): Part => ({
  kind: 'tool_call',
  id,
  name: 'look',
  argumentsJson,
});
const result = (callId: string, ...content: Part[]): Part => ({
  kind: 'tool_result',
  callId,
  content,
  failed: false,
});
const block = (words: string) => ({ type: 'text', text: words });
const LOOK = { kind: 'function', name: 'look', parameters: { type: 'object', properties: {} } } as const;

describe.skipIf(!hasMaterial)('a recorded Messages request sent on (needs the shared material)', () => {
  const schemas = hasMaterial ? compileSchemas('2023-06-01') : undefined;
  const unpublished =
    /"type":"(mcp_tool_use|advisor_20260301|tool_addition|computer_20250124)"|"mcp_servers"/;
  const requests = readRecordings().flatMap(({ name, status, request }) =>
    request === undefined || status !== 200 || name.includes('count-tokens') ? [] : [{ name, request }],
  );

  it('exists, and the schema can refuse', () => {
    expect(requests.length).toBeGreaterThan(25);
    expect(schemas?.createRequest({ model: 'x', messages: [] })).toBe(false);
  });

  it.each(requests)('$name fits the published schema and keeps its conversation', ({ request }) => {
    const turn = MESSAGES_CLIENT.decodeRequest(request);
    if (isFault(turn)) throw new Error(JSON.stringify(turn));
    const encoded = MESSAGES_PROVIDER.encodeRequest(turn, TARGET);
    if (isFault(encoded)) throw new Error(JSON.stringify(encoded));
    const { body } = encoded;
    expect(normal(objectsOf(body.messages))).toEqual(normal(objectsOf(request.messages)));
    expect(body.max_tokens).toBe(Math.min(Number(request.max_tokens), 64_000));
    expect(body.stream).toBe(request.stream === true ? true : undefined);
    if (!unpublished.test(JSON.stringify(body))) {
      const validate = body.stream === true ? schemas?.createStreamRequest : schemas?.createRequest;
      expect(validate?.(body), JSON.stringify(validate?.errors)).toBe(true);
    }
  });

  it.each(requests)('$name reads the same after it was written', ({ request }) => {
    const turn = MESSAGES_CLIENT.decodeRequest(request);
    if (isFault(turn)) throw new Error(JSON.stringify(turn));
    const encoded = MESSAGES_PROVIDER.encodeRequest(turn, { ...TARGET, maxOutputTokens: undefined });
    if (isFault(encoded)) throw new Error(JSON.stringify(encoded));
    const again = MESSAGES_CLIENT.decodeRequest(encoded.body);
    if (isFault(again)) throw new Error(JSON.stringify(again));
    const {
      reasoning: _,
      tools: __,
      extras: ___,
      format: ____,
      temperature: _____,
      topP: ______,
      ...rest
    } = unplaced(turn);
    expect(again).toMatchObject(rest);
  });

  /** What may differ without meaning: text for a block, defaults said or not, fields that the turn reports as lost. */
  function normal(messages: readonly JsonObject[]): unknown {
    return messages.map(({ role, content }) => ({
      role,
      content: typeof content === 'string' ? [block(content)] : objectsOf(content).map(normalBlock),
    }));
  }

  function normalBlock(given: JsonObject): JsonObject {
    const { citations: _, caller: __, cache_control, is_error, content, ...rest } = given;
    const mark = cache_control === undefined || cache_control === null ? {} : { marked: true };
    const nested =
      content === undefined
        ? {}
        : { content: typeof content === 'string' ? [block(content)] : JSON.parse(JSON.stringify(content)) };
    return { ...rest, ...nested, ...mark, ...(is_error === true ? { is_error } : {}) };
  }
});

describe('a turn sent to a Messages provider', () => {
  it('goes to its path with its version, and states a limit', () => {
    expect(encode({})).toEqual({
      path: '/v1/messages',
      headers: ['anthropic-version', '2023-06-01'],
      dropped: [],
      body: {
        model: 'claude-haiku-4-5',
        max_tokens: 64_000,
        messages: [{ role: 'user', content: [block('Hi')] }],
      },
    });
    expect(encode({ maxOutputTokens: 10 }).body.max_tokens).toBe(10);
    expect(encode({ maxOutputTokens: 100_000 }).body.max_tokens).toBe(64_000);
    expect(encode({}, { ...TARGET, maxOutputTokens: undefined }).body.max_tokens).toBe(4096);
  });

  it('puts prompts before the conversation into `system`, later ones into user text', () => {
    const { body } = encode({
      messages: [
        { role: 'system', parts: [text('Be kind.')] },
        { role: 'developer', parts: [{ kind: 'text', text: 'Be brief.', cache: { ttl: '1h' } }] },
        HI,
        { role: 'developer', parts: [text('Be quick.')] },
      ],
    });
    expect(body.system).toEqual([
      block('Be kind.'),
      { ...block('Be brief.'), cache_control: { type: 'ephemeral', ttl: '1h' } },
    ]);
    expect(body.messages).toEqual([
      { role: 'user', content: [block('Hi'), block('<system>\nBe quick.\n</system>')] },
    ]);
  });

  it('puts all results first into the one user message after the calls', () => {
    const { body } = encode({
      tools: [LOOK],
      messages: [
        HI,
        assistant(call('a')),
        assistant(text('Looking.'), call('b')),
        user(result('b', text('two'))),
        user(text('Also:')),
        user(result('a', text('one'))),
      ],
    });
    expect(body.messages).toEqual([
      { role: 'user', content: [block('Hi')] },
      {
        role: 'assistant',
        content: [
          block('Looking.'),
          { type: 'tool_use', id: 'a', name: 'look', input: {} },
          { type: 'tool_use', id: 'b', name: 'look', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'b', content: [block('two')] },
          { type: 'tool_result', tool_use_id: 'a', content: [block('one')] },
          block('Also:'),
        ],
      },
    ]);
  });

  it('leaves out text without visible characters, and messages that held nothing else', () => {
    const { body } = encode({ messages: [HI, assistant(text('')), user(text(' \n'), text('Well?'))] });
    expect(body.messages).toEqual([{ role: 'user', content: [block('Hi'), block('Well?')] }]);
    expect(tryEncode({ messages: [user(text(' '))] })).toMatchObject({ kind: 'invalid_messages' });
  });

  it('begins with the user and ends an answer begun by the client without white space', () => {
    expect(
      encode({ messages: [assistant(text('Once upon ')), HI, assistant(text('a time '))] }).body.messages,
    ).toEqual([
      { role: 'user', content: [block('Continue the conversation.')] },
      { role: 'assistant', content: [block('Once upon ')] },
      { role: 'user', content: [block('Hi')] },
      { role: 'assistant', content: [block('a time')] },
    ]);
  });

  it.each<[string, TurnMessage[]]>([
    ['a result without a call', [HI, user(result('a'))]],
    ['a call without a result', [HI, assistant(call('a')), user(text('Well?'))]],
    [
      'a result after the next answer',
      [HI, assistant(call('a')), HI, assistant(text('So')), user(result('a'))],
    ],
    ['a call at the end', [HI, assistant(call('a'))]],
  ])('with %s is refused', (_what, messages) => {
    expect(tryEncode({ messages, tools: [LOOK] })).toMatchObject({ kind: 'tool_call_id_mismatch' });
  });

  it('gives calls ids that the provider takes, the same in call and result and in every turn', () => {
    const messages = [
      HI,
      assistant(call('functions.look:0'), call('')),
      user(result('functions.look:0'), result('')),
      assistant(call('functions.look:0')),
      user(result('functions.look:0')),
    ];
    const sent = objectsOf(encode({ messages, tools: [LOOK] }).body.messages);
    const ids = sent.flatMap(({ content }) =>
      objectsOf(content).flatMap(({ id, tool_use_id }) => id ?? tool_use_id ?? []),
    );
    expect(ids).toEqual([
      'functions_look_0',
      'call',
      'functions_look_0',
      'call',
      'functions_look_0_2',
      'functions_look_0_2',
    ]);
  });

  it('gives its own reasoning back unchanged and reports that of others', () => {
    const own = { family: 'messages', kind: 'thinking', value: 'EqAB==' } as const;
    const foreign = { family: 'gemini', kind: 'thought', value: 'Ci' } as const;
    const { body, dropped } = encode({
      messages: [
        HI,
        assistant(
          { kind: 'reasoning', text: 'Hm', signature: own },
          { kind: 'reasoning', text: '', signature: { ...own, kind: 'redacted', value: 'Ev' } },
          { kind: 'reasoning', text: 'Foreign', signature: foreign },
          { kind: 'reasoning', text: 'Unsigned' },
          { kind: 'tool_call', id: 'a', name: 'look', argumentsJson: '', signature: foreign },
        ),
        user(result('a')),
      ],
      tools: [LOOK],
    });
    expect(objectsOf(body.messages)[1]?.content).toEqual([
      { type: 'thinking', thinking: 'Hm', signature: 'EqAB==' },
      { type: 'redacted_thinking', data: 'Ev' },
      { type: 'tool_use', id: 'a', name: 'look', input: {} },
    ]);
    expect(dropped).toEqual(['messages[1].content[2]', 'messages[1].content[3]', 'messages[1].content[4]']);
    expect(JSON.stringify(body)).not.toMatch(/Foreign|Unsigned|"Ci"/);
  });

  it('keeps arguments that are no object under `input`, and a free-text call as one', () => {
    const custom: Part = {
      kind: 'tool_call',
      id: 'c',
      name: 'patch',
      argumentsJson: '*** Begin',
      custom: true,
    };
    const { body } = encode({
      messages: [
        HI,
        assistant(call('a', '[1]'), call('b', '{"x"'), custom),
        user(result('a'), result('b'), result('c')),
      ],
      tools: [
        LOOK,
        { kind: 'custom', name: 'patch', description: 'Edits', format: { type: 'grammar', syntax: 'lark' } },
      ],
    });
    expect(objectsOf(objectsOf(body.messages)[1]?.content).map(({ input }) => input)).toEqual([
      { input: [1] },
      { input: '{"x"' },
      { input: '*** Begin' },
    ]);
    expect(objectsOf(body.tools)[1]).toEqual({
      name: 'patch',
      description: expect.stringContaining('lark grammar'),
      input_schema: {
        type: 'object',
        properties: { input: { type: 'string' } },
        required: ['input'],
        additionalProperties: false,
      },
    });
  });

  it('sends images and documents, and errors of tools with their images', () => {
    const image: Part = {
      kind: 'media',
      media: 'image',
      source: { kind: 'url', url: 'https://example.org/a.png' },
    };
    const csv = Buffer.from('a;ü').toString('base64');
    const { body } = encode({
      tools: [LOOK],
      messages: [
        user(
          image,
          {
            kind: 'media',
            media: 'document',
            filename: 'a.pdf',
            source: { kind: 'base64', mediaType: 'application/pdf', data: 'JVBE' },
          },
          { kind: 'media', media: 'document', source: { kind: 'base64', mediaType: 'text/csv', data: csv } },
        ),
        assistant(call('a')),
        user({ kind: 'tool_result', callId: 'a', content: [image], failed: true, cache: { ttl: '5m' } }),
      ],
    });
    const url = { type: 'image', source: { type: 'url', url: 'https://example.org/a.png' } };
    expect(objectsOf(body.messages).map(({ content }) => content)).toEqual([
      [
        url,
        {
          type: 'document',
          title: 'a.pdf',
          source: { type: 'base64', media_type: 'application/pdf', data: 'JVBE' },
        },
        { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'a;ü' } },
      ],
      [expect.anything()],
      [
        {
          type: 'tool_result',
          tool_use_id: 'a',
          content: [url],
          is_error: true,
          cache_control: { type: 'ephemeral' },
        },
      ],
    ]);
  });

  it.each<[string, Part]>([
    [
      'audio',
      { kind: 'media', media: 'audio', source: { kind: 'base64', data: 'x', mediaType: 'audio/wav' } },
    ],
    ['video', { kind: 'media', media: 'video', source: { kind: 'url', url: 'https://example.org' } }],
    [
      'a file of another provider',
      { kind: 'media', media: 'document', source: { kind: 'file_id', id: 'file-1', family: 'chat' } },
    ],
    [
      'a spreadsheet',
      {
        kind: 'media',
        media: 'document',
        source: { kind: 'base64', data: 'x', mediaType: 'application/vnd.ms-excel' },
      },
    ],
  ])('with %s is refused', (_what, part) => {
    expect(tryEncode({ messages: [user(part)] })).toMatchObject({
      kind: 'unsupported_parameter',
      param: 'messages[0].content[0]',
    });
  });

  it('names the beta that files need', () => {
    const file: Part = {
      kind: 'media',
      media: 'document',
      source: { kind: 'file_id', id: 'file_1', family: 'messages' },
    };
    expect(encode({ messages: [user(file)] }).headers.slice(2)).toEqual([
      'anthropic-beta',
      'files-api-2025-04-14',
    ]);
  });

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

  it('of any kind and order is sent in turns, or refused', () => {
    const part = fc.oneof(
      fc.string().map(text),
      fc.constantFrom('a', 'b').map((id) => call(id)),
      fc.constantFrom('a', 'b').map((id) => result(id, text('seen'))),
      fc.string().map((words): Part => ({ kind: 'reasoning', text: words })),
    );
    const message = fc.record({
      role: fc.constantFrom('user', 'assistant', 'system', 'developer'),
      parts: fc.array(part, { maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), (messages) => {
        const encoded = tryEncode({ messages, tools: [LOOK] });
        if (isFault(encoded)) return;
        const roles = objectsOf(encoded.body.messages).map(({ role }) => role);
        expect(roles[0]).toBe('user');
        for (let at = 1; at < roles.length; at += 1) expect(roles[at]).not.toBe(roles[at - 1]);
        const written = JSON.stringify(encoded.body);
        const spoken = messages.flatMap(({ parts }) => parts).filter((each) => each.kind === 'text');
        for (const { text: words } of spoken)
          expect(written).toContain(JSON.stringify(words.trimEnd()).slice(1, -1));
      }),
      { seed: 20_261_121, numRuns: 500 },
    );
  });
});
