import { describe, expect, it } from 'vitest';
import { readChatRequest } from '#data-plane/dialects/chat/read-request.ts';
import { isFault } from '#shared/fault.ts';

const user = { role: 'user', content: 'hi' };
const call = (...ids: string[]): object => ({
  role: 'assistant',
  content: null,
  tool_calls: ids.map((id) => ({ id, type: 'function', function: { name: 'f', arguments: '{}' } })),
});
const result = (id: unknown): object => ({ role: 'tool', tool_call_id: id, content: 'ok' });
const tool = { type: 'function', function: { name: 'f' } };
const body = (extra: object): object => ({ model: 'm', messages: [user], ...extra });
const talk = (...messages: unknown[]): object => ({ model: 'm', messages });

/** Code and field of the refusal, or `accepted`. */
function judge(request: object | string): string {
  const read = readChatRequest(Buffer.from(typeof request === 'string' ? request : JSON.stringify(request)));
  return isFault(read) ? `${read.kind} ${read.param}` : 'accepted';
}

describe('a chat request is refused with the documented code and the field at fault', () => {
  it.each<[string, object | string, string]>([
    ['an empty body', '', 'invalid_json null'],
    ['broken JSON', '{"model":"m"', 'invalid_json null'],
    ['text after the object', '{"model":"m","messages":[]} x', 'invalid_json null'],
    ['an array', '[]', 'invalid_json null'],
    ['a string', '"x"', 'invalid_json null'],
    ['a repeated field', '{"model":"m","model":"n","messages":[]}', 'invalid_json model'],
    ['a field in capitals', '{"Model":"m","model":"m","messages":[]}', 'unsupported_parameter Model'],
    [
      'a repeated role',
      '{"model":"m","messages":[{"role":"user","role":"tool","content":""}]}',
      'invalid_json role',
    ],
    ['no model', { messages: [user] }, 'invalid_request model'],
    ['an empty model', { model: '', messages: [user] }, 'invalid_request model'],
    ['a model that is a number', { model: 4, messages: [user] }, 'invalid_request model'],
    ['a Responses body', { model: 'm', input: 'hi' }, 'unsupported_parameter input'],
    ['no messages', { model: 'm' }, 'invalid_messages messages'],
    ['null messages', { model: 'm', messages: null }, 'invalid_messages messages'],
    ['messages as text', { model: 'm', messages: 'hi' }, 'invalid_messages messages'],
    ['empty messages', talk(), 'invalid_messages messages'],
    ['a message that is text', talk('hi'), 'invalid_messages messages[0]'],
    ['a message without role', talk(user, { content: 'x' }), 'invalid_messages messages[1].role'],
    ['a role that is a number', talk({ role: 1, content: 'x' }), 'invalid_messages messages[0].role'],
    [
      'an unknown role',
      talk(user, { role: 'robot', content: 'x' }),
      'unsupported_message_role messages[1].role',
    ],
    [
      'the role function',
      talk({ role: 'function', content: 'x' }),
      'unsupported_message_role messages[0].role',
    ],
    ['a user without content', talk({ role: 'user' }), 'invalid_messages messages[0].content'],
    [
      'a user with null content',
      talk({ role: 'user', content: null }),
      'invalid_messages messages[0].content',
    ],
    ['content that is a number', talk({ role: 'user', content: 7 }), 'invalid_messages messages[0].content'],
    [
      'content that is an object',
      talk({ role: 'user', content: {} }),
      'invalid_messages messages[0].content',
    ],
    [
      'a content block that is text',
      talk({ role: 'user', content: [{ type: 'text', text: 'a' }, 'b'] }),
      'invalid_messages messages[0].content[1]',
    ],
    [
      'a content block without type',
      talk({ role: 'user', content: [{ text: 'a' }] }),
      'invalid_messages messages[0].content[0]',
    ],
    ['an assistant that says nothing', talk({ role: 'assistant' }), 'invalid_messages messages[0].content'],
    [
      'tool calls that are no list',
      talk({ role: 'assistant', content: 'x', tool_calls: {} }),
      'invalid_messages messages[0].tool_calls',
    ],
    [
      'a tool call without id',
      talk({ role: 'assistant', content: 'x', tool_calls: [{ type: 'function' }] }),
      'invalid_messages messages[0].tool_calls[0].id',
    ],
    [
      'a tool call of another type',
      talk({ role: 'assistant', content: 'x', tool_calls: [{ id: 'a', type: 'web' }] }),
      'invalid_messages messages[0].tool_calls[0].type',
    ],
    [
      'a tool message without tool_call_id',
      talk(user, call('a'), { role: 'tool', content: 'x' }),
      'invalid_messages messages[2].tool_call_id',
    ],
    ['an empty tool_call_id', talk(user, call('a'), result('')), 'invalid_messages messages[2].tool_call_id'],
    [
      'a tool_call_id that is a number',
      talk(user, call('a'), result(1)),
      'invalid_messages messages[2].tool_call_id',
    ],
    [
      'a tool result nobody asked for',
      talk(user, result('a')),
      'tool_call_id_mismatch messages[1].tool_call_id',
    ],
    [
      'a tool result for another call',
      talk(call('a'), result('b')),
      'tool_call_id_mismatch messages[1].tool_call_id',
    ],
    [
      'a tool result for a call before the last assistant message',
      talk(call('a'), result('a'), call('b'), result('a')),
      'tool_call_id_mismatch messages[3].tool_call_id',
    ],
    ['stream as text', body({ stream: 'yes' }), 'unsupported_parameter stream'],
    ['stream_options without stream', body({ stream_options: {} }), 'unsupported_parameter stream_options'],
    [
      'stream_options with stream: false',
      body({ stream: false, stream_options: { include_usage: true } }),
      'unsupported_parameter stream_options',
    ],
    [
      'include_usage as text',
      body({ stream: true, stream_options: { include_usage: 'y' } }),
      'unsupported_parameter stream_options.include_usage',
    ],
    [
      'max_completion_tokens of zero',
      body({ max_completion_tokens: 0 }),
      'unsupported_parameter max_completion_tokens',
    ],
    ['max_tokens as text', body({ max_tokens: '5' }), 'unsupported_parameter max_tokens'],
    ['max_tokens with a fraction', body({ max_tokens: 1.5 }), 'unsupported_parameter max_tokens'],
    ['temperature as text', body({ temperature: 'hot' }), 'unsupported_parameter temperature'],
    ['top_p as list', body({ top_p: [1] }), 'unsupported_parameter top_p'],
    ['stop as number', body({ stop: 1 }), 'unsupported_parameter stop'],
    ['stop with a number', body({ stop: ['a', 1] }), 'unsupported_parameter stop'],
    ['tools that are no list', body({ tools: {} }), 'unsupported_parameter tools'],
    [
      'a tool of another type',
      body({ tools: [tool, { type: 'web_search' }] }),
      'unsupported_parameter tools[1].type',
    ],
    [
      'a tool without type',
      body({ tools: [{ function: { name: 'f' } }] }),
      'unsupported_parameter tools[0].type',
    ],
    [
      'a function without name',
      body({ tools: [{ type: 'function', function: {} }] }),
      'unsupported_parameter tools[0].function.name',
    ],
    ['tool_choice as list', body({ tool_choice: [] }), 'unsupported_parameter tool_choice'],
    ['reasoning_effort as number', body({ reasoning_effort: 3 }), 'unsupported_parameter reasoning_effort'],
    [
      'safety_identifier as number',
      body({ safety_identifier: 1 }),
      'unsupported_parameter safety_identifier',
    ],
    ['user as object', body({ user: {} }), 'unsupported_parameter user'],
    ['n of zero', body({ n: 0 }), 'unsupported_parameter n'],
    ['n of 129', body({ n: 129 }), 'unsupported_parameter n'],
    ['n as text', body({ n: '2' }), 'unsupported_parameter n'],
  ])('%s', (_, request, expected) => {
    expect(judge(request)).toBe(expected);
  });

  it('bytes that are not UTF-8', () => {
    const read = readChatRequest(Buffer.from('{"model":"\xff"}', 'latin1'));
    expect(isFault(read) && read.kind).toBe('invalid_json');
  });
});

describe('a chat request is accepted', () => {
  it.each<[string, object | string]>([
    [
      'with nulls for what it leaves out',
      body({ stream: null, tools: null, stop: null, n: null, user: null }),
    ],
    [
      'with every documented parameter',
      body({
        stream: true,
        stream_options: { include_usage: true },
        max_completion_tokens: 10,
        max_tokens: 1e2,
        temperature: 0,
        top_p: 1,
        stop: ['a'],
        tools: [tool],
        tool_choice: { type: 'function', function: { name: 'f' } },
        reasoning_effort: 'low',
        safety_identifier: 's',
        user: 'u',
        n: 2,
      }),
    ],
    [
      'with blocks of every type',
      talk({
        role: 'user',
        content: ['text', 'image_url', 'input_audio', 'video_url', 'video', 'file', 'something_new'].map(
          (type) => ({ type }),
        ),
      }),
    ],
    [
      'with several results for parallel calls, in any order',
      talk(call('a', 'b'), result('b'), result('a'), user),
    ],
    [
      'with an id that is spelled differently in JSON',
      '{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"\\u0061"}]},{"role":"t\\u006fol","tool_call_id":"a","content":""}]}',
    ],
    [
      'with the fields of a message in any order',
      '{"messages":[{"tool_calls":[{"type":"function","id":"a"}],"content":null,"role":"assistant"},{"content":"x","tool_call_id":"a","role":"tool"}],"model":"m"}',
    ],
    ['with an assistant that only refused', talk(user, { role: 'assistant', content: null, refusal: 'no' })],
    ['with input beside messages', body({ input: 'ignored' })],
    ['with unknown fields in any spelling', body({ Foo: 1, foo: 2, MAX: 3 })],
  ])('%s', (_, request) => {
    expect(judge(request)).toBe('accepted');
  });

  it('and read for what the gateway acts on', () => {
    const read = readChatRequest(
      Buffer.from(
        JSON.stringify(
          body({
            stream: true,
            max_tokens: 5,
            max_completion_tokens: 7,
            n: 3,
            user: 'u',
            safety_identifier: 's',
          }),
        ),
      ),
    );
    expect(read).toMatchObject({
      model: 'm',
      stream: true,
      wantsUsageChunk: false,
      maxOutputTokens: 7,
      choiceCount: 3,
      endUser: 's',
    });
  });

  it('and its media are measured apart from its text', () => {
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(3_000_000)}` } };
    const audio = { type: 'input_audio', input_audio: { data: 'A'.repeat(8_000), format: 'wav' } };
    const frames = { type: 'video', video: ['https://a/1.png', 'https://a/2.png'] };
    const content = [
      { type: 'text', text: 'what?' },
      image,
      audio,
      frames,
      { type: 'file', file: { file_id: 'f' } },
    ];
    const read = readChatRequest(Buffer.from(JSON.stringify(talk({ role: 'user', content }))));
    if (isFault(read)) throw new Error(read.message);
    expect(read.prompt).toMatchObject({ images: 3, videos: 0, fileReferences: 1 });
    expect(read.prompt.audioBytes).toBeGreaterThan(8_000);
    expect(read.prompt.textBytes).toBeLessThan(250);
  });
});
