import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { objectsOf } from '#data-plane/dialects/json-access.ts';
import { MESSAGES_CLIENT, MESSAGES_PROVIDER } from '#data-plane/dialects/messages/messages-codec.ts';
import { packCallId, packSignature, unpackCallId } from '#data-plane/dialects/signature-envelope.ts';
import type { FinishReason, JsonObject, ProviderSignature } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { fault } from '#shared/fault.ts';
import { NO_TOKENS } from '#shared/token-usage.ts';
import { foldMessage } from './fold-turn.ts';
import { compileSchemas, hasMaterial, payloads, readRecordings } from './messages-material.ts';

const ANSWER = {
  idSeed: '0192f0c1d2e37aaabbbbccccddddeeee',
  model: 'anthropic/claude-sonnet-4.6',
  createdAt: 0,
  body: {},
};
const GEMINI: ProviderSignature = { family: 'gemini', kind: 'thought', value: 'CiQB/+=' };
const OWN: ProviderSignature = { family: 'messages', kind: 'thinking', value: 'EqAB==' };

function encodeStream(events: readonly TurnEvent[]): string[] {
  const written: string[] = [];
  const encoder = MESSAGES_CLIENT.createStreamEncoder(ANSWER, (bytes) => written.push(bytes));
  for (const event of events) encoder.event(event);
  return written;
}

const payloadsOf = (written: readonly string[]) => payloads(Buffer.from(written.join('')));
const typesOf = (written: readonly string[]) =>
  payloadsOf(written).map((payload) => JSON.parse(payload).type);

function blocksOf(events: readonly TurnEvent[]): JsonObject[] {
  return [...objectsOf(MESSAGES_CLIENT.encodeBody(ANSWER, events).content)];
}

const START: TurnEvent = { kind: 'turn_start', upstreamId: 'x' };
const END: readonly TurnEvent[] = [{ kind: 'choice_end', choice: 0, reason: 'stop' }, { kind: 'turn_end' }];
const prose = (
  index: number,
  part: 'text' | 'reasoning' | 'refusal',
  text: string,
  ...between: TurnEvent[]
): TurnEvent[] => [
  { kind: 'part_start', index, part, choice: 0 },
  { kind: 'part_delta', index, text },
  ...between,
  { kind: 'part_end', index },
];
const sign = (index: number, signature: ProviderSignature): TurnEvent => ({
  kind: 'part_signature',
  index,
  signature,
});
const callStart = (index: number, name: string, signature?: ProviderSignature): TurnEvent => ({
  kind: 'part_start',
  index,
  part: 'tool_call',
  choice: 0,
  callId: `call_${index}`,
  name,
  ...(signature === undefined ? {} : { signature }),
});

/** No block begins inside another, each one ends, and the order of the whole is that of the protocol. */
function expectBalanced(types: readonly string[]): void {
  let open = false;
  for (const type of types.slice(1, -2)) {
    if (type === 'content_block_start') expect(open).toBe(false);
    else expect(open).toBe(true);
    open = type !== 'content_block_stop';
  }
  expect(open).toBe(false);
  expect([types[0], ...types.slice(-2)]).toEqual(['message_start', 'message_delta', 'message_stop']);
}

describe.skipIf(!hasMaterial)(
  'a recorded answer written for Messages clients (needs the shared material)',
  () => {
    const schemas = hasMaterial ? compileSchemas('2026-10-21') : undefined;
    /** Blocks of beta features and the like that the published schema does not hold. */
    const unpublished =
      /"type":"(mcp_tool_use|mcp_tool_result|advisor|advisor_tool_result|compaction)"|"advisor"/;
    const answers = readRecordings().flatMap(({ name, status, stream, body }) => {
      const events: TurnEvent[] = [];
      const emit = (event: TurnEvent) => events.push(event);
      if (stream !== undefined) {
        const decoder = MESSAGES_PROVIDER.createStreamDecoder(emit);
        for (const payload of stream) decoder.frame('', payload);
        decoder.end();
      } else if (body?.content !== undefined && status === 200) MESSAGES_PROVIDER.decodeBody(body, emit);
      const source = stream === undefined ? body : foldMessage(stream);
      return events.at(-1)?.kind === 'turn_end' && source !== undefined ? [{ name, events, source }] : [];
    });

    it('exists, and the schema can refuse', () => {
      expect(answers.length).toBeGreaterThan(25);
      expect(schemas?.streamEvent({ type: 'content_block_stop' })).toBe(false);
      expect(schemas?.message({ type: 'message', content: [] })).toBe(false);
    });

    it.each(answers)('$name: stream and body say the same and fit the published schema', ({ events }) => {
      const written = encodeStream(events);
      const folded = foldMessage(payloadsOf(written));
      const body = MESSAGES_CLIENT.encodeBody(ANSWER, events);
      expect(folded).toEqual(body);
      expectBalanced(typesOf(written));
      if (schemas === undefined || unpublished.test(JSON.stringify(body))) return;
      for (const payload of payloadsOf(written)) {
        const event = JSON.parse(payload);
        expect(schemas.streamEvent(event), JSON.stringify([event, schemas.streamEvent.errors])).toBe(true);
      }
      expect(schemas.message(body), JSON.stringify(schemas.message.errors)).toBe(true);
    });

    it.each(answers)(
      '$name: keeps texts, thoughts, signatures and calls of its source',
      ({ events, source }) => {
        const essence = (block: JsonObject) => {
          const { type, text, thinking, signature, data, id, name, input, content } = block;
          return { type, text, thinking, signature, data, id, name, input, content };
        };
        const kept = (blocks: readonly JsonObject[]) =>
          blocks.filter((block) => block.text !== '').map(essence);
        const body = MESSAGES_CLIENT.encodeBody(ANSWER, events);
        const wasCut = source.stop_reason === 'max_tokens';
        if (!wasCut) expect(kept(objectsOf(body.content))).toEqual(kept(objectsOf(source.content)));
        expect(body).toMatchObject({
          stop_reason: source.stop_reason,
          stop_sequence: source.stop_sequence ?? null,
        });
      },
    );

    it('has usage in the schema whatever classes it holds', () => {
      const usage = {
        ...NO_TOKENS,
        input: 1,
        cacheRead: 2,
        cacheWrite5m: 3,
        cacheWrite1h: 4,
        output: 5,
        reasoning: 2,
      };
      const body = MESSAGES_CLIENT.encodeBody(ANSWER, [START, { kind: 'usage', usage }, ...END]);
      expect(schemas?.message(body)).toBe(true);
      expect(body.usage).toMatchObject({
        input_tokens: 1,
        cache_read_input_tokens: 2,
        cache_creation_input_tokens: 7,
        cache_creation: { ephemeral_5m_input_tokens: 3, ephemeral_1h_input_tokens: 4 },
        output_tokens: 5,
        output_tokens_details: { thinking_tokens: 2 },
      });
    });

    it('fits the schema with citations of any provider', () => {
      const cited: TurnEvent[] = [
        { kind: 'part_citation', index: 0, url: 'https://example.org', title: 'Example', citedText: 'words' },
        { kind: 'part_citation', index: 0, citedText: 'words' },
      ];
      const written = encodeStream([START, ...prose(0, 'text', 'Hi', ...cited), ...END]);
      for (const payload of payloadsOf(written)) {
        const event = JSON.parse(payload);
        expect(schemas?.streamEvent(event), JSON.stringify(event)).toBe(true);
      }
    });

    it('has errors in the shape of the schema', () => {
      const [written] = encodeStream([{ kind: 'turn_fault', fault: fault('provider_error', 'It failed.') }]);
      const error = JSON.parse(payloadsOf([written ?? ''])[0] ?? '{}');
      expect(schemas?.errorResponse(error)).toBe(true);
    });
  },
);

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
      'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"It failed."},"request_id":null}\n\n',
    );
  });

  it('is kept alive by a ping until it has ended', () => {
    const encoder = MESSAGES_CLIENT.createStreamEncoder(ANSWER, () => undefined);
    expect(encoder.keepAlive()).toBe('event: ping\ndata: {"type":"ping"}\n\n');
    encoder.event({ kind: 'turn_end' });
    expect(encoder.keepAlive()).toBe('');
  });

  it('loses no text and stays balanced for any order of parts', () => {
    const partKind = fc.constantFrom('text', 'reasoning', 'refusal', 'tool_call', 'native');
    const part = fc.record({
      part: partKind,
      pieces: fc.array(fc.string(), { maxLength: 3 }),
      isSigned: fc.boolean(),
    });
    const pick = fc.array(fc.nat(), { minLength: 60, maxLength: 60 });
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), pick, (parts, picks) => {
        const queues = parts.map((each, index) => eventsOf(each, index));
        const events: TurnEvent[] = [START, ...interleave(queues, picks), ...END];
        const written = encodeStream(events);
        expectBalanced(typesOf(written));
        const folded = foldMessage(payloadsOf(written));
        expect(folded).toEqual(MESSAGES_CLIENT.encodeBody(ANSWER, events));
        const spoken = parts.filter((each) => each.part === 'text' || each.part === 'refusal');
        const texts = objectsOf(folded.content).filter(({ type }) => type === 'text');
        expect(texts.map((block) => block.text)).toEqual(
          spoken.map((each) => each.pieces.join('')).filter((text) => text !== ''),
        );
        expect(objectsOf(folded.content).filter(({ type }) => type === 'tool_use')).toHaveLength(
          parts.filter((each) => each.part === 'tool_call').length,
        );
      }),
      { seed: 20_261_121, numRuns: 300 },
    );
  });
});

interface SomePart {
  readonly part: string;
  readonly pieces: readonly string[];
  readonly isSigned: boolean;
}

function eventsOf({ part, pieces, isSigned }: SomePart, index: number): TurnEvent[] {
  if (part === 'native')
    return [
      { kind: 'native_part', index, choice: 0, family: 'messages', value: { type: 'container_upload' } },
    ];
  const deltas = pieces.map((text): TurnEvent => ({ kind: 'part_delta', index, text }));
  if (part === 'tool_call') return [callStart(index, 'run'), ...deltas, { kind: 'part_end', index }];
  const start: TurnEvent = { kind: 'part_start', index, part: part as 'text', choice: 0 };
  const signed = part === 'reasoning' && isSigned ? [sign(index, index % 2 === 0 ? OWN : GEMINI)] : [];
  return [start, ...deltas, ...signed, { kind: 'part_end', index }];
}

/** Parts start in order; from then on their events may come in any order among one another. */
function interleave(queues: readonly TurnEvent[][], picks: readonly number[]): TurnEvent[] {
  const events: TurnEvent[] = [];
  const running: TurnEvent[][] = [];
  const waiting = queues.map((queue) => [...queue]);
  for (const pick of picks) {
    const isNext = waiting.length > 0 && (running.length === 0 || pick % 3 === 0);
    const queue = isNext ? waiting.shift() : running[pick % running.length];
    if (queue === undefined) break;
    const event = queue.shift();
    if (event !== undefined) events.push(event);
    if (isNext && queue.length > 0) running.push(queue);
    if (!isNext && queue.length === 0) running.splice(running.indexOf(queue), 1);
  }
  return [...events, ...running.flat(), ...waiting.flat()];
}
