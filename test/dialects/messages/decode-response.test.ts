import { partialParse } from '@anthropic-ai/sdk/_vendor/partial-json-parser/parser';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isJsonObject, objectsOf } from '#data-plane/dialects/json-access.ts';
import { MESSAGES_PROVIDER } from '#data-plane/dialects/messages/messages-codec.ts';
import { UsageReading } from '#data-plane/dialects/messages/read-usage.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { type FoldedPart, foldAnswer } from '#test/dialects/event-grammar.ts';
import { hasRecordings, recordingsOf } from '#test/dialects/provider-recordings.ts';
import { foldMessage } from './fold-message.ts';

const recordings = recordingsOf('anthropic-messages');
const isCut = (name: string) => name.includes('midstream') || name.includes('error');
const streams = recordings.flatMap(({ name, sent }) =>
  sent === undefined ? [] : [{ name, stream: sent.map(({ data }) => data) }],
);
const bodies = recordings.flatMap(({ name, status, whole: body }) =>
  body === undefined || status !== 200 || body.content === undefined ? [] : [{ name, body }],
);

function decodeStream(payloads: readonly string[], isEnded = true): TurnEvent[] {
  const events: TurnEvent[] = [];
  const decoder = MESSAGES_PROVIDER.createStreamDecoder((event) => events.push(event));
  for (const payload of payloads) decoder.frame('', payload);
  if (isEnded) decoder.end();
  return events;
}

function decodeBody(body: JsonObject): TurnEvent[] {
  const events: TurnEvent[] = [];
  MESSAGES_PROVIDER.decodeBody(body, (event) => events.push(event));
  return events;
}

const payload = (...events: object[]) => events.map((event) => JSON.stringify(event));
const START = {
  type: 'message_start',
  message: { id: 'msg_1', usage: { input_tokens: 7, output_tokens: 1 } },
};
const TEXT_START = { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } };
const text = (piece: string) => ({
  type: 'content_block_delta',
  index: 0,
  delta: { type: 'text_delta', text: piece },
});
const BLOCK_STOP = { type: 'content_block_stop', index: 0 };
const end = (stop_reason: string | null, usage: object = { output_tokens: 5 }) => ({
  type: 'message_delta',
  delta: { stop_reason, stop_sequence: null },
  usage,
});
const STOP = { type: 'message_stop' };

describe.skipIf(!hasRecordings)('a recorded Messages answer (needs the shared material)', () => {
  it('is there in both forms', () => {
    expect(streams.length).toBeGreaterThan(10);
    expect(bodies.length).toBeGreaterThan(10);
  });

  it.each(streams)('$name: its stream says what its folded body says', ({ name, stream }) => {
    const streamed = foldAnswer(decodeStream(stream));
    if (isCut(name)) {
      expect(streamed.ends).toMatchObject([{ kind: 'turn_fault', fault: { kind: 'provider_error' } }]);
      return;
    }
    const folded = foldMessage(stream);
    const whole = foldAnswer(decodeBody(folded));
    expect(withoutEmptyInput(streamed.parts)).toEqual(withoutEmptyInput(whole.parts));
    expect(streamed.usage).toEqual(whole.usage);
    expect(streamed.ends).toEqual(whole.ends);
    expect(streamed.ends.at(-1)).toEqual({ kind: 'turn_end' });
    expect(streamed.parts).toHaveLength(objectsOf(folded.content).length);
  });

  it.each(bodies)('$name: its body keeps every text, call and block', ({ body }) => {
    const { parts, ends } = foldAnswer(decodeBody(body));
    const expected = objectsOf(body.content).map((block) => {
      if (block.type === 'text') return { part: 'text', text: block.text };
      if (block.type === 'thinking') return { part: 'reasoning', text: block.thinking };
      if (block.type === 'redacted_thinking') return { part: 'reasoning', text: '' };
      if (block.type === 'tool_use') return { part: 'tool_call', callId: block.id, name: block.name };
      return { native: block };
    });
    expect(parts).toMatchObject(expected);
    expect(ends.at(-1)).toEqual({ kind: 'turn_end' });
  });

  it.each(streams.filter(({ name }) => !isCut(name)))(
    '$name: cut after any event, it never ends as if complete',
    ({ stream }) => {
      for (let length = 0; length < stream.length; length += 1) {
        const { ends } = foldAnswer(decodeStream(stream.slice(0, length)));
        expect(ends).toMatchObject([{ kind: 'turn_fault', fault: { kind: 'provider_error' } }]);
      }
    },
  );

  it.each(streams)('$name: pings and unknown events anywhere change nothing', ({ stream }) => {
    const noisy = stream.flatMap((event) => ['{"type": "ping"}', event, '{"type":"brand_new"}', '']);
    expect(decodeStream(noisy)).toEqual(decodeStream(stream));
  });
});

/** A stream spells a call's empty arguments as nothing or as `{}`. */
function withoutEmptyInput(parts: readonly FoldedPart[]): unknown {
  return parts.map((part) => (part.part === 'tool_call' ? { ...part, text: argumentsOf(part.text) } : part));
}

function argumentsOf(json: unknown): unknown {
  try {
    return json === '' ? {} : JSON.parse(String(json));
  } catch {
    // Cut arguments, as the official SDK reads them.
    return partialParse(String(json));
  }
}

describe('a Messages answer', () => {
  it('tells the end as soon as the provider does, not when its connection closes', () => {
    const events = decodeStream(
      payload(START, TEXT_START, text('Hi'), BLOCK_STOP, end('end_turn'), STOP),
      false,
    );
    expect(events).toEqual([
      { kind: 'turn_start', upstreamId: 'msg_1' },
      { kind: 'usage', usage: expect.objectContaining({ input: 7, output: 1 }) },
      { kind: 'part_start', index: 0, part: 'text', choice: 0 },
      { kind: 'part_delta', index: 0, text: 'Hi' },
      { kind: 'part_end', index: 0 },
      { kind: 'usage', usage: expect.objectContaining({ input: 7, output: 5, source: 'upstream' }) },
      { kind: 'choice_end', choice: 0, reason: 'stop' },
      { kind: 'turn_end' },
    ]);
  });

  it('is a provider error when its first event is overloaded_error', () => {
    const overloaded = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    expect(decodeStream(payload(overloaded, START))).toMatchObject([
      { kind: 'turn_fault', fault: { kind: 'provider_error' } },
    ]);
  });

  it('closes a block that was left open when the answer ends', () => {
    const events = decodeStream(payload(START, TEXT_START, text('Hi'), end('max_tokens'), STOP));
    expect(foldAnswer(events).parts).toMatchObject([{ part: 'text', text: 'Hi' }]);
  });

  it('keeps the text of a block whose start was left out', () => {
    const events = decodeStream(payload(START, text('Hi'), BLOCK_STOP, end('end_turn'), STOP));
    expect(foldAnswer(events).parts).toMatchObject([{ part: 'text', text: 'Hi' }]);
  });

  it('keeps arguments that came whole with the start of a call', () => {
    const call = { type: 'tool_use', id: 'toolu_1', name: 'add', input: { a: 1 } };
    const start = { type: 'content_block_start', index: 0, content_block: call };
    const events = decodeStream(payload(START, start, BLOCK_STOP, end('tool_use'), STOP));
    expect(foldAnswer(events)).toMatchObject({
      parts: [{ part: 'tool_call', callId: 'toolu_1', name: 'add', text: '{"a":1}' }],
      ends: [{ kind: 'choice_end', reason: 'tool_calls' }, { kind: 'turn_end' }],
    });
  });

  it('joins the pieces of a signature and gives it before the part ends', () => {
    const thinking = {
      type: 'content_block_start',
      index: 0,
      content_block: { type: 'thinking', thinking: '' },
    };
    const piece = (signature: string) => ({
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'signature_delta', signature },
    });
    const events = decodeStream(payload(START, thinking, piece('Eq'), piece('AB=='), BLOCK_STOP));
    expect(events.slice(2, 5)).toEqual([
      { kind: 'part_start', index: 0, part: 'reasoning', choice: 0 },
      {
        kind: 'part_signature',
        index: 0,
        signature: { family: 'messages', kind: 'thinking', value: 'EqAB==' },
      },
      { kind: 'part_end', index: 0 },
    ]);
  });

  it('gathers a streamed compaction, which no other dialect knows', () => {
    const start = {
      type: 'content_block_start',
      index: 0,
      content_block: { type: 'compaction', content: null },
    };
    const delta = {
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'compaction_delta', content: 'So far: nothing.' },
    };
    const events = decodeStream(payload(START, start, delta, BLOCK_STOP, end('end_turn'), STOP));
    expect(foldAnswer(events).parts).toMatchObject([
      { native: { type: 'compaction', content: 'So far: nothing.' } },
    ]);
  });

  it('is cut when it stops without saying why, and garbage is a provider error', () => {
    for (const stream of [payload(START, STOP), ['{"type":"message_start"'], ['null']]) {
      expect(decodeStream(stream).at(-1)).toMatchObject({
        kind: 'turn_fault',
        fault: { kind: 'provider_error' },
      });
    }
  });

  it.each([
    ['end_turn', 'stop'],
    ['max_tokens', 'length'],
    ['stop_sequence', 'stop_sequence'],
    ['tool_use', 'tool_calls'],
    ['pause_turn', 'pause'],
    ['refusal', 'refusal'],
    ['model_context_window_exceeded', 'context_exceeded'],
    ['something_new', 'stop'],
  ])('that stops for %s has ended with %s', (stopReason, reason) => {
    const events = decodeStream(payload(START, end(stopReason), STOP));
    expect(events.at(-2)).toMatchObject({ kind: 'choice_end', reason });
  });

  it('counts each class of tokens once; passes beside the answer count only where they are charged', () => {
    const usage = {
      input_tokens: 10,
      output_tokens: 20,
      cache_read_input_tokens: 300,
      cache_creation_input_tokens: 70,
      cache_creation: { ephemeral_5m_input_tokens: 30, ephemeral_1h_input_tokens: 40 },
      output_tokens_details: { thinking_tokens: 8 },
      service_tier: 'priority',
      iterations: [
        { type: 'compaction', input_tokens: 1000, output_tokens: 100 },
        { type: 'message', input_tokens: 10, output_tokens: 20 },
      ],
    };
    const body = { type: 'message', id: 'msg_1', content: [], stop_reason: 'end_turn', usage };
    const totals = {
      input: 10,
      output: 20,
      reasoning: 8,
      cacheRead: 300,
      cacheWrite5m: 30,
      cacheWrite1h: 40,
      source: 'upstream',
      serviceTier: 'priority',
    };
    expect(foldAnswer(decodeBody(body)).usage).toEqual(totals);
    expect(new UsageReading().add(usage)).toEqual({ ...totals, input: 1010, output: 120 });
  });

  it('keeps counts that its last event leaves out or says to be null', () => {
    const last = end('end_turn', { output_tokens: 5, input_tokens: null });
    const events = decodeStream(payload(START, last, STOP));
    expect(foldAnswer(events).usage).toMatchObject({ input: 7, output: 5 });
  });

  it('without counts has unknown usage, not zero', () => {
    expect(foldAnswer(decodeBody({ content: [], stop_reason: 'end_turn' })).usage).toBeUndefined();
  });

  it('never crashes on what a provider may send, and stays in order', () => {
    const mixed = fc.oneof(
      fc.jsonValue(),
      fc.record({
        type: fc.constantFrom(
          'message_start',
          'content_block_start',
          'content_block_delta',
          'content_block_stop',
          'message_delta',
          'message_stop',
          'error',
        ),
        index: fc.oneof(fc.integer({ min: -1, max: 3 }), fc.jsonValue()),
        content_block: fc.oneof(
          fc.record({
            type: fc.constantFrom('text', 'thinking', 'redacted_thinking', 'tool_use', 'server_tool_use'),
            text: fc.jsonValue(),
            citations: fc.jsonValue(),
          }),
          fc.jsonValue(),
        ),
        delta: fc.oneof(
          fc.record({
            type: fc.constantFrom('text_delta', 'input_json_delta', 'signature_delta', 'citations_delta'),
            text: fc.string(),
            partial_json: fc.string(),
            stop_reason: fc.constantFrom('end_turn', null),
          }),
          fc.jsonValue(),
        ),
        message: fc.jsonValue(),
        usage: fc.jsonValue(),
      }),
    );
    fc.assert(
      fc.property(fc.array(mixed, { maxLength: 12 }), (values) => {
        const { ends } = foldAnswer(decodeStream(values.map((value) => JSON.stringify(value))));
        expect(['turn_end', 'turn_fault']).toContain(ends.at(-1)?.kind);
        for (const value of values) {
          const body: unknown = JSON.parse(JSON.stringify(value));
          if (isJsonObject(body)) foldAnswer(decodeBody(body));
        }
      }),
      { seed: 20_261_121, numRuns: 400 },
    );
  });
});
