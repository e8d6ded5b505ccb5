import { describe, expect, it } from 'vitest';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import type { Dialect } from '#shared/usage-record.ts';
import { hasRecordings, sentEvents } from '#test/dialects/provider-recordings.ts';
import { expectSoundLifecycle } from '#test/dialects/responses/answer-checks.ts';
import { bodyDepartures, departures } from './departures.ts';
import { bodyFor, DIALECTS, recordedAnswers, streamFor } from './recorded-cells.ts';
import { expectSoundChat, expectSoundMessages } from './stream-grammar.ts';

const cells = recordedAnswers().flatMap((answer) =>
  DIALECTS.map((dialect) => ({ ...answer, dialect, cell: `${answer.name} as ${dialect}` })),
);

describe.skipIf(!hasRecordings)('every answer in every cell (needs CROSSMODEL_SHARED)', () => {
  it.each(cells)('$cell: each event and the body have the published shape', ({ dialect, events }) => {
    for (const payload of payloadsFor(dialect, events)) expect(departures(dialect, payload)).toEqual([]);
    if (events.at(-1)?.kind === 'turn_end')
      expect(bodyDepartures(dialect, bodyFor(dialect, events))).toEqual([]);
  });

  it.each(cells)('$cell: the events come in the order of the dialect', ({ dialect, events }) => {
    const sent = sentEvents(streamFor(dialect, events));
    const isWhole = events.at(-1)?.kind === 'turn_end';
    if (dialect === 'chat') expectSoundChat(sent, isWhole);
    else if (dialect === 'messages') expectSoundMessages(sent, isWhole);
    else if (isWhole) expectSoundLifecycle(sent);
    else expect(sent.map(({ name }) => name).slice(-2)).toEqual(['error', 'response.failed']);
  });

  it('the schemas can refuse', () => {
    expect(departures('chat', { object: 'chat.completion.chunk', choices: [{}] })).not.toEqual([]);
    expect(departures('messages', { type: 'content_block_stop' })).not.toEqual([]);
    expect(departures('responses', { type: 'response.output_text.delta' })).not.toEqual([]);
  });
});

function payloadsFor(dialect: Dialect, events: readonly TurnEvent[]): JsonObject[] {
  return sentEvents(streamFor(dialect, events))
    .filter(({ data }) => data !== '[DONE]')
    .map(({ data }) => JSON.parse(data));
}
