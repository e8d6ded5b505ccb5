import { describe, expect, it } from 'vitest';
import { chatProviderCodec } from '#data-plane/dialects/chat/chat-codec.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { foldAnswer, grammarFaults, saidAs } from '#test/dialects/event-grammar.ts';
import {
  hasRecordings,
  parseObject,
  playBody,
  playFrames,
  playStream,
  recordingsOf,
} from '#test/dialects/provider-recordings.ts';

const recordings = recordingsOf('openai-chat');
/** Streams of the recordings in which the provider failed. */
const FAILED_STREAMS = ['vx02-stream-midstream-server-error', 'v04-stream-error-in-200'];

const streams = recordings.flatMap(({ name, stream }) => (stream === undefined ? [] : [{ name, stream }]));
const bodies = recordings.flatMap(({ name, body, status }) => {
  const parsed = body === undefined ? undefined : parseObject(body);
  return parsed === undefined || status >= 400 ? [] : [{ name, body: parsed }];
});

describe.skipIf(!hasRecordings)('recorded answers of chat providers (need CROSSMODEL_SHARED)', () => {
  it.each(streams)('reads the stream $name as a whole, balanced answer', ({ name, stream }) => {
    const events = playStream(chatProviderCodec, stream);
    expect(grammarFaults(events)).toEqual([]);
    const answer = foldAnswer(events);
    const failed = FAILED_STREAMS.some((stem) => name.endsWith(stem));
    expect(answer.end).toBe(failed ? 'turn_fault' : 'turn_end');
    if (failed) return;
    const expected = foldedByHand(stream);
    expect(saidAs('text', answer)).toBe(expected.content);
    expect(saidAs('reasoning', answer)).toBe(expected.reasoning);
    expect(saidAs('tool_call', answer)).toBe(expected.arguments);
    expect(answer.usage !== undefined).toBe(stream.includes('"prompt_tokens"'));
  });

  it.each(streams)('says that $name was cut wherever it is cut before its end', ({ stream }) => {
    const text = stream.toString('utf8');
    const firstReason = text.search(/"finish_reason":\s*"/);
    const doneAt = text.indexOf('data: [DONE]');
    const until = Math.min(...[firstReason, doneAt].filter((at) => at !== -1));
    const lastWhole = text.slice(0, until).lastIndexOf('data: ');
    for (const share of [0, 0.3, 0.7, 1]) {
      const events = playStream(chatProviderCodec, Buffer.from(text.slice(0, Math.floor(lastWhole * share))));
      expect(events.at(-1)).toMatchObject({ kind: 'turn_fault', fault: { kind: 'provider_error' } });
    }
  });

  it.each(bodies)('reads the body $name as a whole, balanced answer', ({ body }) => {
    const events = playBody(chatProviderCodec, body);
    expect(grammarFaults(events)).toEqual([]);
    const answer = foldAnswer(events);
    const failed = JSON.stringify(body).includes('"error":{');
    expect(answer.end).toBe(failed ? 'turn_fault' : 'turn_end');
    if (!failed) expect(answer.usage).toBeDefined();
  });
});

/** What a stream says, read without the code under test. */
function foldedByHand(stream: Buffer): { content: string; reasoning: string; arguments: string } {
  const folded = { content: '', reasoning: '', arguments: '' };
  for (const line of stream.toString('utf8').split(/\r?\n/)) {
    if (!line.startsWith('data: {')) continue;
    const choices = JSON.parse(line.slice(6)).choices ?? [];
    for (const { delta } of choices) {
      folded.content += delta?.content ?? '';
      const details = (delta?.reasoning_details ?? []) as { text?: string; summary?: string }[];
      folded.reasoning +=
        delta?.reasoning_content ??
        delta?.reasoning ??
        details.map((detail) => detail.text ?? detail.summary ?? '').join('');
      for (const call of delta?.tool_calls ?? []) folded.arguments += call.function?.arguments ?? '';
    }
  }
  return folded;
}

const chunk = (delta: JsonObject, more: JsonObject = {}): JsonObject => ({
  id: 'c1',
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta, ...more }],
});
const stop = chunk({}, { finish_reason: 'stop' });
const read = (...frames: (string | object)[]) => foldAnswer(playFrames(chatProviderCodec, frames));
const call = (fields: JsonObject) => chunk({ tool_calls: [fields] });

describe('a chat stream', () => {
  it('is whole without an end marker once every choice has a reason', () => {
    expect(read(chunk({ content: 'Hi' }), stop)).toMatchObject({ end: 'turn_end', reasons: { 0: 'stop' } });
  });

  it('is whole with an end marker though the provider names no reason', () => {
    expect(read(chunk({ content: 'Hi' }), '[DONE]')).toMatchObject({
      end: 'turn_end',
      reasons: { 0: 'stop' },
    });
  });

  it('is cut when one of two choices has no reason', () => {
    const second = { id: 'c1', choices: [{ index: 1, delta: { content: 'B' } }] };
    expect(read(chunk({ content: 'A' }), second, stop).end).toBe('turn_fault');
  });

  it('ends with tool_calls when a forced call ends with stop', () => {
    const started = call({ index: 0, id: 'a', function: { name: 'f', arguments: '{}' } });
    expect(read(started, stop, '[DONE]').reasons).toEqual({ 0: 'tool_calls' });
  });

  it('tells calls without an index apart by their ids', () => {
    const answer = read(
      call({ id: 'a', function: { name: 'f', arguments: '{"x":1}' } }),
      call({ id: 'b', function: { name: 'f', arguments: '{"x":2}' } }),
      stop,
    );
    expect(answer.parts).toMatchObject([
      { callId: 'a', text: '{"x":1}' },
      { callId: 'b', text: '{"x":2}' },
    ]);
  });

  it('joins arguments of interleaved calls by their index', () => {
    const answer = read(
      call({ index: 0, id: 'a', function: { name: 'f', arguments: '{"x"' } }),
      call({ index: 1, id: 'b', function: { name: 'g', arguments: '{"y"' } }),
      call({ index: 0, function: { arguments: ':1}' } }),
      call({ index: 1, function: { arguments: ':2}' } }),
      stop,
    );
    expect(answer.parts).toMatchObject([
      { name: 'f', text: '{"x":1}' },
      { name: 'g', text: '{"y":2}' },
    ]);
  });

  it('starts a call when its name arrives after its id and mints an id where there is none', () => {
    const answer = read(
      call({ index: 0, function: { arguments: '{' } }),
      call({ index: 0, function: { name: 'f', arguments: '}' } }),
      stop,
    );
    expect(answer.parts).toMatchObject([{ name: 'f', text: '{}', callId: expect.stringMatching(/^call_/) }]);
  });

  it('reads arguments that are an object', () => {
    expect(
      read(call({ index: 0, id: 'a', function: { name: 'f', arguments: { x: 1 } } }), stop).parts,
    ).toMatchObject([{ text: '{"x":1}' }]);
  });

  it('keeps the opaque state of a thought for its issuer, joined from its pieces', () => {
    const answer = read(
      chunk({ reasoning: 'Let ', reasoning_details: [{ type: 'reasoning.text', text: 'Let ', index: 0 }] }),
      chunk({ reasoning: 'me', reasoning_details: [{ type: 'reasoning.text', text: 'me', index: 0 }] }),
      chunk({ reasoning_details: [{ type: 'reasoning.text', signature: 'sig', index: 0 }] }),
      chunk({ content: 'Yes' }),
      stop,
    );
    expect(answer.parts[0]).toMatchObject({ part: 'reasoning', text: 'Let me' });
    expect(JSON.parse(answer.parts[0]?.signature?.value ?? '')).toEqual([
      { type: 'reasoning.text', text: 'Let me', index: 0, signature: 'sig' },
    ]);
  });

  it('reads thoughts that stand inside the content', () => {
    const thinking = { type: 'thinking', thinking: [{ type: 'text', text: 'Hm' }] };
    const answer = read(
      chunk({ content: [thinking] }),
      chunk({ content: [{ type: 'text', text: 'Yes' }] }),
      stop,
    );
    expect(answer.parts).toMatchObject([
      { part: 'reasoning', text: 'Hm' },
      { part: 'text', text: 'Yes' },
    ]);
  });

  it('takes usage from x_groq where there is no other', () => {
    const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
    expect(read(chunk({ content: 'Hi' }), { ...stop, x_groq: { usage } }).usage).toMatchObject({
      input: 3,
      output: 2,
    });
  });

  it('ends with content_filter when a filtered choice has no message', () => {
    const events = playBody(chatProviderCodec, { id: 'x', choices: [{ index: 0 }] });
    expect(foldAnswer(events).reasons).toEqual({ 0: 'content_filter' });
  });

  it.each([
    ['an error with a numeric code', { error: { code: 502, message: 'upstream' } }],
    ['an error inside a choice', { id: 'x', choices: [{ index: 0, delta: {}, error: { code: 502 } }] }],
    ['an error without an envelope', { detail: 'Invalid API Key' }],
    ['JSON that is no object', '[1]'],
    ['text that is no JSON', '<html>'],
  ])('turns %s into a fault that shows nothing of ours, and says no more', (_, frame) => {
    const events = playFrames(chatProviderCodec, [chunk({ content: 'Hi' }), frame, stop, '[DONE]']);
    expect(grammarFaults(events)).toEqual([]);
    expect(events.at(-1)).toMatchObject({ kind: 'turn_fault', fault: { kind: 'provider_error' } });
    expect(JSON.stringify(events)).not.toContain('API Key');
  });

  it.each(['network_error', 'insufficient_system_resource', 'error'])(
    'is cut when it ends with %s',
    (reason) => {
      expect(read(chunk({ content: 'Hi' }, { finish_reason: reason }), '[DONE]').end).toBe('turn_fault');
    },
  );

  it('shows a refusal as its own part and reason', () => {
    expect(read(chunk({ refusal: 'No.' }), stop)).toMatchObject({
      parts: [{ part: 'refusal', text: 'No.' }],
      reasons: { 0: 'refusal' },
    });
  });
});
