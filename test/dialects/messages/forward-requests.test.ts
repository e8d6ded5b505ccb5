import { describe, expect, it } from 'vitest';
import { providerMessagesBody } from '#data-plane/dialects/messages/provider-request.ts';
import {
  type MessagesRequest,
  readCountTokensRequest,
  readMessagesRequest,
} from '#data-plane/dialects/messages/read-request.ts';
import { isFault } from '#shared/fault.ts';
import { hasRecordings, recordingsOf } from '#test/dialects/provider-recordings.ts';

const user = { role: 'user', content: 'hi' };
const body = (extra: object): object => ({ model: 'm', max_tokens: 9, messages: [user], ...extra });
const talk = (...messages: unknown[]): object => body({ messages });

function bytesOf(request: object | string): Buffer {
  return Buffer.from(typeof request === 'string' ? request : JSON.stringify(request));
}

/** Code and field of the refusal, or `accepted`. */
function judge(request: object | string, read = readMessagesRequest): string {
  const result = read(bytesOf(request));
  return isFault(result) ? `${result.kind} ${result.param}` : 'accepted';
}

function accepted(request: object | string): MessagesRequest {
  const result = readMessagesRequest(bytesOf(request));
  if (isFault(result)) throw new Error(result.message);
  return result;
}

describe('a Messages request is refused with the documented code and the field at fault', () => {
  it.each<[string, object | string, string]>([
    ['an empty body', '', 'invalid_json null'],
    ['broken JSON', '{"model":"m"', 'invalid_json null'],
    ['text after the object', '{"model":"m"} x', 'invalid_json null'],
    ['an array', '[]', 'invalid_json null'],
    ['a repeated field', '{"model":"m","model":"n","messages":[]}', 'invalid_json model'],
    ['an escaped repetition', '{"model":"m","mod\\u0065l":"n","messages":[]}', 'invalid_json model'],
    ['a field in capitals', '{"Model":"m","model":"m"}', 'unsupported_parameter Model'],
    [
      'a repeated role',
      '{"model":"m","max_tokens":1,"messages":[{"role":"user","role":"system","content":""}]}',
      'invalid_json role',
    ],
    ['no model', { max_tokens: 9, messages: [user] }, 'invalid_request model'],
    ['an empty model', body({ model: '' }), 'invalid_request model'],
    ['a model that is a number', body({ model: 4 }), 'invalid_request model'],
    ['no messages', { model: 'm', max_tokens: 9 }, 'invalid_messages messages'],
    ['null messages', body({ messages: null }), 'invalid_messages messages'],
    ['messages as text', body({ messages: 'hi' }), 'invalid_messages messages'],
    ['empty messages', talk(), 'invalid_messages messages'],
    ['a message that is text', talk('hi'), 'invalid_messages messages[0]'],
    ['a message without role', talk(user, { content: 'x' }), 'invalid_messages messages[1].role'],
    ['a role that is a number', talk({ role: 1, content: 'x' }), 'invalid_messages messages[0].role'],
    ['the role tool', talk({ role: 'tool', content: 'x' }), 'unsupported_message_role messages[0].role'],
    [
      'the role developer',
      talk(user, { role: 'developer', content: 'x' }),
      'unsupported_message_role messages[1].role',
    ],
    ['no content', talk({ role: 'user' }), 'invalid_messages messages[0].content'],
    ['null content', talk({ role: 'user', content: null }), 'invalid_messages messages[0].content'],
    ['content as a number', talk({ role: 'user', content: 7 }), 'invalid_messages messages[0].content'],
    [
      'a block that is text',
      talk({ role: 'user', content: [{ type: 'text', text: 'a' }, 'b'] }),
      'invalid_messages messages[0].content[1]',
    ],
    [
      'a block without type',
      talk(user, { role: 'user', content: [{ text: 'a' }] }),
      'invalid_messages messages[1].content[0]',
    ],
    ['no max_tokens', { model: 'm', messages: [user] }, 'invalid_request max_tokens'],
    ['null max_tokens', body({ max_tokens: null }), 'invalid_request max_tokens'],
    ['max_tokens 0', body({ max_tokens: 0 }), 'unsupported_parameter max_tokens'],
    ['max_tokens 1.5', body({ max_tokens: 1.5 }), 'unsupported_parameter max_tokens'],
    ['max_tokens as text', body({ max_tokens: '9' }), 'unsupported_parameter max_tokens'],
    ['stream as text', body({ stream: 'true' }), 'unsupported_parameter stream'],
    ['system as an object', body({ system: {} }), 'unsupported_parameter system'],
    ['temperature as text', body({ temperature: '1' }), 'unsupported_parameter temperature'],
    ['top_p as text', body({ top_p: '1' }), 'unsupported_parameter top_p'],
    ['top_k as text', body({ top_k: '1' }), 'unsupported_parameter top_k'],
    ['stop_sequences as text', body({ stop_sequences: 'x' }), 'unsupported_parameter stop_sequences'],
    ['a stop sequence as a number', body({ stop_sequences: [1] }), 'unsupported_parameter stop_sequences'],
    ['tools as an object', body({ tools: {} }), 'unsupported_parameter tools'],
    ['a tool that is text', body({ tools: [{}, 'x'] }), 'unsupported_parameter tools[1]'],
    ['tool_choice as text', body({ tool_choice: 'auto' }), 'unsupported_parameter tool_choice'],
    ['thinking as a flag', body({ thinking: true }), 'unsupported_parameter thinking'],
    ['metadata as text', body({ metadata: 'x' }), 'unsupported_parameter metadata'],
    ['a user id as a number', body({ metadata: { user_id: 5 } }), 'unsupported_parameter metadata.user_id'],
    ['a thread', body({ thread: { type: 'create' } }), 'unsupported_parameter thread'],
  ])('%s', (_, request, verdict) => {
    expect(judge(request)).toBe(verdict);
  });
});

describe('a Messages request is accepted', () => {
  it.each<[string, object]>([
    ['with nulls for what it leaves out', body({ stream: null, metadata: null, tools: null, thread: null })],
    ['with a system message among the others', talk(user, { role: 'system', content: 'x' })],
    [
      'with unknown fields and blocks',
      body({ future: 1, messages: [{ role: 'user', content: [{ type: 'new' }] }] }),
    ],
    ['with tools of the provider', body({ tools: [{ type: 'web_search_20250305', name: 'web_search' }] })],
    ['with an empty list of blocks', talk({ role: 'assistant', content: [] }, user)],
  ])('%s', (_, request) => {
    expect(judge(request)).toBe('accepted');
  });

  it('without max_tokens when its tokens are only counted', () => {
    expect(judge({ model: 'm', messages: [user] }, readCountTokensRequest)).toBe('accepted');
    expect(judge({ model: 'm', messages: [user], max_tokens: 0 }, readCountTokensRequest)).toBe(
      'unsupported_parameter max_tokens',
    );
  });
});

describe('of a Messages request the gateway knows', () => {
  it('what it acts on', () => {
    const request = accepted(body({ stream: true, max_tokens: 77, metadata: { user_id: 'u\\u00e9"' } }));
    expect(request).toMatchObject({
      model: 'm',
      stream: true,
      maxOutputTokens: 77,
      choiceCount: 1,
      endUser: 'u\\u00e9"',
    });
    expect(accepted(body({}))).toMatchObject({ stream: false, endUser: undefined });
  });

  it('how much it says, media apart, those in tool results included', () => {
    const image = {
      type: 'image',
      source: { type: 'base64', media_type: 'image/png', data: 'A'.repeat(5_000) },
    };
    const remote = { type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } };
    const inline = { source: { type: 'text', data: 'short' }, type: 'document' };
    const result = { type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: 'x' }, image] };
    const request = bytesOf(talk({ role: 'user', content: [image, remote, inline, result] }));
    expect(accepted(request.toString()).prompt).toEqual({
      textBytes: request.length - 2 * JSON.stringify(image).length,
      images: 2,
      videos: 0,
      audioBytes: 0,
      fileReferences: 1,
    });
  });

  it('nothing of the request before', () => {
    expect(judge(talk({ role: 'robot', content: 'x' }))).toMatch('unsupported_message_role');
    expect(judge(body({ stop_sequences: [1], tools: ['x'] }))).not.toBe('accepted');
    expect(accepted(body({}))).toMatchObject({ prompt: { images: 0 }, endUser: undefined });
  });
});

describe('what a Messages provider receives', () => {
  it('differs from what the client sent in the name of the model only', () => {
    const sent =
      '{ "max_tokens":1e2, "m\\u006fdel" : "a\\/b",\n"messages":[{"content":"é\\u00e9","role":"user"}], "10":1.0, "2":12345678901234567890 }';
    const request = accepted(sent);
    expect(request.model).toBe('a/b');
    expect(providerMessagesBody(Buffer.from(sent), request, 'claude "x"').toString()).toBe(
      sent.replace('"a\\/b"', JSON.stringify('claude "x"')),
    );
  });

  it
    .skipIf(!hasRecordings)
    .each(
      recordingsOf('anthropic-messages').filter(
        ({ request, status }) => request !== undefined && status < 400,
      ),
    )('is what $name sent, but for the model (needs CROSSMODEL_SHARED)', ({ request }) => {
    const sent = JSON.stringify(request, undefined, 1);
    const read = accepted(sent);
    expect(read.model).toBe(request?.model);
    const provided = providerMessagesBody(Buffer.from(sent), read, 'other').toString();
    expect(provided).toBe(sent.replace(`"model": ${JSON.stringify(read.model)}`, '"model": "other"'));
  });
});
