import { describe, expect, it } from 'vitest';
import { geminiProviderCodec } from '#data-plane/dialects/gemini/gemini-codec.ts';
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

const recordings = recordingsOf('gemini');
const streams = recordings.flatMap(({ name, stream }) => (stream === undefined ? [] : [{ name, stream }]));
const bodies = recordings.flatMap(({ name, body, status }) => {
  const parsed = body === undefined ? undefined : parseObject(body);
  return parsed === undefined || status >= 400 ? [] : [{ name, body: parsed }];
});
const failures = recordings.flatMap(({ name, body, status }) =>
  body === undefined || status < 400 ? [] : [{ name, body, status }],
);
const CANCELLED_STREAM = 'v25-stream-text';
const MALFORMED_CALL = 'v16-json-malformedcall';

interface WirePart {
  readonly text?: string;
  readonly thought?: boolean;
  readonly thoughtSignature?: string;
  readonly functionCall?: { readonly name?: string; readonly args?: object };
}

/** The parts of an answer, read without the code under test. */
function wireParts(chunks: readonly JsonObject[]): WirePart[] {
  const candidates = chunks.flatMap(
    (chunk) => (chunk.candidates ?? []) as { content?: { parts?: WirePart[] } }[],
  );
  return candidates.flatMap((candidate) => candidate.content?.parts ?? []);
}

function chunksOf(stream: Buffer): JsonObject[] {
  const lines = stream.toString('utf8').split(/\r?\n/);
  return lines.filter((line) => line.startsWith('data: ')).map((line) => JSON.parse(line.slice(6)));
}

function textOf(parts: readonly WirePart[], thought: boolean): string {
  return parts.map((part) => ((part.thought ?? false) === thought ? (part.text ?? '') : '')).join('');
}

describe.skipIf(!hasRecordings)('recorded answers of Gemini (need CROSSMODEL_SHARED)', () => {
  it.each(streams)('reads the stream $name as a whole, balanced answer', ({ name, stream }) => {
    const events = playStream(geminiProviderCodec, stream);
    expect(grammarFaults(events)).toEqual([]);
    const answer = foldAnswer(events);
    expect(answer.end).toBe(name.endsWith(CANCELLED_STREAM) ? 'turn_fault' : 'turn_end');
    const parts = wireParts(chunksOf(stream));
    expect(saidAs('text', answer)).toBe(textOf(parts, false));
    expect(saidAs('reasoning', answer)).toBe(textOf(parts, true));
    const signatures = parts.flatMap((part) => part.thoughtSignature ?? []);
    expect(signaturesIn(answer.parts)).toEqual(signatures);
  });

  it.each(bodies)('reads the body $name as a whole, balanced answer', ({ name, body }) => {
    const events = playBody(geminiProviderCodec, body);
    expect(grammarFaults(events)).toEqual([]);
    const answer = foldAnswer(events);
    expect(answer.end).toBe(name.endsWith(MALFORMED_CALL) ? 'turn_fault' : 'turn_end');
    const parts = wireParts([body]);
    expect(saidAs('text', answer)).toBe(textOf(parts, false));
    expect(signaturesIn(answer.parts)).toEqual(parts.flatMap((part) => part.thoughtSignature ?? []));
    const calls = parts.flatMap((part) => (part.functionCall === undefined ? [] : [part.functionCall]));
    const told = answer.parts.filter(({ part }) => part === 'tool_call');
    expect(told.map(({ name: called, text }) => ({ name: called, args: JSON.parse(text) }))).toEqual(
      calls.map(({ name: called, args }) => ({ name: called, args: args ?? {} })),
    );
    if (calls.length > 0) expect(answer.reasons).toEqual({ 0: 'tool_calls' });
  });

  it.each(bodies)('adds the classes of $name up to the stated total', ({ body }) => {
    const stated = body.usageMetadata as { totalTokenCount: number };
    const told = playBody(geminiProviderCodec, body).findLast((event) => event.kind === 'usage');
    if (told?.kind !== 'usage') throw new Error('no usage');
    const { input, cacheRead, output } = told.usage;
    expect(input + cacheRead + output).toBe(stated.totalTokenCount);
  });

  it.each(streams)('says that $name was cut when it is cut before any reason', ({ stream }) => {
    const text = stream.toString('utf8');
    const reasonAt = text.search(/"finishReason"|"blockReason"/);
    const whole = text.slice(0, text.slice(0, reasonAt).lastIndexOf('data: '));
    expect(playStream(geminiProviderCodec, Buffer.from(whole)).at(-1)).toMatchObject({
      kind: 'turn_fault',
      fault: { kind: 'provider_error' },
    });
  });

  it.each(failures)('shows nothing of ours for the error $name', ({ body, status }) => {
    const { fault } = geminiProviderCodec.readProviderFault(status, undefined, body);
    expect(fault.message).not.toMatch(/key|quota|billing|project|models\//i);
    const kinds: Record<number, string> = { 400: 'invalid_request', 429: 'provider_rate_limited' };
    expect(fault.kind).toBe(kinds[status] ?? 'provider_error');
  });
});

function signaturesIn(parts: ReturnType<typeof foldAnswer>['parts']): string[] {
  return parts.flatMap(({ signature, native }) => {
    const own = native?.thoughtSignature;
    return [...(typeof own === 'string' ? [own] : []), ...(signature === undefined ? [] : [signature.value])];
  });
}

const chunk = (parts: JsonObject[], more: JsonObject = {}): JsonObject => ({
  responseId: 'r1',
  candidates: [{ content: { role: 'model', parts }, ...more }],
});
const read = (...frames: (string | object)[]) => foldAnswer(playFrames(geminiProviderCodec, frames));
const STOP = { finishReason: 'STOP' };

describe('a Gemini stream', () => {
  it('mints an id for a call that has none, different for each', () => {
    const call = { functionCall: { name: 'f', args: { a: 1 } } };
    const answer = read(chunk([call, call], STOP));
    expect(answer.parts.map(({ callId }) => callId)).toEqual(['call_r1_0_0', 'call_r1_0_1']);
    expect(answer.reasons).toEqual({ 0: 'tool_calls' });
  });

  it('puts arguments together that arrive in fragments', () => {
    const fragment = (jsonPath: string, value: JsonObject) => ({ jsonPath, ...value });
    const partial = (...partialArgs: JsonObject[]) =>
      chunk([{ functionCall: { partialArgs, willContinue: true } }]);
    const answer = read(
      chunk([{ functionCall: { name: 'f', willContinue: true } }]),
      partial(fragment('$.city.name', { stringValue: 'Bos', willContinue: true })),
      partial(fragment('$.city.name', { stringValue: 'ton' }), fragment('$.days[0]', { numberValue: 2 })),
      partial(fragment("$['a.b']", { boolValue: true }), fragment('$.n', { nullValue: 'NULL_VALUE' })),
      chunk([{ functionCall: {} }], STOP),
    );
    expect(JSON.parse(answer.parts[0]?.text ?? '')).toEqual({
      city: { name: 'Boston' },
      days: [2],
      'a.b': true,
      n: null,
    });
  });

  it('keeps the place of every signature', () => {
    const answer = read(
      chunk([{ text: 'Hm', thought: true, thoughtSignature: 's1' }]),
      chunk([{ text: 'A' }]),
      chunk([{ text: 'B', thoughtSignature: 's2' }]),
      chunk([{ text: '', thoughtSignature: 's3' }], STOP),
    );
    expect(
      answer.parts.map(({ part, text, signature }) => [part, text, signature?.kind, signature?.value]),
    ).toEqual([
      ['reasoning', 'Hm', 'thought', 's1'],
      ['text', 'A', undefined, undefined],
      ['text', 'B', undefined, undefined],
      ['reasoning', '', 'on_text', 's2'],
      ['reasoning', '', 'on_empty', 's3'],
    ]);
  });

  it('is a filtered answer when the prompt is blocked', () => {
    expect(read({ promptFeedback: { blockReason: 'SAFETY' } })).toMatchObject({
      end: 'turn_end',
      reasons: { 0: 'content_filter' },
    });
  });

  it('gives its sources as citations of the text they support', () => {
    const groundingMetadata = {
      groundingChunks: [{ web: { uri: 'https://a.example', title: 'A' } }],
      groundingSupports: [{ segment: { text: 'Hi' }, groundingChunkIndices: [0, 7] }],
    };
    const events = playFrames(geminiProviderCodec, [chunk([{ text: 'Hi' }], { ...STOP, groundingMetadata })]);
    expect(events.find((event) => event.kind === 'part_citation')).toEqual({
      kind: 'part_citation',
      index: 0,
      url: 'https://a.example',
      title: 'A',
      citedText: 'Hi',
    });
  });

  it.each([
    ['SAFETY', 'content_filter'],
    ['RECITATION', 'content_filter'],
    ['MAX_TOKENS', 'length'],
    [2, 'length'],
    ['BRAND_NEW', 'stop'],
  ])('ends with %s as %s', (finishReason, reason) => {
    expect(read(chunk([{ text: 'Hi' }], { finishReason })).reasons).toEqual({ 0: reason });
  });

  it.each(['MALFORMED_FUNCTION_CALL', 'MISSING_THOUGHT_SIGNATURE', 'OTHER'])(
    'is a fault when it ends with %s and nothing was said',
    (finishReason) => {
      expect(read(chunk([], { finishReason })).end).toBe('turn_fault');
    },
  );

  it('is a fault that hides our key when an error with status 400 is about it', () => {
    const error = { code: 400, message: 'API key not valid.', status: 'INVALID_ARGUMENT' };
    const events = playFrames(geminiProviderCodec, [{ error }]);
    expect(events).toMatchObject([{ kind: 'turn_fault', fault: { kind: 'provider_error' } }]);
    expect(JSON.stringify(events)).not.toContain('API key');
  });
});
