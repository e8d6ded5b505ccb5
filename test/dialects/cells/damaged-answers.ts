import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { providerCodecs } from '#data-plane/dialects/provider-codecs.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import type { Dialect } from '#shared/usage-record.ts';
import { grammarFaults } from '#test/dialects/event-grammar.ts';
import { hasRecordings, playBody, sentEvents } from '#test/dialects/provider-recordings.ts';
import { expectSoundLifecycle } from '#test/dialects/responses/answer-checks.ts';
import { bodyDepartures, departures } from './departures.ts';
import { bodyFor, DIALECTS, recordedAnswers, streamFor } from './recorded-cells.ts';
import { expectSoundChat, expectSoundMessages } from './stream-grammar.ts';

/** Recordings small enough to be damaged often. */
const MOST_BYTES = 60_000;
const answers = recordedAnswers().filter(({ stream, body }) => (stream ?? body ?? []).length < MOST_BYTES);

/** What is done to a place in the JSON of an answer, or to a whole event of a stream. */
const damage = fc.record({
  place: fc.nat(10_000),
  as: fc.constantFrom<JsonValue | undefined>(undefined, null, '', 'x', 0, -1, 1.5, true, [], {}, [null], {
    type: 'x',
  }),
});
const cases = fc.record({
  answer: fc.nat(10_000),
  damages: fc.array(damage, { minLength: 1, maxLength: 3 }),
  events: fc.array(fc.record({ place: fc.nat(10_000), what: fc.constantFrom('drop', 'repeat', 'swap') }), {
    maxLength: 2,
  }),
});

/** Every place in a value, as a function that puts something else there. */
function placesIn(value: JsonValue): ((other: JsonValue | undefined) => void)[] {
  if (Array.isArray(value))
    return value.flatMap((item, at) => [
      (other: JsonValue | undefined) => {
        value[at] = other ?? null;
      },
      ...placesIn(item),
    ]);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, item]) => [
    (other: JsonValue | undefined) => {
      if (other === undefined) delete value[name];
      else value[name] = other;
    },
    ...placesIn(item),
  ]);
}

type Damages = { place: number; as: JsonValue | undefined }[];

function damaged(value: JsonValue, damages: Damages): JsonValue {
  const copy = structuredClone(value);
  for (const { place, as } of damages) {
    const places = placesIn(copy);
    places[place % Math.max(places.length, 1)]?.(structuredClone(as));
  }
  return copy;
}

function parsed(data: string): JsonValue | undefined {
  try {
    return JSON.parse(data) as JsonValue;
  } catch {
    return undefined;
  }
}

/** Random damage to recorded answers: what comes of it is a failure or an answer, in the shape and order of the dialect. */
export function describeDamagedAnswers(numRuns: number, timeoutMs: number): void {
  describe.skipIf(!hasRecordings)('a recorded answer that was damaged (needs CROSSMODEL_SHARED)', () => {
    it('is a failure, or is told in the shape and order of each dialect', { timeout: timeoutMs }, () => {
      fc.assert(
        fc.property(cases, ({ answer: at, damages, events: changes }) => {
          const answer = answers[at % answers.length];
          if (answer === undefined) throw new Error('no recordings');
          const codec = providerCodecs[answer.protocol];
          const events: TurnEvent[] = [];
          if (answer.stream === undefined) {
            const body = damaged(parsed(answer.body?.toString() ?? '') ?? {}, damages);
            events.push(...playBody(codec, body as JsonObject));
          } else {
            const sent = sentEvents(answer.stream);
            for (const { place, what } of changes) {
              const position = place % sent.length;
              const [event] = sent.splice(position, 1);
              if (event === undefined || what === 'drop') continue;
              if (what === 'repeat') sent.splice(position, 0, event, event);
              else sent.splice(position + 1, 0, event);
            }
            const position = (damages[0]?.place ?? 0) % Math.max(sent.length, 1);
            const decoder = codec.createStreamDecoder((event) => events.push(event));
            for (const [index, { name, data }] of sent.entries()) {
              const value = index === position ? parsed(data) : undefined;
              decoder.frame(name, value === undefined ? data : JSON.stringify(damaged(value, damages)));
            }
            decoder.end();
          }
          expect(grammarFaults(events)).toEqual([]);
          // What only the provider's own protocol knows goes to its own clients as it came, damage and all.
          for (const dialect of DIALECTS) expectTold(dialect, events, dialect !== answer.protocol);
        }),
        { seed: 20_261_121 + numRuns, numRuns },
      );
    });
  });
}

function expectTold(dialect: Dialect, events: readonly TurnEvent[], isForeign: boolean): void {
  const isWhole = events.at(-1)?.kind === 'turn_end';
  const sent = sentEvents(streamFor(dialect, events));
  if (dialect === 'chat') expectSoundChat(sent, isWhole);
  else if (dialect === 'messages') expectSoundMessages(sent, isWhole);
  else if (isWhole) expectSoundLifecycle(sent);
  if (!isForeign) return;
  for (const { data } of sent)
    if (data !== '[DONE]') expect(departures(dialect, JSON.parse(data))).toEqual([]);
  if (isWhole) expect(bodyDepartures(dialect, bodyFor(dialect, events))).toEqual([]);
}
