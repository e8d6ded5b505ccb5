import { ChatCompletionStream } from 'openai/lib/ChatCompletionStream';
import { describe, expect, it } from 'vitest';
import { chatClientCodec, chatProviderCodec } from '#data-plane/dialects/chat/chat-codec.ts';
import { geminiProviderCodec } from '#data-plane/dialects/gemini/gemini-codec.ts';
import { isJsonObject, objectsOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { isFault } from '#shared/fault.ts';
import { foldAnswer, saidAs } from '#test/dialects/event-grammar.ts';
import { hasRecordings, playBody, playStream, recordingsOf } from '#test/dialects/provider-recordings.ts';

const identity = (body: JsonObject) => ({ idSeed: 'ab12', model: 'v/m', createdAt: 1_790_000_000, body });
const recorded = [
  ...recordingsOf('openai-chat').map((item) => ({
    ...item,
    codec: chatProviderCodec,
  })),
  ...recordingsOf('gemini').map((item) => ({ ...item, codec: geminiProviderCodec })),
].flatMap(({ name, stream, codec }) => {
  const events = stream === undefined ? [] : playStream(codec, stream);
  return events.at(-1)?.kind === 'turn_end' ? [{ name, events }] : [];
});

describe.skipIf(!hasRecordings)('the official SDK (needs CROSSMODEL_SHARED)', () => {
  it.each(recorded)('reads our stream of $name as what the provider said', async ({ events }) => {
    const lines: string[] = [];
    const asked = { stream_options: { include_usage: true } };
    const encoder = chatClientCodec.createStreamEncoder(identity(asked), (bytes) => lines.push(bytes));
    for (const event of events) encoder.event(event);
    const payloads = lines
      .map((line) => line.replace(/^data: /, '').trim())
      .filter((line) => line !== '[DONE]');
    const bytes = new Blob([payloads.map((payload) => `${payload}\n`).join('')]).stream();
    const stream = ChatCompletionStream.fromReadableStream(bytes);
    // The SDK refuses a completion that was cut by length or filter, so the snapshot is read instead.
    await stream.done().catch(() => undefined);
    const completion = stream.currentChatCompletionSnapshot ?? (await stream.finalChatCompletion());
    const choice = completion.choices[0];
    const answer = foldAnswer(events);
    expect(choice?.message.content ?? '').toBe(saidAs('text', answer));
    expect(choice?.message.refusal ?? '').toBe(saidAs('refusal', answer));
    const calls = (choice?.message.tool_calls ?? []).map((call) =>
      call.type === 'function' ? call.function : undefined,
    );
    const told = answer.parts.filter(({ part }) => part === 'tool_call');
    expect(calls.map((call) => [call?.name, call?.arguments])).toEqual(
      told.map(({ name, text }) => [name, text || '{}']),
    );
  });
});

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
