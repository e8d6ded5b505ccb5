import { describe, expect, it } from 'vitest';
import { chatClientCodec } from '#data-plane/dialects/chat/chat-codec.ts';
import { geminiProviderCodec } from '#data-plane/dialects/gemini/gemini-codec.ts';
import { isJsonObject, objectsOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { isFault } from '#shared/fault.ts';
import { playBody } from '#test/dialects/provider-recordings.ts';

const identity = (body: JsonObject) => ({ idSeed: 'ab12', model: 'v/m', createdAt: 1_790_000_000, body });
describe('a history of Gemini that a chat client gives back', () => {
  it('reaches Gemini with every signature, unchanged and on the part where it stood', () => {
    const parts = [
      { text: 'Let me see.', thought: true },
      { text: 'I will look.', thoughtSignature: 'on+text=' },
      { functionCall: { id: 'c1', name: 'f', args: { x: 1 } }, thoughtSignature: 'on+call=' },
      { functionCall: { id: 'c2', name: 'g', args: {} } },
    ];
    const answer = { responseId: 'r', candidates: [{ content: { parts }, finishReason: 'STOP' }] };
    const body = chatClientCodec.encodeBody(identity({}), playBody(geminiProviderCodec, answer));
    const message = objectsOf(body.choices)[0]?.message;
    if (!isJsonObject(message)) throw new Error('no message');
    const results = objectsOf(message.tool_calls).map((call) => ({
      role: 'tool',
      tool_call_id: call.id ?? '',
      content: 'done',
    }));
    const turn = chatClientCodec.decodeRequest({
      model: 'm',
      messages: [{ role: 'user', content: 'go' }, message, ...results],
    });
    if (isFault(turn)) throw new Error(turn.message);
    const request = geminiProviderCodec.encodeRequest(turn, {
      providerModel: 'm',
      vendor: 'gemini',
      maxOutputTokens: undefined,
      capabilities: { reasoningEfforts: ['minimal'], thinkingBudget: false },
    });
    if (isFault(request)) throw new Error(request.message);
    expect(request.body.contents).toEqual([
      { role: 'user', parts: [{ text: 'go' }] },
      { role: 'model', parts: parts.slice(1) },
      {
        role: 'user',
        parts: [
          { functionResponse: { id: 'c1', name: 'f', response: { output: 'done' } } },
          { functionResponse: { id: 'c2', name: 'g', response: { output: 'done' } } },
        ],
      },
    ]);
  });
});
