import { describe, expect, it } from 'vitest';
import { isJsonObject, objectOf, objectsOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { foldAnswer, grammarFaults } from '#test/dialects/event-grammar.ts';
import { hasRecordings, recordingsOf } from '#test/dialects/provider-recordings.ts';
import { decodeStream, decodeWhole, payloadsOf, textsOf } from './answer-checks.ts';

const recordings = recordingsOf('openai-responses');
const streams = recordings.flatMap(({ name, sent: stream }) =>
  stream === undefined ? [] : [{ name, stream }],
);
const bodies = recordings.flatMap(({ name, whole: body, status }) =>
  body === undefined || status !== 200 ? [] : [{ name, body }],
);

function lastResponse(stream: readonly { data: string; name: string }[]): JsonObject | undefined {
  const last = payloadsOf(stream).findLast(({ type }) =>
    /^response\.(completed|incomplete)$/.test(String(type)),
  );
  return objectOf(last?.response);
}

const complete = streams.filter(({ stream }) => lastResponse(stream) !== undefined);

function shownTexts(events: readonly TurnEvent[]): Record<string, string> {
  const texts: Record<string, string> = { text: '', refusal: '', reasoning: '', arguments: '' };
  for (const part of foldAnswer(events).parts) {
    const kind = part.part === 'tool_call' ? 'arguments' : String(part.part);
    if (kind in texts) texts[kind] += String(part.text);
  }
  return texts;
}

/** The last event writes encrypted content anew and rounds log probabilities less: only the item's id can be compared. */
function comparable(events: readonly TurnEvent[]): unknown {
  const { parts, ends, usage } = foldAnswer(events);
  return {
    ends,
    usage,
    parts: parts.map(({ signature, logprobs: _, ...part }) => ({
      ...part,
      signedItem: isJsonObject(signature)
        ? (JSON.parse(String(signature.value)) as JsonObject).id
        : undefined,
    })),
  };
}

describe.skipIf(!hasRecordings)('recorded Responses answers (needs CROSSMODEL_SHARED)', () => {
  it('are all there', () => {
    expect(streams.length).toBeGreaterThanOrEqual(18);
    expect(bodies.length).toBeGreaterThanOrEqual(8);
  });

  it.each(complete)('the stream $name says what its last response holds', ({ stream, name }) => {
    const events = decodeStream(stream);
    expect(events.at(-1)).toEqual({ kind: 'turn_end' });
    const response = lastResponse(stream) ?? {};
    expect(shownTexts(events)).toEqual(textsOf(response));
    const usage = events.findLast((event) => event.kind === 'usage')?.usage;
    const told = objectOf(response.usage);
    if (told === undefined) expect(usage).toBeUndefined();
    else {
      const input = (usage?.input ?? 0) + (usage?.cacheRead ?? 0) + (usage?.cacheWrite5m ?? 0);
      expect(input).toBe(told.input_tokens);
      expect(input + (usage?.output ?? 0)).toBe(told.total_tokens);
      expect(usage?.cacheRead).toBe(objectOf(told.input_tokens_details)?.cached_tokens ?? 0);
    }
    const natives = objectsOf(response.output).filter(
      ({ type }) => !/^(message|reasoning|function_call|custom_tool_call)$/.test(String(type)),
    );
    expect(events.filter(({ kind }) => kind === 'native_part').length, name).toBe(natives.length);
  });

  // These two name their items anew at the end, or finish the reasoning behind the text.
  it.each(complete.filter(({ name }) => !/openrouter|copilot/.test(name)))(
    'the stream $name folds to what its last response decodes to',
    ({ stream }) => {
      const whole = decodeWhole(lastResponse(stream) ?? {});
      expect(comparable(decodeStream(stream))).toEqual(comparable(whole));
    },
  );

  it.each(bodies)('the body $name says what it holds', ({ body }) => {
    const events = decodeWhole(body);
    expect(events.at(-1)).toEqual({ kind: 'turn_end' });
    expect(shownTexts(events)).toEqual(textsOf(body));
  });

  it.each(streams)(
    'the stream $name cut anywhere ends with a fault, never as if it were complete',
    ({ stream }) => {
      const step = Math.max(1, Math.floor(stream.length / 40));
      for (let length = 0; length < stream.length - 2; length += step) {
        const events = decodeStream(stream.slice(0, length));
        const isWhole = lastResponse(stream.slice(0, length)) !== undefined;
        expect(events.at(-1)?.kind).toBe(isWhole ? 'turn_end' : 'turn_fault');
        expect(events.filter(({ kind }) => kind === 'turn_end' || kind === 'turn_fault')).toHaveLength(1);
      }
    },
  );

  it('an exhausted account of ours inside a 200 is a failed provider, in none of its words', () => {
    const failed = streams.find(({ name }) => name.includes('error-in-200'));
    const events = decodeStream(failed?.stream ?? []);
    expect(events.at(-1)).toMatchObject({ kind: 'turn_fault', fault: { kind: 'provider_error' } });
    expect(JSON.stringify(events)).not.toMatch(/quota|billing|plan/i);
  });
});

describe('a Responses stream', () => {
  const frame = (payload: JsonObject) => ({
    name: String(payload.type ?? ''),
    data: JSON.stringify(payload),
  });
  const created = frame({ type: 'response.created', response: { id: 'resp_1', status: 'in_progress' } });
  const completed = (more: JsonObject = {}) =>
    frame({
      type: 'response.completed',
      response: { id: 'resp_1', status: 'completed', output: [], ...more },
    });

  it('passes over events and items that it does not know', () => {
    const events = decodeStream([
      created,
      frame({ type: 'response.something.new', delta: 'x', output_index: 0 }),
      frame({ type: 'keepalive', sequence_number: 2 }),
      frame({ type: 'response.output_item.done', output_index: 0, item: { type: 'hologram', id: 'h_1' } }),
      completed(),
      { name: '', data: '[DONE]' },
    ]);
    expect(events.map(({ kind }) => kind)).toEqual(['turn_start', 'native_part', 'choice_end', 'turn_end']);
  });

  it('gives arguments that came in one piece, and those that only the item holds', () => {
    const call = { type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'f', arguments: '' };
    const done = { ...call, arguments: '{"a":1}' };
    for (const late of [
      frame({ type: 'response.function_call_arguments.done', output_index: 0, arguments: '{"a":1}' }),
      frame({ type: 'response.output_item.done', output_index: 0, item: done }),
    ]) {
      const added = frame({ type: 'response.output_item.added', output_index: 0, item: call });
      const { parts, ends } = foldAnswer(decodeStream([created, added, late, completed({ output: [done] })]));
      expect(parts).toEqual([{ part: 'tool_call', choice: 0, callId: 'call_1', name: 'f', text: '{"a":1}' }]);
      expect(ends).toContainEqual({ kind: 'choice_end', choice: 0, reason: 'tool_calls' });
    }
  });

  it('interleaved calls keep their own arguments', () => {
    const item = (name: string) => ({ type: 'function_call', id: name, call_id: name, name, arguments: '' });
    const delta = (index: number, text: string) =>
      frame({ type: 'response.function_call_arguments.delta', output_index: index, delta: text });
    const { parts } = foldAnswer(
      decodeStream([
        created,
        frame({ type: 'response.output_item.added', output_index: 0, item: item('a') }),
        frame({ type: 'response.output_item.added', output_index: 1, item: item('b') }),
        delta(0, '{"x":'),
        delta(1, '{"y":'),
        delta(0, '1}'),
        delta(1, '2}'),
        frame({
          type: 'response.output_item.done',
          output_index: 1,
          item: { ...item('b'), arguments: '{"y":2}' },
        }),
        frame({
          type: 'response.output_item.done',
          output_index: 0,
          item: { ...item('a'), arguments: '{"x":1}' },
        }),
        completed(),
      ]),
    );
    expect(parts.map(({ name, text }) => [name, text])).toEqual([
      ['a', '{"x":1}'],
      ['b', '{"y":2}'],
    ]);
  });

  it('text waits for a call whose arguments are still coming, and for no other', () => {
    const call = { type: 'function_call', id: 'a', call_id: 'a', name: 'f', arguments: '' };
    const piece = (delta: string) =>
      frame({ type: 'response.function_call_arguments.delta', output_index: 0, delta });
    const text = frame({
      type: 'response.output_text.delta',
      output_index: 1,
      content_index: 0,
      delta: 'Hi',
    });
    const added = frame({ type: 'response.output_item.added', output_index: 0, item: call });
    for (const arrival of [
      [added, piece('{"x"'), text, piece(':1}')],
      [added, piece('{"x":1}'), text],
    ]) {
      const events = decodeStream([created, ...arrival, completed()]);
      expect(grammarFaults(events)).toEqual([]);
      expect(foldAnswer(events).parts.map((part) => part.text)).toEqual(['{"x":1}', 'Hi']);
    }
  });

  it.each([
    [
      { type: 'error', code: 'rate_limit_exceeded', message: 'slow down', param: null },
      'provider_rate_limited',
    ],
    [
      { type: 'error', error: { type: 'server_error', code: 'server_error', message: 'x' } },
      'provider_error',
    ],
    [{ type: 'error', code: 'invalid_prompt', message: 'Bad words.', param: null }, 'invalid_request'],
    [{ type: 'error', code: 'invalid_prompt', message: 'Your API key is wrong.' }, 'provider_error'],
    [
      {
        type: 'response.failed',
        response: { status: 'failed', error: { code: 'invalid_image', message: 'No.' } },
      },
      'invalid_request',
    ],
    [{ type: 'response.failed', response: { status: 'failed', error: null } }, 'provider_error'],
    [{ error: { code: 429, message: 'x' } }, 'provider_rate_limited'],
  ])('the error %j is judged once and ends the answer', (payload, kind) => {
    const events = decodeStream([created, frame(payload as JsonObject), completed()]);
    expect(events.slice(1)).toMatchObject([{ kind: 'turn_fault', fault: { kind } }]);
  });

  it('what is no JSON is a failed provider', () => {
    expect(decodeStream([created, { name: '', data: '<html>' }]).at(-1)).toMatchObject({
      kind: 'turn_fault',
      fault: { kind: 'provider_error' },
    });
  });

  it('a body that is still in progress, failed or an error is a fault', () => {
    for (const body of [
      { status: 'in_progress', output: [] },
      { status: 'failed', error: { code: 'server_error', message: 'x' } },
      { error: { message: 'x', code: 'server_error' } },
      {},
    ])
      expect(decodeWhole(body).at(-1)?.kind).toBe('turn_fault');
  });
});
