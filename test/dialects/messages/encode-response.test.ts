import { describe, expect, it } from 'vitest';
import { objectsOf } from '#data-plane/dialects/json-access.ts';
import { MESSAGES_CLIENT } from '#data-plane/dialects/messages/messages-codec.ts';
import { packCallId, packSignature, unpackCallId } from '#data-plane/dialects/signature-envelope.ts';
import type { FinishReason, JsonObject } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { fault } from '#shared/fault.ts';
import { NO_TOKENS } from '#shared/token-usage.ts';
import {
  ANSWER,
  blocksOf,
  callStart,
  END,
  encodeStream,
  expectBalanced,
  GEMINI,
  OWN,
  payloadsOf,
  prose,
  START,
  sign,
  typesOf,
} from './written-answers.ts';

describe('an answer written for Messages clients', () => {
  it('is one event per write, named by its type', () => {
    const written = encodeStream([START, ...prose(0, 'text', 'Hi'), ...END]);
    for (const bytes of written) expect(bytes).toMatch(/^event: (\w+)\ndata: \{"type":"\1".*\}\n\n$/);
    expect(typesOf(written)).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
  });

  it('names the catalog model and an id of our own', () => {
    expect(MESSAGES_CLIENT.encodeBody(ANSWER, [START, ...END])).toMatchObject({
      id: `msg_${ANSWER.idSeed}`,
      model: ANSWER.model,
      type: 'message',
      role: 'assistant',
      content: [],
      stop_reason: 'end_turn',
    });
  });

  it('tells the prompt tokens at its start where the provider has told them by then', () => {
    const usage = { ...NO_TOKENS, input: 25, output: 1 };
    const [first] = encodeStream([START, { kind: 'usage', usage }, ...prose(0, 'text', 'Hi')]);
    expect(JSON.parse(payloadsOf([first ?? ''])[0] ?? '').message.usage).toMatchObject({ input_tokens: 25 });
  });

  it('tells usage that arrives after the finish reason in its last delta', () => {
    const usage = { ...NO_TOKENS, input: 25, output: 9, cacheRead: 3 };
    const written = encodeStream([
      START,
      ...prose(0, 'text', 'Hi'),
      { kind: 'choice_end', choice: 0, reason: 'length' },
      { kind: 'usage', usage },
      { kind: 'turn_end' },
    ]);
    expect(JSON.parse(payloadsOf(written).at(-2) ?? '')).toMatchObject({
      delta: { stop_reason: 'max_tokens' },
      usage: { input_tokens: 25, output_tokens: 9, cache_read_input_tokens: 3 },
    });
  });

  it('puts calls that ran side by side one after the other', () => {
    const events: TurnEvent[] = [
      START,
      callStart(0, 'first'),
      callStart(1, 'second'),
      { kind: 'part_delta', index: 1, text: '{"b":' },
      { kind: 'part_delta', index: 0, text: '{"a":1}' },
      { kind: 'part_delta', index: 1, text: '2}' },
      { kind: 'part_end', index: 1 },
      { kind: 'part_end', index: 0 },
      ...END,
    ];
    expectBalanced(typesOf(encodeStream(events)));
    expect(blocksOf(events)).toMatchObject([
      { type: 'tool_use', id: 'call_0', name: 'first', input: { a: 1 } },
      { type: 'tool_use', id: 'call_1', name: 'second', input: { b: 2 } },
    ]);
    expect(MESSAGES_CLIENT.encodeBody(ANSWER, events).stop_reason).toBe('tool_use');
  });

  it('writes the pieces of the first of several calls as they come', () => {
    const events: TurnEvent[] = [
      START,
      callStart(0, 'first'),
      callStart(1, 'second'),
      { kind: 'part_delta', index: 1, text: '{}' },
      { kind: 'part_delta', index: 0, text: '{"a"' },
    ];
    expect(payloadsOf(encodeStream(events)).at(-1)).toContain('{\\"a\\"');
  });

  it('leaves no block for a part without content', () => {
    expect(blocksOf([START, ...prose(0, 'text', ''), ...prose(1, 'reasoning', ''), ...END])).toEqual([]);
  });

  it('gives its own signatures as they came and packs those of other providers', () => {
    expect(
      blocksOf([
        START,
        ...prose(0, 'reasoning', 'Hm', sign(0, OWN)),
        ...prose(1, 'reasoning', 'Hm', sign(1, GEMINI)),
        ...prose(2, 'reasoning', '', sign(2, OWN)),
        ...prose(3, 'reasoning', '', sign(3, GEMINI)),
        ...prose(4, 'reasoning', '', sign(4, { family: 'messages', kind: 'redacted', value: 'Ev' })),
        ...prose(5, 'reasoning', 'No signature'),
        ...END,
      ]),
    ).toEqual([
      { type: 'thinking', thinking: 'Hm', signature: 'EqAB==' },
      { type: 'thinking', thinking: 'Hm', signature: packSignature(GEMINI) },
      { type: 'thinking', thinking: '', signature: 'EqAB==' },
      { type: 'redacted_thinking', data: packSignature(GEMINI) },
      { type: 'redacted_thinking', data: 'Ev' },
      { type: 'thinking', thinking: 'No signature', signature: '' },
    ]);
  });

  it('ends in its text for Claude Code, which takes the last block for the result', () => {
    const events = [...prose(0, 'text', 'Done'), ...prose(1, 'reasoning', '', sign(1, GEMINI))];
    const agent = { system: [{ type: 'text', text: 'x-anthropic-billing-header: cc_version=2.1;' }] };
    const typesFor = (body: JsonObject, ...further: TurnEvent[]) => {
      const answer = { ...ANSWER, body };
      const { content } = MESSAGES_CLIENT.encodeBody(answer, [START, ...events, ...further, ...END]);
      return objectsOf(content).map((block) => block.type);
    };
    expect(typesFor(agent)).toEqual(['text']);
    expect(typesFor({})).toEqual(['text', 'redacted_thinking']);
    const call: TurnEvent[] = [callStart(2, 'add'), { kind: 'part_end', index: 2 }];
    expect(typesFor(agent, ...call)).toEqual(['text', 'redacted_thinking', 'tool_use']);
  });

  it("lets a call's signature ride behind its id, and opens it when it returns", () => {
    const [block] = blocksOf([START, callStart(0, 'add', GEMINI), { kind: 'part_end', index: 0 }, ...END]);
    expect(block?.id).toBe(packCallId('call_0', GEMINI));
    expect(unpackCallId(String(block?.id))).toEqual({ id: 'call_0', signature: GEMINI });
  });

  it('keeps arguments that are no object under `input`', () => {
    const call = (index: number, json: string): TurnEvent[] => [
      callStart(index, 'run'),
      { kind: 'part_delta', index, text: json },
      { kind: 'part_end', index },
    ];
    expect(blocksOf([START, ...call(0, '[1]'), ...call(1, '{"a"'), ...call(2, ' '), ...END])).toMatchObject([
      { input: { input: [1] } },
      { input: { input: '{"a"' } },
      { input: {} },
    ]);
  });

  it('leaves out blocks of other protocols and other choices', () => {
    const foreign: TurnEvent = {
      kind: 'native_part',
      index: 0,
      choice: 0,
      family: 'responses',
      value: { type: 'web_search_call' },
    };
    const second: TurnEvent[] = [
      { kind: 'part_start', index: 1, part: 'text', choice: 1 },
      { kind: 'part_delta', index: 1, text: 'second choice' },
      { kind: 'part_end', index: 1 },
      { kind: 'choice_end', choice: 1, reason: 'length' },
    ];
    const body = MESSAGES_CLIENT.encodeBody(ANSWER, [
      START,
      foreign,
      ...second,
      ...prose(2, 'text', 'Hi'),
      ...END,
    ]);
    expect(body).toMatchObject({ content: [{ type: 'text', text: 'Hi' }], stop_reason: 'end_turn' });
  });

  it.each<[FinishReason, string]>([
    ['stop', 'end_turn'],
    ['length', 'max_tokens'],
    ['tool_calls', 'tool_use'],
    ['stop_sequence', 'stop_sequence'],
    ['content_filter', 'refusal'],
    ['refusal', 'refusal'],
    ['pause', 'pause_turn'],
    ['context_exceeded', 'model_context_window_exceeded'],
  ])('that ended with %s stops for %s', (reason, stop_reason) => {
    const events: TurnEvent[] = [START, { kind: 'choice_end', choice: 0, reason }, { kind: 'turn_end' }];
    expect(MESSAGES_CLIENT.encodeBody(ANSWER, events).stop_reason).toBe(stop_reason);
  });

  it('shows a refusal as text and says so in its stop reason', () => {
    const body = MESSAGES_CLIENT.encodeBody(ANSWER, [START, ...prose(0, 'refusal', 'I will not.'), ...END]);
    expect(body).toMatchObject({
      content: [{ type: 'text', text: 'I will not.' }],
      stop_reason: 'refusal',
      stop_details: { type: 'refusal' },
    });
  });

  it('names the stop sequence that matched', () => {
    const stopped: TurnEvent = {
      kind: 'choice_end',
      choice: 0,
      reason: 'stop_sequence',
      stopSequence: '```',
    };
    expect(MESSAGES_CLIENT.encodeBody(ANSWER, [START, stopped, { kind: 'turn_end' }])).toMatchObject({
      stop_reason: 'stop_sequence',
      stop_sequence: '```',
    });
  });

  it('ends with an error event, and nothing after it, when the provider fails', () => {
    const broken: TurnEvent = { kind: 'turn_fault', fault: fault('provider_error', 'It failed.') };
    const events = [START, callStart(0, 'add'), broken, ...END, { kind: 'turn_end' } as const];
    const written = encodeStream(events);
    expect(typesOf(written)).toEqual(['message_start', 'content_block_start', 'error']);
    expect(written.at(-1)).toBe(
      `event: error\ndata: {"type":"error","error":{"type":"api_error","message":"It failed."},"request_id":"req_cm_${ANSWER.idSeed}"}\n\n`,
    );
  });

  it('is kept alive by a ping until it has ended', () => {
    const encoder = MESSAGES_CLIENT.createStreamEncoder(ANSWER, () => undefined);
    expect(encoder.keepAlive()).toBe('event: ping\ndata: {"type":"ping"}\n\n');
    encoder.event({ kind: 'turn_end' });
    expect(encoder.keepAlive()).toBe('');
  });
});
