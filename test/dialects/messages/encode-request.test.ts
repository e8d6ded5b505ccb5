import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { objectsOf } from '#data-plane/dialects/json-access.ts';
import type { Part, TurnMessage } from '#data-plane/dialects/turn.ts';
import { isFault } from '#shared/fault.ts';
import {
  assistant,
  block,
  call,
  encode,
  HI,
  LOOK,
  result,
  TARGET,
  text,
  tryEncode,
  user,
} from './sent-turns.ts';

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
