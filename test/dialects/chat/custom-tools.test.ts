import { describe, expect, it } from 'vitest';
import { chatClientCodec } from '#data-plane/dialects/chat/chat-codec.ts';
import { readChatRequest } from '#data-plane/dialects/chat/read-request.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { isFault } from '#shared/fault.ts';
import { ask, user } from './chat-requests.ts';

const CUSTOM: JsonObject = { type: 'custom', custom: { name: 'patch', description: 'Edits' } };
const body = ask([user('x')], { tools: [CUSTOM] });
const answer = { idSeed: 'a', model: 'm', createdAt: 0, body };

/** A call of the tool, as a provider that knows free text writes it or as one that was offered a function. */
function called(custom: boolean): TurnEvent[] {
  const pieces = custom ? ['*** Begin', ' patch'] : ['{"input":"*** Be', 'gin patch"}'];
  return [
    { kind: 'turn_start', upstreamId: 'u' },
    {
      kind: 'part_start',
      index: 0,
      part: 'tool_call',
      choice: 0,
      callId: 'c',
      name: 'patch',
      ...(custom ? { custom } : {}),
    },
    ...pieces.map((text) => ({ kind: 'part_delta', index: 0, text }) as const),
    { kind: 'part_end', index: 0 },
    { kind: 'choice_end', choice: 0, reason: 'tool_calls' },
    { kind: 'turn_end' },
  ];
}

describe('a custom tool of a chat client', () => {
  it('is taken by the byte reader, with its calls in the history', () => {
    const call = { id: 'c', type: 'custom', custom: { name: 'patch', input: 'x' } };
    const history = [user('x'), { role: 'assistant', content: null, tool_calls: [call] }];
    const result = { role: 'tool', tool_call_id: 'c', content: 'done' };
    const request = readChatRequest(
      Buffer.from(JSON.stringify(ask([...history, result], { tools: [CUSTOM] }))),
    );
    expect(isFault(request)).toBe(false);
  });

  it('without a name is refused', () => {
    const request = readChatRequest(
      Buffer.from(JSON.stringify(ask([user('x')], { tools: [{ type: 'custom', custom: {} }] }))),
    );
    expect(request).toMatchObject({ kind: 'unsupported_parameter', param: 'tools[0].custom.name' });
  });

  it.each([true, false])('is called in free text, whoever knows such tools (provider: %s)', (custom) => {
    const call = { id: 'c', type: 'custom', custom: { name: 'patch', input: '*** Begin patch' } };
    expect(chatClientCodec.encodeBody(answer, called(custom))).toMatchObject({
      choices: [{ message: { tool_calls: [call] }, finish_reason: 'tool_calls' }],
    });
    let streamed = '';
    const encoder = chatClientCodec.createStreamEncoder(answer, (bytes) => {
      streamed += bytes;
    });
    for (const event of called(custom)) encoder.event(event);
    const inputs = [...streamed.matchAll(/"custom":\{[^}]*"input":"([^"]*)"/g)].map(([, text]) => text);
    expect(inputs.join('')).toBe('*** Begin patch');
    expect(streamed).not.toContain('"function"');
  });
});
