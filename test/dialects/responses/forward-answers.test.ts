import { describe, expect, it } from 'vitest';
import { PIECES } from '#data-plane/dialects/dialect.ts';
import { ResponsesAnswerReader } from '#data-plane/dialects/responses/read-answer.ts';
import { responsesDialect } from '#data-plane/dialects/responses/responses-dialect.ts';
import { fault } from '#shared/fault.ts';
import type { TokenUsage } from '#shared/token-usage.ts';
import { cutAnywhere, payloadsOf, relay, SHOWN_MODEL } from '#test/dialects/forward-relay.ts';
import { hasRecordings, recordingsOf } from '#test/dialects/provider-recordings.ts';

const recordings = recordingsOf('openai-responses');
const streams = recordings.flatMap(({ name, stream }) => (stream === undefined ? [] : [{ name, stream }]));
const complete = streams.filter(({ name }) => !name.includes('midstream-error'));
const bodies = recordings.flatMap(({ name, body, status }) =>
  body === undefined || status >= 400 ? [] : [{ name, body }],
);
const DONE = 'data: [DONE]\n\n';

interface ResponseEvent {
  readonly response?: { readonly model?: string };
}

/** The stream as its client should get it: with the end marker, which not every provider sends. */
function whole(stream: Buffer): Buffer {
  return stream.toString().endsWith(DONE) ? stream : Buffer.concat([stream, Buffer.from(DONE)]);
}

function modelsOf(stream: Buffer): string[] {
  const events = payloadsOf(stream) as ResponseEvent[];
  return [...new Set(events.flatMap(({ response }) => response?.model ?? []))];
}

/** Input, output, reasoning, cache read and cache write, read off the recordings by hand. */
const COUNTS: Record<string, readonly number[]> = {
  'v05-codex-cli-2026-08': [15673, 62, 52, 0, 0],
  'azure/v03-stream-toolresult-thinking': [92, 230, 192, 0, 0],
  'bedrock-mantle/v01-stream-encrypted-toolresult': [115, 32, 10, 0, 43],
  'deepseek/v04-stream-tools-thinking': [110, 59, 14, 256, 0],
  'lmstudio/v01-stream-logprobs-tools': [130, 60, 47, 52, 0],
  'openrouter/v08-stream-thinking': [78, 37, 22, 0, 0],
  'xai/v04-stream-encrypted-toolresult': [196, 24, 16, 512, 0],
  'openai-responses/v01-stream-encrypted-tools': [63, 69, 26, 0, 0],
  'openai-responses/v03-stream-servertool-encrypted': [527, 347, 128, 3200, 0],
  'openai-responses/v07-stream-length-thinking': [450, 2048, 2048, 0, 0],
  'openai-responses/v15-stream-servertool-imageout': [1021, 1249, 1024, 1920, 0],
  'openai-responses/v02-json-encrypted-parallel': [532, 119, 17, 0, 0],
  'openai-responses/v12-json-toolresult-image-encrypted': [582, 306, 128, 0, 0],
};

function expectedCounts(name: string): readonly number[] | undefined {
  return Object.entries(COUNTS).find(([ending]) => name.endsWith(ending))?.[1];
}

function counts(usage: TokenUsage | undefined): readonly (number | undefined)[] {
  return [usage?.input, usage?.output, usage?.reasoning, usage?.cacheRead, usage?.cacheWrite5m];
}

describe.skipIf(!hasRecordings)(
  'recorded Responses answers on the forward lane (needs CROSSMODEL_SHARED)',
  () => {
    it('there are recordings, and one for every count', () => {
      expect(complete.length).toBeGreaterThan(15);
      expect(bodies.length).toBeGreaterThan(6);
      expect(recordings.filter(({ name }) => expectedCounts(name) !== undefined)).toHaveLength(
        Object.keys(COUNTS).length,
      );
    });

    it.each(complete)('$name passes byte for byte under any split', ({ stream }) => {
      const [model = '', ...others] = modelsOf(stream);
      expect(others).toEqual([]);
      const splits = [[stream], ...[2, 3, 4, 5, 6].map((seed) => cutAnywhere(stream, seed, 3 ** seed))];
      for (const pieces of splits) {
        const relayed = relay(responsesDialect, pieces, model);
        expect(relayed.state).toBe('complete');
        expect(relayed.bytes.equals(whole(stream))).toBe(true);
      }
    });

    it.each(complete)('$name changes in nothing but the name of its model', ({ stream }) => {
      const { bytes } = relay(responsesDialect, cutAnywhere(stream, 7, 999));
      const named = (payloadsOf(stream) as ResponseEvent[]).map((event) =>
        event.response?.model === undefined
          ? event
          : { ...event, response: { ...event.response, model: SHOWN_MODEL } },
      );
      expect(payloadsOf(bytes)).toEqual(named);
      const [model] = modelsOf(stream);
      const back = bytes.toString().replaceAll(JSON.stringify(SHOWN_MODEL), JSON.stringify(model));
      expect(Buffer.from(back).equals(whole(stream))).toBe(true);
    });

    it.each(complete)('$name is counted, each token once', ({ name, stream }) => {
      const { reader } = relay(responsesDialect, cutAnywhere(stream, 3, 500));
      expect(reader.usage?.source).toBe('upstream');
      const expected = expectedCounts(name);
      if (expected !== undefined) expect(counts(reader.usage)).toEqual(expected);
    });

    it.each(bodies)('$name is read as a whole', ({ name, body }) => {
      const reader = new ResponsesAnswerReader();
      expect(reader.readBody(body)).toBe(PIECES.content);
      const parsed = JSON.parse(body.toString());
      const model = reader.modelEnd === 0 ? undefined : body.subarray(reader.modelStart, reader.modelEnd);
      expect(model?.toString()).toBe(parsed.model === undefined ? undefined : JSON.stringify(parsed.model));
      expect(reader.usage?.source).toBe('upstream');
      const expected = expectedCounts(name);
      if (expected !== undefined) expect(counts(reader.usage)).toEqual(expected);
    });

    it('an error inside a stream about our account is a provider error, told before any content', () => {
      const broken = streams.find(({ name }) => name.includes('midstream-error'));
      const relayed = relay(responsesDialect, [broken?.stream ?? Buffer.alloc(0)]);
      expect([relayed.state, relayed.deliveredContent, relayed.bytes.length]).toEqual(['error', false, 0]);
      expect(relayed.failure().fault.kind).toBe('provider_error');
      expect(relayed.failure().fault.message).not.toMatch(/quota|billing/);
    });

    it.each(complete)('$name without its last event is cut, never complete', ({ stream }) => {
      const text = stream.toString().replaceAll('\r\n', '\n');
      const last = Math.max(
        text.lastIndexOf('"type":"response.completed"'),
        text.lastIndexOf('"type":"response.incomplete"'),
        text.lastIndexOf('event: response.completed'),
      );
      const end = text.lastIndexOf('\n\n', last);
      const { state } = relay(responsesDialect, [Buffer.from(`${text.slice(0, end)}\n\n`)]);
      expect(state).toBe('cut');
    });
  },
);

const event = (payload: object): string => `data: ${JSON.stringify(payload)}\n\n`;
const played = (...events: string[]) => relay(responsesDialect, [Buffer.from(events.join(''))]);
const created = event({
  type: 'response.created',
  sequence_number: 0,
  response: { model: 'm', error: null },
});
const delta = event({ type: 'response.output_text.delta', sequence_number: 4, delta: 'hello' });

describe('a Responses stream on the forward lane', () => {
  it('keeps back what comes before the model has begun, so that another provider may be tried', () => {
    const early = played(created, event({ type: 'response.in_progress', response: { model: 'm' } }));
    expect([early.state, early.deliveredContent, early.bytes.length]).toEqual(['cut', false, 0]);
    const begun = played(created, event({ type: 'response.output_item.added', item: {} }));
    expect(begun.deliveredContent).toBe(true);
  });

  it('numbers an error of ours after the events that have passed', () => {
    const { reader } = played(created, delta);
    expect(reader.nextSequenceNumber).toBe(5);
    const refusal = fault('provider_error', 'It failed.');
    const bytes = responsesDialect
      .encodeStreamFault(refusal, 'req_cm_1', reader.nextSequenceNumber)
      .toString();
    expect(bytes).toMatch(/^event: error\ndata: .*\n\n$/);
    expect(payloadsOf(Buffer.from(bytes))).toEqual([
      {
        type: 'error',
        sequence_number: 5,
        code: 'provider_error',
        message: 'It failed.',
        param: null,
        error: { type: 'provider_error', code: 'provider_error', message: 'It failed.', param: null },
      },
    ]);
  });

  it('adds up the text that was generated, for answers without counts', () => {
    const { reader } = played(created, delta, delta);
    expect([reader.textBytes, reader.usage]).toEqual([10, undefined]);
  });

  it.each([
    { type: 'response.failed', response: { status: 'failed', error: null } },
    { type: 'error', code: 'server_error', message: 'x' },
    { error: { message: 'x' } },
  ])('takes %j for an error', (payload) => {
    expect(played(event(payload)).state).toBe('error');
  });

  it.each(['[DONE]', '{"choices":[]}', 'nonsense'])('does not pass %s', (payload) => {
    expect(relay(responsesDialect, [Buffer.from(`data: ${payload}\n\n`)]).state).toBe('garbage');
  });
});
