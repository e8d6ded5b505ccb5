import type { ValidateFunction } from 'ajv';
import { describe, expect, it } from 'vitest';
import { objectOf, objectsOf } from '#data-plane/dialects/json-access.ts';
import { responsesClient } from '#data-plane/dialects/responses/responses-codec.ts';
import { unpackSignature } from '#data-plane/dialects/signature-envelope.ts';
import type { FinishReason, JsonObject, ProviderSignature } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { fault } from '#shared/fault.ts';
import { NO_TOKENS } from '#shared/token-usage.ts';
import { hasRecordings, recordingsOf, type SentEvent } from '#test/dialects/provider-recordings.ts';
import { openAiResponsesSchemas, openResponsesSchemas } from '#test/dialects/published-schemas.ts';
import {
  decodeStream,
  encodeStream,
  expectSoundLifecycle,
  identity,
  payloadsOf,
  textsOf,
} from './answer-checks.ts';

const start: TurnEvent = { kind: 'turn_start', upstreamId: 'up_1' };
const end = (reason: FinishReason): TurnEvent[] => [
  {
    kind: 'usage',
    usage: {
      ...NO_TOKENS,
      input: 10,
      cacheRead: 5,
      cacheWrite5m: 2,
      cacheWrite1h: 1,
      output: 7,
      reasoning: 3,
    },
  },
  { kind: 'choice_end', choice: 0, reason },
  { kind: 'turn_end' },
];
const prose = (index: number, part: 'text' | 'reasoning' | 'refusal', ...texts: string[]): TurnEvent[] => [
  { kind: 'part_start', index, part, choice: 0 },
  ...texts.map((text): TurnEvent => ({ kind: 'part_delta', index, text })),
  { kind: 'part_end', index },
];
const call = (index: number, name: string, ...texts: string[]): TurnEvent[] => [
  { kind: 'part_start', index, part: 'tool_call', choice: 0, callId: `call_${index}`, name },
  ...texts.map((text): TurnEvent => ({ kind: 'part_delta', index, text })),
  { kind: 'part_end', index },
];
const thinking: ProviderSignature = { family: 'messages', kind: 'thinking', value: 'EqRk==' };

const answers: Readonly<Record<string, readonly TurnEvent[]>> = {
  text: [start, ...prose(0, 'text', 'Hel', 'lo'), ...end('stop')],
  'nothing at all': [start, ...end('stop')],
  'texts in a row with citations': [
    start,
    ...prose(0, 'text', 'One. '),
    { kind: 'part_start', index: 1, part: 'text', choice: 0 },
    { kind: 'part_citation', index: 1, url: 'https://example.com/a', title: 'A', citedText: 'x' },
    { kind: 'part_delta', index: 1, text: 'Two.' },
    { kind: 'part_citation', index: 1, title: 'a document without address' },
    { kind: 'part_end', index: 1 },
    ...end('stop'),
  ],
  'signed thoughts and calls': [
    start,
    { kind: 'part_start', index: 0, part: 'reasoning', choice: 0 },
    { kind: 'part_delta', index: 0, text: 'Hm.' },
    { kind: 'part_signature', index: 0, signature: thinking },
    { kind: 'part_end', index: 0 },
    ...prose(1, 'text', 'I look.'),
    ...call(2, 'look', '{"a"', ':1}'),
    ...call(3, 'look'),
    ...end('tool_calls'),
  ],
  'a redacted thought': [
    start,
    { kind: 'part_start', index: 0, part: 'reasoning', choice: 0 },
    { kind: 'part_signature', index: 0, signature: { ...thinking, kind: 'redacted' } },
    { kind: 'part_end', index: 0 },
    ...end('stop'),
  ],
  'interleaved calls': [
    start,
    { kind: 'part_start', index: 0, part: 'tool_call', choice: 0, callId: 'a', name: 'f' },
    { kind: 'part_start', index: 1, part: 'tool_call', choice: 0, callId: 'b', name: 'g' },
    { kind: 'part_delta', index: 0, text: '{"x":' },
    { kind: 'part_delta', index: 1, text: '{}' },
    { kind: 'part_delta', index: 0, text: '1}' },
    { kind: 'part_end', index: 0 },
    { kind: 'part_end', index: 1 },
    ...end('tool_calls'),
  ],
  'a refusal': [start, ...prose(0, 'refusal', 'No.'), ...end('refusal')],
  'a refusal behind text': [
    start,
    ...prose(0, 'text', 'Well. '),
    ...prose(1, 'refusal', 'No.'),
    ...end('refusal'),
  ],
  'a silent refusal': [start, ...prose(0, 'text', 'Well'), ...end('refusal')],
  'a text that was too long': [start, ...prose(0, 'text', 'And then'), ...end('length')],
  'a filtered text': [start, ...prose(0, 'text', 'And then'), ...end('content_filter')],
  'log probabilities': [
    start,
    { kind: 'part_start', index: 0, part: 'text', choice: 0 },
    {
      kind: 'part_delta',
      index: 0,
      text: 'é',
      logprobs: [{ token: 'é', logprob: -0.1, top_logprobs: [{ token: 'e', logprob: -2, bytes: [101] }] }],
    },
    { kind: 'part_end', index: 0 },
    ...end('stop'),
  ],
};
const requests: Readonly<Record<string, JsonObject>> = {
  'no options': {},
  'every option': {
    instructions: 'Be brief.',
    max_output_tokens: 100,
    temperature: 0.5,
    top_p: 0.9,
    top_logprobs: 2,
    parallel_tool_calls: false,
    reasoning: { effort: 'low', summary: 'auto' },
    text: { format: { type: 'text' }, verbosity: 'low' },
    tools: [{ type: 'function', name: 'look' }],
    tool_choice: { type: 'function', name: 'look' },
    safety_identifier: 'u1',
    prompt_cache_key: 'k',
    service_tier: 'flex',
    truncation: 'auto',
    metadata: { a: 'b' },
  },
};

const outputs = (stream: readonly SentEvent[]) => objectsOf(expectSoundLifecycle(stream).output);

describe('an answer written as a Responses stream', () => {
  it.each(Object.entries(answers))('%s is complete, ordered and says everything', (_, events) => {
    const stream = encodeStream(events);
    const response = expectSoundLifecycle(stream);
    const deltas = (part: string) =>
      events.map((event) =>
        event.kind === 'part_delta' &&
        events.some(
          (other) => other.kind === 'part_start' && other.index === event.index && other.part === part,
        )
          ? event.text
          : '',
      );
    expect(textsOf(response)).toMatchObject({
      text: deltas('text').join(''),
      refusal: deltas('refusal').join(''),
      reasoning: deltas('reasoning').join(''),
    });
    expect(responsesClient.encodeBody(identity(), events)).toEqual(response);
  });

  it('counts cached tokens inside the input', () => {
    expect(expectSoundLifecycle(encodeStream(answers.text ?? [])).usage).toEqual({
      input_tokens: 18,
      input_tokens_details: { cached_tokens: 5, cache_write_tokens: 3 },
      output_tokens: 7,
      output_tokens_details: { reasoning_tokens: 3 },
      total_tokens: 25,
    });
  });

  it('says why an answer is not whole, in the response and on its last item', () => {
    const long = expectSoundLifecycle(encodeStream(answers['a text that was too long'] ?? []));
    expect(long).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
    expect(objectsOf(long.output).at(-1)?.status).toBe('incomplete');
    const silent = expectSoundLifecycle(encodeStream(answers['a silent refusal'] ?? []));
    expect(silent).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'content_filter' } });
    const spoken = expectSoundLifecycle(encodeStream(answers['a refusal'] ?? []));
    expect(spoken).toMatchObject({ status: 'completed', incomplete_details: null });
  });

  it('carries a foreign signature in encrypted_content, one of its own as it was', () => {
    const [thought] = outputs(encodeStream(answers['signed thoughts and calls'] ?? []));
    expect(unpackSignature(String(thought?.encrypted_content))).toEqual(thinking);
    const item = { type: 'reasoning', id: 'rs_9', summary: [], encrypted_content: 'gAAAA' };
    const own = (itemId?: string): TurnEvent[] => [
      start,
      {
        kind: 'part_start',
        index: 0,
        part: 'reasoning',
        choice: 0,
        ...(itemId === undefined ? {} : { itemId }),
      },
      {
        kind: 'part_signature',
        index: 0,
        signature: { family: 'responses', kind: 'item', value: JSON.stringify(item) },
      },
      { kind: 'part_end', index: 0 },
      ...end('stop'),
    ];
    expect(outputs(encodeStream(own('rs_9')))).toEqual([item]);
    // Under another id it would be refused, so the whole item travels.
    const [renamed] = outputs(encodeStream(own()));
    expect(JSON.parse(unpackSignature(String(renamed?.encrypted_content))?.value ?? '')).toEqual(item);
  });

  it('gives tools back under the names that the client declared', () => {
    const tools = [
      { type: 'namespace', name: 'agents', description: '', tools: [{ type: 'function', name: 'close' }] },
      { type: 'custom', name: 'patch' },
    ];
    const events = [
      start,
      ...call(0, 'agents__close', '{}'),
      ...call(1, 'patch', '{"input":"*** Begin', '\\n"}'),
      ...end('tool_calls'),
    ];
    expect(outputs(encodeStream(events, { tools }))).toMatchObject([
      { type: 'function_call', namespace: 'agents', name: 'close', arguments: '{}' },
      { type: 'custom_tool_call', name: 'patch', input: '*** Begin\n' },
    ]);
  });

  it('gives arguments that are not JSON back as they are', () => {
    const events = [start, ...call(0, 'patch', 'just text'), ...end('tool_calls')];
    expect(outputs(encodeStream(events, { tools: [{ type: 'custom', name: 'patch' }] }))).toMatchObject([
      { type: 'custom_tool_call', input: 'just text' },
    ]);
  });

  it('tells a fault in both published shapes, closes no open item and writes nothing more', () => {
    const stream = encodeStream([
      start,
      { kind: 'part_start', index: 0, part: 'tool_call', choice: 0, callId: 'c', name: 'f' },
      { kind: 'part_delta', index: 0, text: '{"dele' },
      { kind: 'turn_fault', fault: fault('provider_rate_limited', 'Busy.') },
      ...prose(1, 'text', 'x'),
      { kind: 'turn_end' },
    ]);
    expect(stream.map(({ name }) => name).slice(-2)).toEqual(['error', 'response.failed']);
    const [error, failed] = payloadsOf(stream).slice(-2);
    expect(error).toMatchObject({
      code: 'provider_rate_limited',
      message: 'Busy.',
      param: null,
      error: { type: 'rate_limit_error', code: 'provider_rate_limited', message: 'Busy.', param: null },
    });
    expect(failed?.response).toMatchObject({
      status: 'failed',
      error: { code: 'rate_limit_exceeded', message: 'Busy.' },
      output: [],
    });
    expect(stream.some(({ name }) => name === 'response.output_item.done')).toBe(false);
  });

  it('a fault before anything else still begins the stream', () => {
    const stream = encodeStream([{ kind: 'turn_fault', fault: fault('provider_error', 'Failed.') }]);
    expect(stream.map(({ name }) => name)).toEqual([
      'response.created',
      'response.in_progress',
      'error',
      'response.failed',
    ]);
  });

  it('leaves out what other choices and other families say', () => {
    const events: TurnEvent[] = [
      start,
      { kind: 'part_start', index: 0, part: 'text', choice: 1 },
      { kind: 'part_delta', index: 0, text: 'second' },
      { kind: 'part_end', index: 0 },
      {
        kind: 'native_part',
        index: 1,
        choice: 0,
        family: 'messages',
        value: { type: 'web_search_tool_result' },
      },
      ...end('stop'),
    ];
    expect(outputs(encodeStream(events))).toEqual([]);
  });

  it('keeps alive with bytes that are no event', () => {
    const encoder = responsesClient.createStreamEncoder(identity(), () => undefined);
    expect(encoder.keepAlive()).toMatch(/^:.*\n\n$/);
  });
});

describe.skipIf(!hasRecordings)('answers beside the published schemas (needs CROSSMODEL_SHARED)', () => {
  const schemas = hasRecordings
    ? { openAi: openAiResponsesSchemas(), open: openResponsesSchemas() }
    : undefined;

  function expectValid(validate: ValidateFunction | undefined, value: unknown): void {
    const type = objectOf(value as JsonObject)?.type;
    expect(
      validate?.(value) === true ? 'valid' : { type, errors: validate?.errors?.slice(0, 20), value },
    ).toBe('valid');
  }

  const cases = Object.entries(answers).flatMap(([answer, events]) =>
    Object.entries(requests).map(([request, body]) => ({
      name: `${answer}, asked with ${request}`,
      events,
      body,
    })),
  );

  it.each(cases)('$name', ({ events, body }) => {
    const stream = encodeStream(events, body);
    for (const payload of payloadsOf(stream)) {
      expectValid(schemas?.openAi.streamEvent, payload);
      expectValid(schemas?.open.streamEvent, payload);
    }
    const response = responsesClient.encodeBody(identity(body), events);
    expectValid(schemas?.openAi.response, response);
    expectValid(schemas?.open.response, response);
  });

  it('a failed stream', () => {
    const failed = encodeStream([start, { kind: 'turn_fault', fault: fault('internal_error', 'x') }], {});
    for (const payload of payloadsOf(failed)) {
      expectValid(schemas?.openAi.streamEvent, payload);
      expectValid(schemas?.open.streamEvent, payload);
    }
  });

  it.each(
    recordingsOf('openai-responses').flatMap(({ name, sent: stream, request }) =>
      stream === undefined ? [] : [{ name, stream, request }],
    ),
  )('the recording $name, translated back', ({ stream, request }) => {
    const events = decodeStream(stream);
    for (const payload of payloadsOf(encodeStream(events, request)))
      expectValid(schemas?.openAi.streamEvent, payload);
    if (events.at(-1)?.kind === 'turn_end') expectSoundLifecycle(encodeStream(events, request));
  });
});
