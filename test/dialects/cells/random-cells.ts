import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { objectsOf } from '#data-plane/dialects/json-access.ts';
import { providerCodecs } from '#data-plane/dialects/provider-codecs.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { Dialect, ProviderProtocol } from '#shared/usage-record.ts';
import { cutAnywhere } from '#test/dialects/forward-relay.ts';
import { playBody, sentEvents } from '#test/dialects/provider-recordings.ts';
import { expectSoundLifecycle } from '#test/dialects/responses/answer-checks.ts';
import { BODIES, type Payload, type SaidAnswer, type SaidPart, STREAMS } from './provider-writers.ts';
import { bodyFor, DIALECTS, readBodyAs, readStreamAs } from './recorded-cells.ts';
import { translatePieces } from './relays.ts';
import { expectSoundChat, expectSoundMessages } from './stream-grammar.ts';
import { asToldIn, type Ending, inputOf, type ToldAnswer, type ToldChoice } from './told-answer.ts';

const PROTOCOLS = Object.keys(STREAMS) as ProviderProtocol[];
const ENDINGS: Readonly<Record<ProviderProtocol, readonly Ending[]>> = {
  chat: ['end', 'length', 'filtered'],
  responses: ['end', 'length', 'filtered'],
  gemini: ['end', 'length', 'filtered'],
  messages: ['end', 'length', 'sequence', 'paused', 'refused', 'context_full'],
};
/** Endings that no provider states of an answer with calls. */
const GIVES_WAY: ReadonlySet<Ending> = new Set(['end', 'sequence', 'paused']);
const KINDS: Readonly<Record<ProviderProtocol, readonly SaidPart['kind'][]>> = {
  chat: ['text', 'reasoning', 'refusal', 'call'],
  responses: ['text', 'reasoning', 'refusal', 'call'],
  gemini: ['text', 'reasoning', 'call'],
  messages: ['text', 'reasoning', 'call'],
};

const words = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.constantFrom('', ' ', '\n\n', 'data: x\n\n', '[DONE]', '</thinking>', '\u2028', 'é', '{"a":', '\\'),
);
const argumentsText = fc
  .dictionary(fc.string({ maxLength: 4 }), fc.oneof(words, fc.integer(), fc.boolean(), fc.constant(null)), {
    maxKeys: 3,
  })
  .map((value) => JSON.stringify(value));

/** Text in pieces whose borders may lie between the halves of a character, as some providers cut it. */
function inPieces(text: fc.Arbitrary<string>): fc.Arbitrary<string[]> {
  return fc.tuple(text, fc.array(fc.nat(20), { maxLength: 4 })).map(([whole, cuts]) => {
    const places = [...new Set(cuts.map((cut) => Math.min(cut, whole.length)))].sort((a, b) => a - b);
    const pieces = places.map((place, at) => whole.slice(places[at - 1] ?? 0, place));
    return [...pieces, whole.slice(places.at(-1) ?? 0)].filter((piece) => piece !== '');
  });
}

function partOf(protocol: ProviderProtocol): fc.Arbitrary<SaidPart> {
  return fc.constantFrom(...KINDS[protocol]).chain((kind) =>
    fc.record({
      kind: fc.constant(kind),
      name: fc.constantFrom('look', 'get_weather', 'f-2'),
      pieces: kind === 'call' ? inPieces(argumentsText) : inPieces(words),
    }),
  );
}

function answerOf(protocol: ProviderProtocol): fc.Arbitrary<SaidAnswer> {
  const choice = fc
    .record({
      parts: fc.array(partOf(protocol), { maxLength: 6 }),
      stated: fc.constantFrom(...ENDINGS[protocol]),
    })
    .map(({ parts: drawn, stated }) => {
      // Who refuses says nothing else: where text and refusal stand in one answer, their order is the dialect's.
      const refuses = drawn.some(({ kind }) => kind === 'refusal');
      const parts = refuses ? drawn.filter(({ kind }) => kind !== 'text') : drawn;
      const hasCalls = parts.some(({ kind }) => kind === 'call');
      return { parts, ending: hasCalls && GIVES_WAY.has(stated) ? ('calls' as const) : stated };
    });
  const most = protocol === 'chat' || protocol === 'gemini' ? 2 : 1;
  const count = fc.nat(5_000);
  return fc.record({
    choices: fc.array(choice, { minLength: 1, maxLength: most }),
    usage: fc
      .record({ input: count, cacheRead: count, cacheWrite: count, shown: count, reasoning: count })
      .map(({ shown, ...usage }) => ({
        ...usage,
        cacheWrite: protocol === 'gemini' ? 0 : usage.cacheWrite,
        output: shown + usage.reasoning,
      })),
  });
}

function toldOf({ choices, usage }: SaidAnswer): ToldAnswer {
  return { usage, choices: choices.map(({ parts, ending }) => toldChoice(parts, ending)) };
}

function toldChoice(parts: readonly SaidPart[], ending: Ending): ToldChoice {
  const said = (wanted: SaidPart['kind']) => parts.filter(({ kind }) => kind === wanted);
  const text = (wanted: SaidPart['kind']) =>
    said(wanted)
      .map(({ pieces }) => pieces.join(''))
      .join('');
  return {
    text: text('text'),
    refusal: text('refusal'),
    reasoning: text('reasoning'),
    calls: said('call').map(({ name, pieces }) => ({ name, input: inputOf(pieces.join('')) })),
    citedUrls: [],
    logprobs: [],
    ending,
  };
}

/** The bytes of a stream, with the noise that real ones have. */
function streamBytes(payloads: readonly Payload[], lineEnd: string, noise: number): Buffer {
  const lines = payloads.flatMap((payload, at) => {
    const isNamed = typeof payload !== 'string' && typeof payload.type === 'string';
    const data = typeof payload === 'string' ? payload : JSON.stringify(payload);
    const comment = noise > 0 && at % noise === 0 ? [': noise', ''] : [];
    return [...comment, ...(isNamed ? [`event: ${String(payload.type)}`] : []), `data: ${data}`, ''];
  });
  return Buffer.from(lines.map((line) => `${line}${lineEnd}`).join(''));
}

function expectSound(dialect: Dialect, bytes: string): void {
  const sent = sentEvents(Buffer.from(bytes));
  if (dialect === 'chat') expectSoundChat(sent, true);
  else if (dialect === 'messages') expectSoundMessages(sent, true);
  else expectSoundLifecycle(sent);
}

const cases = fc.constantFrom(...PROTOCOLS).chain((protocol) =>
  fc.record({
    protocol: fc.constant(protocol),
    dialect: fc.constantFrom(...DIALECTS),
    said: answerOf(protocol),
    cut: fc.record({ seed: fc.nat(1_000_000), mostBytes: fc.integer({ min: 1, max: 400 }) }),
    lineEnd: fc.constantFrom('\n', '\r\n'),
    noise: fc.nat(3),
  }),
);

/** Random answers of every provider to every client in random pieces, judged by the official SDKs; each a stream and a body. */
export function describeRandomCells(numRuns: { whole: number; cut: number }, timeoutMs: number): void {
  describe('any answer in any cell, in any pieces', () => {
    it('reaches the client whole, in events of its dialect, streamed and not', {
      timeout: timeoutMs,
    }, async () => {
      const seen = new Map<string, number>();
      await fc.assert(
        fc.asyncProperty(cases, async ({ protocol, dialect, said, cut, lineEnd, noise }) => {
          const cell = `${protocol} to ${dialect}`;
          seen.set(cell, (seen.get(cell) ?? 0) + 1);
          const expected = asToldIn(dialect, toldOf(said));
          const stream = streamBytes(STREAMS[protocol](said), lineEnd, noise);
          const relayed = translatePieces(protocol, dialect, cutAnywhere(stream, cut.seed, cut.mostBytes));
          expect(relayed.state).toBe('complete');
          expectSound(dialect, relayed.bytes);
          expect(await readStreamAs(dialect, Buffer.from(relayed.bytes))).toEqual(expected);
          const events = playBody(providerCodecs[protocol], BODIES[protocol](said) as JsonObject);
          expect(await readBodyAs(dialect, bodyFor(dialect, events))).toEqual(expected);
        }),
        { seed: 20_261_121, numRuns: numRuns.whole },
      );
      expect(seen.size).toBe(PROTOCOLS.length * DIALECTS.length);
    });

    it('never ends well when it was cut', { timeout: timeoutMs }, () => {
      fc.assert(
        fc.property(cases, fc.nat(1_000), ({ protocol, dialect, said, cut }, share) => {
          // Nobody can tell that a choice is missing which never began.
          const payloads = STREAMS[protocol]({ ...said, choices: said.choices.slice(0, 1) });
          const last =
            protocol === 'gemini' ? lastReason(payloads) : payloads.length - (protocol === 'chat' ? 3 : 1);
          const kept = payloads.slice(0, Math.floor((last * share) / 1_001));
          const stream = streamBytes(kept, '\n', 0);
          const { state, bytes } = translatePieces(
            protocol,
            dialect,
            cutAnywhere(stream, cut.seed, cut.mostBytes),
          );
          expect(state).toBe('error');
          expect(bytes).not.toMatch(/\[DONE\]\n\n$|message_stop|"type":"response\.completed"/);
        }),
        { seed: 20_261_121, numRuns: numRuns.cut },
      );
    });
  });
}

/** Up to here a Gemini answer has not named a reason. */
function lastReason(payloads: readonly Payload[]): number {
  return payloads.findIndex(
    (payload) =>
      typeof payload !== 'string' &&
      objectsOf(payload.candidates as JsonObject[]).some(({ finishReason }) => finishReason !== undefined),
  );
}
