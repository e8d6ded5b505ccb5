import { describe, expect, it } from 'vitest';
import { chatClientDialect } from '#data-plane/dialects/client-dialects.ts';
import { providerResponsesBody } from '#data-plane/dialects/responses/provider-request.ts';
import { type ResponsesRequest, readResponsesRequest } from '#data-plane/dialects/responses/read-request.ts';
import { isResponsesBody } from '#data-plane/dialects/responses/responses-body.ts';
import { isFault } from '#shared/fault.ts';
import { hasRecordings, recordingsOf } from '#test/dialects/provider-recordings.ts';

const body = (extra: object): object => ({ model: 'm', input: 'hi', ...extra });
const items = (...input: unknown[]): object => ({ model: 'm', input });
const user = { role: 'user', content: 'hi' };
const call = { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{}' };
const output = (call_id: unknown): object => ({ type: 'function_call_output', call_id, output: 'ok' });

function bytesOf(request: object | string): Buffer {
  return Buffer.from(typeof request === 'string' ? request : JSON.stringify(request));
}

/** Code and field of the refusal, or `accepted`. */
function judge(request: object | string): string {
  const result = readResponsesRequest(bytesOf(request));
  return isFault(result) ? `${result.kind} ${result.param}` : 'accepted';
}

function accepted(request: object | string): ResponsesRequest {
  const result = readResponsesRequest(bytesOf(request));
  if (isFault(result)) throw new Error(result.message);
  return result;
}

describe('a Responses request is refused with the documented code and the field at fault', () => {
  it.each<[string, object | string, string]>([
    ['an empty body', '', 'invalid_json null'],
    ['broken JSON', '{"model":"m"', 'invalid_json null'],
    ['an array', '[]', 'invalid_json null'],
    ['a repeated field', '{"model":"m","input":"a","input":"b"}', 'invalid_json input'],
    ['a field in capitals', '{"model":"m","INPUT":"a"}', 'unsupported_parameter INPUT'],
    ['no model', { input: 'hi' }, 'invalid_request model'],
    ['an empty model', body({ model: '' }), 'invalid_request model'],
    ['neither input nor instructions', { model: 'm' }, 'invalid_messages input'],
    ['an empty input', body({ input: '' }), 'invalid_messages input'],
    ['no items', items(), 'invalid_messages input'],
    ['an input that is an object', body({ input: {} }), 'invalid_messages input'],
    ['an item that is text', items('x'), 'invalid_messages input[0]'],
    ['an item with a type that is a number', items({ type: 1 }), 'invalid_messages input[0].type'],
    ['a message without role', items({ type: 'message', content: 'x' }), 'invalid_messages input[0].role'],
    [
      'an unknown role',
      items(user, { role: 'tool', content: 'x' }),
      'unsupported_message_role input[1].role',
    ],
    ['a message without content', items({ role: 'user' }), 'invalid_messages input[0].content'],
    [
      'a part without type',
      items({ role: 'user', content: [{ text: 'x' }] }),
      'invalid_messages input[0].content[0]',
    ],
    ['an output without call', items(user, output('c1')), 'tool_call_id_mismatch input[1].call_id'],
    ['an output of another call', items(call, output('c2')), 'tool_call_id_mismatch input[1].call_id'],
    ['an output without id', items(call, output(undefined)), 'invalid_messages input[1].call_id'],
    [
      'a reference to a stored item',
      items(user, { type: 'item_reference', id: 'x' }),
      'unsupported_responses_feature input[1]',
    ],
    ['a bare id', items({ id: 'msg_1' }), 'unsupported_responses_feature input[0]'],
    [
      'an earlier response',
      body({ previous_response_id: 'resp_1' }),
      'unsupported_responses_feature previous_response_id',
    ],
    ['a conversation', body({ conversation: { id: 'c' } }), 'unsupported_responses_feature conversation'],
    ['background work', body({ background: true }), 'unsupported_responses_feature background'],
    ['a stored prompt', { model: 'm', prompt: { id: 'p' } }, 'unsupported_responses_feature prompt'],
    ['stream as text', body({ stream: 'true' }), 'unsupported_parameter stream'],
    ['instructions as a list', body({ instructions: ['x'] }), 'unsupported_parameter instructions'],
    ['max_output_tokens 0', body({ max_output_tokens: 0 }), 'unsupported_parameter max_output_tokens'],
    ['temperature as text', body({ temperature: '1' }), 'unsupported_parameter temperature'],
    ['top_p as text', body({ top_p: '1' }), 'unsupported_parameter top_p'],
    ['tools as an object', body({ tools: {} }), 'unsupported_parameter tools'],
    ['a tool that is text', body({ tools: ['x'] }), 'unsupported_parameter tools[0]'],
    ['tool_choice as a number', body({ tool_choice: 1 }), 'unsupported_parameter tool_choice'],
    ['reasoning as text', body({ reasoning: 'high' }), 'unsupported_parameter reasoning'],
    ['an effort as a number', body({ reasoning: { effort: 1 } }), 'unsupported_parameter reasoning.effort'],
    ['a user as a number', body({ user: 1 }), 'unsupported_parameter user'],
  ])('%s', (_, request, verdict) => {
    expect(judge(request)).toBe(verdict);
  });
});

describe('a Responses request is accepted', () => {
  it.each<[string, object]>([
    ['with a text', body({})],
    ['with instructions alone', { model: 'm', instructions: 'Say hi.' }],
    [
      'with neutral values of stored state',
      body({ previous_response_id: null, conversation: null, background: false, prompt: null, store: true }),
    ],
    ['with a call and its output', items(user, call, output('c1'))],
    [
      'with an output whose call has been compacted away',
      items({ type: 'compaction', encrypted_content: 'x' }, output('c1')),
    ],
    [
      'with items and tools of the provider',
      {
        ...items({ type: 'reasoning', summary: [], encrypted_content: 'x' }, { type: 'new_item' }, user),
        tools: [{ type: 'namespace' }],
      },
    ],
  ])('%s', (_, request) => {
    expect(judge(request)).toBe('accepted');
  });
});

describe('of a Responses request the gateway knows', () => {
  it('what it acts on', () => {
    const request = accepted(
      body({
        stream: true,
        max_output_tokens: 77,
        user: 'u',
        safety_identifier: 's',
        reasoning: { effort: 'low' },
      }),
    );
    expect(request).toMatchObject({
      model: 'm',
      stream: true,
      maxOutputTokens: 77,
      endUser: 's',
      reasoningEffort: 'low',
    });
    expect(accepted(body({ user: 'u', safety_identifier: '' })).endUser).toBe('u');
  });

  it('how much it says, media apart, those in tool outputs included', () => {
    const image = { type: 'input_image', image_url: `data:image/png;base64,${'A'.repeat(5_000)}` };
    const audio = { type: 'input_audio', input_audio: { data: 'A'.repeat(3_000), format: 'wav' } };
    const file = { type: 'input_file', file_id: 'file-1' };
    const inline = { type: 'input_file', filename: 'a.pdf', file_data: 'A'.repeat(2_000) };
    const request = bytesOf(
      items({ role: 'user', content: [image, audio, file, inline] }, call, {
        ...output('c1'),
        output: [image],
      }),
    );
    const audioBytes = JSON.stringify(audio).length;
    expect(accepted(request.toString()).prompt).toEqual({
      textBytes: request.length - 2 * JSON.stringify(image).length - audioBytes,
      images: 2,
      videos: 0,
      audioBytes,
      fileReferences: 1,
    });
  });
});

describe('what a Responses provider receives', () => {
  it('differs from what the client sent in the name of the model only', () => {
    const sent =
      '{ "store":true, "m\\u006fdel" : "a\\/b",\n"input":"é\\u00e9", "10":1.0, "2":12345678901234567890 }';
    const request = accepted(sent);
    expect(request.model).toBe('a/b');
    expect(providerResponsesBody(Buffer.from(sent), request, 'gpt').toString()).toBe(
      sent.replace('"a\\/b"', '"gpt"'),
    );
  });

  const recordings = recordingsOf('openai-responses');
  it
    .skipIf(!hasRecordings)
    .each(
      recordings.filter(
        ({ name, request }) => request !== undefined && !/item-reference|prevresp|error-/.test(name),
      ),
    )('is what $name sent, but for the model (needs CROSSMODEL_SHARED)', ({ request }) => {
    const sent = JSON.stringify({ model: 'given', ...request }, undefined, 1);
    const read = accepted(sent);
    const provided = providerResponsesBody(Buffer.from(sent), read, 'other').toString();
    expect(provided).toBe(sent.replace(`"model": ${JSON.stringify(read.model)}`, '"model": "other"'));
  });
});

describe('a Responses body on the chat endpoint', () => {
  it.each<[object | string, boolean]>([
    [body({}), true],
    [items(user), true],
    ['{"model":"m","in\\u0070ut":"hi","x":"input"}', true],
    [{ model: 'm', messages: [user] }, false],
    [{ model: 'm', messages: [user], input: 'hi' }, false],
    [{ model: 'm', messages: null, input: 'hi' }, true],
    [{ model: 'm', tools: [{ parameters: { input: [] } }] }, false],
    ['{"model":"m","input":[', false],
    [{ model: 'm', input: 5 }, false],
  ])('%j is recognised: %s', (request, expected) => {
    expect(isResponsesBody(bytesOf(request))).toBe(expected);
  });

  it('is read as Responses and answered as chat, and never forwarded', () => {
    const cursor = bytesOf({ ...items(user), stream: true, stream_options: { include_usage: true } });
    expect(isFault(chatClientDialect.readRequest(cursor))).toBe(true);
    const dialect = chatClientDialect.dialectOfRefused?.(cursor);
    expect(dialect?.readRequest(cursor)).toMatchObject({ model: 'm', stream: true });
    expect(dialect?.forwardProtocol).toBeUndefined();
    const written: string[] = [];
    const answer = { idSeed: '0'.repeat(32), model: 'm', createdAt: 1, body: JSON.parse(cursor.toString()) };
    const encoder = dialect?.codec.createStreamEncoder(answer, (bytes) => written.push(bytes));
    encoder?.event({ kind: 'turn_start', upstreamId: 'x' });
    encoder?.event({ kind: 'part_start', index: 0, part: 'text', choice: 0 });
    encoder?.event({ kind: 'part_delta', index: 0, text: 'hello' });
    expect(written.join('')).toContain('"object":"chat.completion.chunk"');
  });

  it('that is not one stays refused', () => {
    expect(chatClientDialect.dialectOfRefused?.(bytesOf({ model: 'm' }))).toBeUndefined();
  });
});
