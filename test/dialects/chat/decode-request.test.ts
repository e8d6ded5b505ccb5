import { describe, expect, it } from 'vitest';
import { chatClientCodec } from '#data-plane/dialects/chat/chat-codec.ts';
import { encodeChatRequest } from '#data-plane/dialects/chat/encode-request.ts';
import { packCallId, packSignature } from '#data-plane/dialects/signature-envelope.ts';
import type { JsonObject, ProviderSignature, TurnRequest } from '#data-plane/dialects/turn.ts';
import { isFault } from '#shared/fault.ts';
import { hasRecordings, recordingsOf } from '#test/dialects/provider-recordings.ts';
import { departuresFromOpenAi } from '#test/dialects/published-schemas.ts';
import { ask, decoded, encoded, target, user } from './chat-requests.ts';

const requests = recordingsOf('openai-chat').flatMap(({ name, request }) =>
  request?.messages === undefined ? [] : [{ name, request }],
);

describe.skipIf(!hasRecordings)('recorded chat requests (need CROSSMODEL_SHARED)', () => {
  it.each(requests)('reads $name, writes it for OpenAI and reads the same turn again', ({ request }) => {
    const asked = { ...request, ...(request.tool_choice === 'any' ? { tool_choice: 'required' } : {}) };
    const turn = decoded(asked);
    const { body } = encoded(turn, 'openai');
    expect(departuresFromOpenAi('CreateChatCompletionRequest', body)).toEqual([]);
    const again = decoded(body);
    // OpenAI takes no thoughts, no fields of other vendors and no breakpoints.
    expect(withoutThoughts(again)).toEqual(withoutThoughts(turn));
  });

  it.each(requests.filter(({ name }) => name.startsWith('clients/')))(
    'refuses no field that the client $name sends, whatever the vendor',
    ({ request }) => {
      for (const vendor of ['deepseek', 'mistral', 'z-ai', 'minimax', 'moonshot', 'qwen', 'unknown'])
        expect(isFault(encodeChatRequest(decoded(request), target(vendor)))).toBe(false);
    },
  );
});

const NEUTRAL_OR_FOREIGN = [
  'extras',
  'reasoning',
  'topK',
  'presencePenalty',
  'frequencyPenalty',
  'choiceCount',
];

function withoutThoughts(turn: TurnRequest): object {
  const messages = turn.messages.map((message) => ({
    ...message,
    parts: message.parts.filter((part) => part.kind !== 'reasoning').map(({ ...part }) => withoutMarks(part)),
  }));
  const tools = turn.tools.map(({ ...tool }) => withoutMarks(tool));
  const rest: Partial<TurnRequest> = { ...turn };
  for (const field of NEUTRAL_OR_FOREIGN) delete (rest as Record<string, unknown>)[field];
  // Nothing to run in parallel: OpenAI refuses the field then.
  if (tools.length === 0) delete (rest as Record<string, unknown>).parallelToolCalls;
  return { ...rest, messages, tools };
}

function withoutMarks(part: object): object {
  const { cache: _, content, ...rest } = part as { cache?: object; content?: object[] };
  return content === undefined ? rest : { ...rest, content: content.map(withoutMarks) };
}

describe('a chat request', () => {
  it.each([
    ['messages missing', {}, 'invalid_messages', 'messages'],
    ['messages empty', { messages: [] }, 'invalid_messages', 'messages'],
    ['a message that is no object', { messages: [1] }, 'invalid_messages', 'messages[0]'],
    [
      'another role',
      { messages: [{ role: 'x', content: '' }] },
      'unsupported_message_role',
      'messages[0].role',
    ],
    ['a user without content', { messages: [{ role: 'user' }] }, 'invalid_messages', 'messages[0].content'],
    [
      'an image without address',
      ask([user([{ type: 'image_url' }])]),
      'invalid_messages',
      'messages[0].content[0].image_url.url',
    ],
    [
      'a result without a call',
      ask([{ role: 'tool', tool_call_id: 'a', content: '' }]),
      'tool_call_id_mismatch',
      'messages[0].tool_call_id',
    ],
    [
      'a temperature in words',
      ask([user('x')], { temperature: 'hot' }),
      'unsupported_parameter',
      'temperature',
    ],
    [
      'another effort',
      ask([user('x')], { reasoning_effort: 'huge' }),
      'unsupported_parameter',
      'reasoning_effort',
    ],
    [
      'a tool of another kind',
      ask([user('x')], { tools: [{ type: 'other_kind' }] }),
      'unsupported_parameter',
      'tools[0].type',
    ],
    [
      'a schema without schema',
      ask([user('x')], { response_format: { type: 'json_schema' } }),
      'unsupported_parameter',
      'response_format.json_schema.schema',
    ],
  ])('with %s is refused by the documented code and names the field', (_, body, kind, param) => {
    expect(chatClientCodec.decodeRequest(body as JsonObject)).toMatchObject({ kind, param });
  });

  it('takes null for absent', () => {
    const body = ask([user('x')], {
      temperature: null,
      tools: null,
      stop: null,
      response_format: null,
      n: null,
    });
    expect(decoded(body)).toEqual({
      stream: false,
      messages: [{ role: 'user', parts: [{ kind: 'text', text: 'x' }] }],
      tools: [],
      extras: {},
    });
  });

  it('keeps what it does not know in extras', () => {
    expect(decoded(ask([{ ...user('x'), tag: 1 }], { brand_new: { a: 1 } })).extras).toEqual({
      brand_new: { a: 1 },
      'messages[0].tag': 1,
    });
  });

  it('gives signatures back to whom they belong: from thoughts and from call ids', () => {
    const thought: ProviderSignature = { family: 'messages', kind: 'thinking', value: 'sig.1' };
    const onCall: ProviderSignature = { family: 'gemini', kind: 'call', value: 'sig+/=' };
    const id = packCallId('call_1', onCall);
    const turn = decoded(
      ask([
        user('x'),
        {
          role: 'assistant',
          content: null,
          reasoning_content: 'Hm',
          reasoning_details: [{ type: 'reasoning.text', text: 'Hm', signature: packSignature(thought) }],
          tool_calls: [{ id, type: 'function', function: { name: 'f', arguments: '' } }],
        },
        { role: 'tool', tool_call_id: id, content: 'done' },
      ]),
    );
    expect(turn.messages[1]?.parts).toEqual([
      { kind: 'reasoning', text: 'Hm', signature: thought },
      { kind: 'tool_call', id: 'call_1', name: 'f', argumentsJson: '', signature: onCall },
    ]);
    expect(turn.messages[2]?.parts).toEqual([
      {
        kind: 'tool_result',
        callId: 'call_1',
        name: 'f',
        content: [{ kind: 'text', text: 'done' }],
        failed: false,
      },
    ]);
    const { body, dropped } = encoded(turn, 'deepseek');
    expect(dropped).toEqual(['messages[1].content[1]', 'messages[1].content[0]']);
    expect(JSON.stringify(body)).not.toMatch(/cm1|sig/);
    expect(body.messages).toMatchObject([
      {},
      { reasoning_content: 'Hm', tool_calls: [{ id: 'call_1' }] },
      { tool_call_id: 'call_1' },
    ]);
  });

  it('returns the entries of its own family as they came, to vendors that read them', () => {
    const entries = [{ type: 'reasoning.encrypted', data: 'x+/=', id: 'rs_1', format: 'f', index: 0 }];
    const turn = decoded(ask([user('x'), { role: 'assistant', content: 'y', reasoning_details: entries }]));
    expect(encoded(turn, 'openrouter').body.messages).toMatchObject([{}, { reasoning_details: entries }]);
  });
});
