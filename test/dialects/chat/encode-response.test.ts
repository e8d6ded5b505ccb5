import { describe, expect, it } from 'vitest';
import { chatClientCodec, chatProviderCodec } from '#data-plane/dialects/chat/chat-codec.ts';
import type { AnswerIdentity } from '#data-plane/dialects/codec.ts';
import { geminiProviderCodec } from '#data-plane/dialects/gemini/gemini-codec.ts';
import { isJsonObject } from '#data-plane/dialects/json-access.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { fault } from '#shared/fault.ts';
import { NO_TOKENS, type TokenUsage } from '#shared/token-usage.ts';
import { type FoldedAnswer, foldAnswer } from '#test/dialects/event-grammar.ts';
import {
  hasRecordings,
  playBody,
  playFrames,
  playStream,
  recordingsOf,
} from '#test/dialects/provider-recordings.ts';
import { departuresFromOpenAi } from '#test/dialects/published-schemas.ts';

const recorded = [
  ...recordingsOf('openai-chat').map((recording) => ({
    ...recording,
    codec: chatProviderCodec,
  })),
  ...recordingsOf('gemini').map((recording) => ({
    ...recording,
    codec: geminiProviderCodec,
  })),
];
const answers = recorded.flatMap(({ name, stream, codec }) =>
  stream === undefined ? [] : [{ name, events: playStream(codec, stream) }],
);

const identity = (body: JsonObject = {}): AnswerIdentity => ({
  idSeed: '0190aabbccddeeff00112233445566ff',
  model: 'vendor/model',
  createdAt: 1_790_000_000,
  body,
});

function encodeStream(events: readonly TurnEvent[], body?: JsonObject): string[] {
  const written: string[] = [];
  const encoder = chatClientCodec.createStreamEncoder(identity(body), (bytes) => written.push(bytes));
  for (const event of events) encoder.event(event);
  return written;
}

function payloadsOf(written: readonly string[]): JsonObject[] {
  return written
    .map((bytes) => bytes.replace(/^data: /, '').trim())
    .filter((text) => text !== '[DONE]')
    .map((text): JsonObject => {
      const parsed: unknown = JSON.parse(text);
      return isJsonObject(parsed) ? parsed : {};
    });
}

/** What a chat client understands; it has no slot for a part of a provider's own. */
function comparable(answer: FoldedAnswer): object {
  const parts = answer.parts.filter(
    ({ part, text }) => part !== 'native' && (text !== '' || part === 'tool_call'),
  );
  const said = (part: string) =>
    parts
      .filter((item) => item.part === part)
      .map(({ text }) => text)
      .join('');
  const calls = parts.filter(({ part }) => part === 'tool_call');
  return {
    text: said('text'),
    reasoning: said('reasoning'),
    refusal: said('refusal'),
    calls: calls.map(({ name, text }) => ({ name, arguments: text === '' ? '{}' : text })),
    end: answer.end,
  };
}

describe.skipIf(!hasRecordings)(
  'recorded answers, written for a chat client (need CROSSMODEL_SHARED)',
  () => {
    it.each(answers)('streams $name in chunks of the published schema', ({ events }) => {
      const written = encodeStream(events, { stream_options: { include_usage: true } });
      const isFault = events.at(-1)?.kind === 'turn_fault';
      const chunks = payloadsOf(written);
      for (const chunk of isFault ? chunks.slice(0, -1) : chunks)
        expect(departuresFromOpenAi('CreateChatCompletionStreamResponse', chunk)).toEqual([]);
      if (isFault) {
        expect(chunks.at(-1)).toEqual({ error: expect.objectContaining({ code: expect.any(String) }) });
        expect(written.join('')).not.toContain('[DONE]');
        return;
      }
      expect(written.at(-1)).toBe('data: [DONE]\n\n');
      expect(written.every((bytes) => /^data: .*\n\n$/.test(bytes))).toBe(true);
      const back = foldAnswer(playFrames(chatProviderCodec, [...chunks, '[DONE]']));
      expect(comparable(back)).toEqual(comparable(foldAnswer(events)));
      expect(withoutTier(back.usage)).toEqual(withoutTier(foldAnswer(events).usage));
    });

    it.each(answers.filter(({ events }) => events.at(-1)?.kind === 'turn_end'))(
      'writes $name as a body of the published schema that says the same',
      ({ events }) => {
        const body = chatClientCodec.encodeBody(identity(), events);
        expect(departuresFromOpenAi('CreateChatCompletionResponse', body)).toEqual([]);
        const back = foldAnswer(playBody(chatProviderCodec, body));
        expect(comparable(back)).toEqual(comparable(foldAnswer(events)));
      },
    );
  },
);

function withoutTier(usage: object | undefined): object | undefined {
  if (usage === undefined) return undefined;
  const { serviceTier: _, serverTools: __, ...counts } = usage as Partial<TokenUsage>;
  return counts;
}

const said = (text: string): TurnEvent[] => [
  { kind: 'turn_start', upstreamId: 'u' },
  { kind: 'part_start', index: 0, part: 'text', choice: 0 },
  { kind: 'part_delta', index: 0, text },
  { kind: 'part_end', index: 0 },
];
const ended: TurnEvent[] = [{ kind: 'choice_end', choice: 0, reason: 'stop' }, { kind: 'turn_end' }];
const usage: TurnEvent = {
  kind: 'usage',
  usage: {
    ...NO_TOKENS,
    input: 10,
    cacheRead: 20,
    cacheWrite5m: 3,
    cacheWrite1h: 4,
    output: 9,
    reasoning: 5,
  },
};

describe('a chat stream', () => {
  it('opens each choice with its role, ends it with its reason, and keeps the usage for who asked', () => {
    const quiet = payloadsOf(encodeStream([...said('Hi'), usage, ...ended]));
    expect(quiet.map((chunk) => chunk.choices)).toEqual([
      [
        {
          index: 0,
          delta: { role: 'assistant', content: '', refusal: null },
          logprobs: null,
          finish_reason: null,
        },
      ],
      [{ index: 0, delta: { content: 'Hi' }, logprobs: null, finish_reason: null }],
      [{ index: 0, delta: {}, logprobs: null, finish_reason: 'stop' }],
    ]);
    expect(quiet.some((chunk) => 'usage' in chunk)).toBe(false);
    const asked = payloadsOf(
      encodeStream([...said('Hi'), usage, ...ended], { stream_options: { include_usage: true } }),
    );
    expect(asked.at(-1)).toMatchObject({
      choices: [],
      usage: {
        prompt_tokens: 37,
        completion_tokens: 9,
        total_tokens: 46,
        prompt_tokens_details: { cached_tokens: 20, cache_write_tokens: 7 },
        completion_tokens_details: { reasoning_tokens: 5 },
      },
    });
  });

  it('ends with the error and no end marker when the provider fails, and says nothing after it', () => {
    const events: TurnEvent[] = [
      ...said('Hi'),
      { kind: 'turn_fault', fault: fault('provider_error', 'gone') },
      ...ended,
    ];
    const written = encodeStream(events);
    expect(payloadsOf(written).at(-1)).toEqual({
      error: { message: 'gone', type: 'provider_error', param: null, code: 'provider_error' },
    });
    expect(written.join('')).not.toContain('[DONE]');
  });

  it('answers in functions to a client that declared functions', () => {
    const events: TurnEvent[] = [
      { kind: 'part_start', index: 0, part: 'tool_call', choice: 0, callId: 'a', name: 'f' },
      { kind: 'part_delta', index: 0, text: '{}' },
      { kind: 'part_end', index: 0 },
      { kind: 'choice_end', choice: 0, reason: 'tool_calls' },
      { kind: 'turn_end' },
    ];
    const body = chatClientCodec.encodeBody(identity({ functions: [{ name: 'f' }] }), events);
    expect(body).toMatchObject({
      choices: [
        { message: { function_call: { name: 'f', arguments: '{}' } }, finish_reason: 'function_call' },
      ],
    });
  });

  it('keeps the keep-alive a comment, which no client takes for a chunk', () => {
    const encoder = chatClientCodec.createStreamEncoder(identity(), () => undefined);
    expect(encoder.keepAlive()).toMatch(/^: .*\n\n$/);
  });

  it('keeps choices apart', () => {
    const events: TurnEvent[] = [0, 1].flatMap((choice): TurnEvent[] => [
      { kind: 'part_start', index: choice, part: 'text', choice },
      { kind: 'part_delta', index: choice, text: `t${choice}` },
      { kind: 'part_end', index: choice },
      { kind: 'choice_end', choice, reason: choice === 0 ? 'stop' : 'length' },
    ]);
    const body = chatClientCodec.encodeBody(identity(), [...events, { kind: 'turn_end' }]);
    expect(body.choices).toMatchObject([
      { index: 0, message: { content: 't0' }, finish_reason: 'stop' },
      { index: 1, message: { content: 't1' }, finish_reason: 'length' },
    ]);
  });
});
