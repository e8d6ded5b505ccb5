import { describe, expect, it } from 'vitest';
import { PIECES } from '#data-plane/dialects/dialect.ts';
import { messagesDialect } from '#data-plane/dialects/messages/messages-dialect.ts';
import { MessagesAnswerReader } from '#data-plane/dialects/messages/read-answer.ts';
import { cutAnywhere, payloadsOf, relay, SHOWN_MODEL } from '#test/dialects/forward-relay.ts';
import { hasRecordings, recordingsOf } from '#test/dialects/provider-recordings.ts';

const recordings = recordingsOf('anthropic-messages');
const streams = recordings.flatMap(({ name, stream }) => (stream === undefined ? [] : [{ name, stream }]));
const complete = streams.filter(({ stream }) => stream.includes('message_stop'));
const bodies = recordings.flatMap(({ name, body, status }) =>
  body === undefined || status >= 400 ? [] : [{ name, body }],
);

interface StartEvent {
  readonly message?: { readonly model: string };
}

/** The stream as its client should get it: a last event is ended where the recording is cut after it. */
function whole(stream: Buffer): Buffer {
  return stream.toString().endsWith('\n\n') ? stream : Buffer.concat([stream, Buffer.from('\n\n')]);
}

function modelOf(stream: Buffer): string {
  const [start] = payloadsOf(stream) as StartEvent[];
  return start?.message?.model ?? '';
}

/** Input, output, reasoning, cache read, 5-minute and 1-hour cache write, read off the recordings by hand. */
const COUNTS: Record<string, readonly number[]> = {
  'v01-stream-servertool-thinking': [4714, 304, 0, 0, 0, 0],
  'v02-stream-tools-toolresult': [751, 65, 0, 0, 0, 0],
  'v03-stream-parallel-tools': [506, 153, 0, 0, 0, 0],
  'v14-stream-websearch-citations': [10423, 341, 0, 0, 0, 0],
  'v25-stream-pauseturn-websearch': [404500, 943, 261, 0, 0, 0],
  // The totals and the pass of the adviser, which they leave out.
  'v29-stream-servertool-thinking': [2411 + 2543, 145 + 18, 47, 0, 0, 0],
  'v31-stream-refusal-thinking': [28, 106, 67, 0, 0, 0],
  'v32-stream-length-tools': [450, 124, 0, 0, 0, 0],
  'v02-claude-code-2.1.141-first-turn': [10, 475, 294, 24110, 0, 0],
  'v04-claude-code-2.1.141-tool-result': [10, 148, 52, 24110, 488, 0],
  'v08-json-servertool-thinking': [4, 290, 19, 14714, 379, 0],
  'v09-json-cache1h': [12, 11, 0, 0, 0, 1990],
  'v10-json-file-image': [3, 127, 0, 0, 2091, 0],
  'v18-json-tools': [671, 55, 0, 0, 0, 0],
};

function countsOf(reader: MessagesAnswerReader | { usage: MessagesAnswerReader['usage'] }): number[] {
  const { input, output, reasoning, cacheRead, cacheWrite5m, cacheWrite1h } = reader.usage ?? {};
  return [input, output, reasoning, cacheRead, cacheWrite5m, cacheWrite1h].map((count) => count ?? -1);
}

function stem(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

describe.skipIf(!hasRecordings)(
  'recorded Messages answers on the forward lane (needs CROSSMODEL_SHARED)',
  () => {
    it('there are recordings', () => {
      expect(complete.length).toBeGreaterThan(15);
      expect(bodies.length).toBeGreaterThan(15);
    });

    it.each(complete)('$name passes byte for byte under any split', ({ stream }) => {
      const model = modelOf(stream);
      const splits = [[stream], ...[1, 2, 3, 4, 5].map((seed) => cutAnywhere(stream, seed, 3 ** seed))];
      for (const pieces of splits) {
        const relayed = relay(messagesDialect, pieces, model);
        expect(relayed.state).toBe('complete');
        expect(relayed.bytes.equals(whole(stream))).toBe(true);
      }
    });

    it.each(complete)('$name changes in nothing but the name of its model', ({ stream }) => {
      const { bytes } = relay(messagesDialect, cutAnywhere(stream, 7, 999));
      const expected = payloadsOf(stream) as StartEvent[];
      const [start, ...rest] = expected;
      expect(payloadsOf(bytes)).toEqual([
        { ...start, message: { ...start?.message, model: SHOWN_MODEL } },
        ...rest,
      ]);
      const back = bytes.toString().replace(JSON.stringify(SHOWN_MODEL), JSON.stringify(modelOf(stream)));
      expect(Buffer.from(back).equals(whole(stream))).toBe(true);
    });

    it.each(complete.filter(({ name }) => stem(name) in COUNTS))('$name is counted', ({ name, stream }) => {
      const { reader } = relay(messagesDialect, cutAnywhere(stream, 3, 500));
      expect(reader.usage?.source).toBe('upstream');
      expect(countsOf(reader)).toEqual(COUNTS[stem(name)]);
    });

    it.each(bodies)('$name is read as a whole', ({ name, body }) => {
      const reader = new MessagesAnswerReader();
      expect(reader.readBody(body)).toBe(name.includes('count-tokens') ? PIECES.garbage : PIECES.content);
      const model = body.subarray(reader.modelStart, reader.modelEnd).toString();
      expect(JSON.parse(model)).toBe(JSON.parse(body.toString()).model);
      expect(reader.usage?.source).toBe('upstream');
      if (stem(name) in COUNTS) expect(countsOf(reader)).toEqual(COUNTS[stem(name)]);
    });

    it('a stream that reports an error in the middle ends in a fault, its content delivered', () => {
      const overloaded = streams.find(({ name }) => name.includes('midstream-overloaded'));
      const relayed = relay(messagesDialect, [overloaded?.stream ?? Buffer.alloc(0)]);
      expect(relayed.state).toBe('error');
      expect(relayed.failure().fault.kind).toBe('provider_error');
      expect(relayed.deliveredContent).toBe(true);
      expect(relayed.bytes.toString()).not.toContain('verloaded');
    });

    it.each(complete)('$name without its end is cut, never complete', ({ stream }) => {
      const text = stream.toString();
      const end = text.lastIndexOf('event: message_stop');
      expect(relay(messagesDialect, [Buffer.from(text.slice(0, end))]).state).toBe('cut');
    });
  },
);

const start = (usage: object): string =>
  `data: ${JSON.stringify({ type: 'message_start', message: { model: 'm', usage } })}\n\n`;
const event = (payload: object): string => `data: ${JSON.stringify(payload)}\n\n`;
const text = (words: string): string =>
  event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: words } });
const played = (...events: string[]) => relay(messagesDialect, [Buffer.from(events.join(''))]);

describe('a Messages stream on the forward lane', () => {
  it('keeps back what comes before the first content, so that another provider may be tried', () => {
    const ping = event({ type: 'ping' });
    const block = event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } });
    const early = played(start({}), ping, block);
    expect([early.state, early.deliveredContent, early.bytes.length]).toEqual(['cut', false, 0]);
    expect(played(start({}), ping, block, text('a')).deliveredContent).toBe(true);
  });

  it('takes a block that begins with its content for content', () => {
    const block = { type: 'text', text: 'whole' };
    expect(
      played(start({}), event({ type: 'content_block_start', index: 0, content_block: block }))
        .deliveredContent,
    ).toBe(true);
  });

  it('reports an error as the first event before anything has been sent', () => {
    const relayed = played(
      event({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }),
    );
    expect([relayed.state, relayed.deliveredContent]).toEqual(['error', false]);
    expect(relayed.failure().retryable).toBe(true);
  });

  it('estimates the output of an answer that the client left, from what had been generated', () => {
    const { reader } = played(start({ input_tokens: 50, output_tokens: 1 }), text('x'.repeat(400)));
    expect(reader.usage).toMatchObject({ input: 50, output: 100, source: 'estimated' });
  });

  it('believes the last counts, which may leave out what has not changed', () => {
    const { reader } = played(
      start({ input_tokens: 50, cache_read_input_tokens: 7, output_tokens: 1 }),
      text('x'.repeat(400)),
      event({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 9 } }),
    );
    expect(reader.usage).toMatchObject({ input: 50, cacheRead: 7, output: 9, source: 'upstream' });
  });

  it.each(['[DONE]', '{"choices":[]}', '[]', 'nonsense', '{"type":4}'])('does not pass %s', (payload) => {
    expect(relay(messagesDialect, [Buffer.from(`data: ${payload}\n\n`)]).state).toBe('garbage');
  });

  it('tells of a fault and of life in events of its dialect', () => {
    const { fault } = messagesDialect.readProviderFault(529, undefined, Buffer.from('{}'));
    expect(messagesDialect.encodeStreamFault(fault, 'req_cm_1').toString()).toMatch(
      /^event: error\ndata: \{"type":"error","error":\{"type":"api_error",.*\}\n\n$/,
    );
    expect(messagesDialect.keepAlive.toString()).toBe('event: ping\ndata: {"type":"ping"}\n\n');
  });
});
