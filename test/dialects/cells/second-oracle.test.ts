import { describe, expect, it } from 'vitest';
import { hasRecordings } from '#test/dialects/provider-recordings.ts';
import { clientsAnswered } from './official-clients.ts';
import { readChatHelper } from './read-chat.ts';
import { readResponsesStream } from './read-responses.ts';
import {
  bodyFor,
  DIALECTS,
  readBodyAs,
  readRecording,
  readStreamAs,
  recordedAnswers,
  streamFor,
} from './recorded-cells.ts';
import { asToldIn, type ToldAnswer } from './told-answer.ts';

const answers = recordedAnswers();
const complete = answers.filter(({ events }) => events.at(-1)?.kind === 'turn_end');
const failed = answers.filter(({ events }) => events.at(-1)?.kind === 'turn_fault');

function withoutThoughts({ choices, usage }: ToldAnswer): ToldAnswer {
  return { choices: choices.map((choice) => ({ ...choice, reasoning: '' })), usage };
}

describe.skipIf(!hasRecordings)('an official SDK reads of our answer (needs CROSSMODEL_SHARED)', () => {
  it('recordings of every protocol in both forms', () => {
    const forms = new Set(complete.map(({ protocol, stream }) => `${protocol} ${stream === undefined}`));
    expect(forms.size).toBe(8);
    expect(complete.length).toBeGreaterThan(120);
  });

  const cells = complete.flatMap((answer) =>
    DIALECTS.map((dialect) => ({ ...answer, dialect, cell: `${answer.name} as ${dialect}` })),
  );

  it.each(cells)('$cell: what its own SDK reads of the recording', async (answer) => {
    const { dialect, events } = answer;
    const expected = asToldIn(dialect, await readRecording(answer));
    const stream = streamFor(dialect, events);
    expect(await readStreamAs(dialect, stream), 'streamed').toEqual(expected);
    if (dialect === 'chat')
      expect(
        await readChatHelper(clientsAnswered(stream, 'text/event-stream').openAi),
        'by the stream helper',
      ).toEqual(withoutThoughts(expected));
    if (dialect === 'responses')
      expect(
        await readResponsesStream(clientsAnswered(stream, 'text/event-stream').openAi),
        'by its last event',
      ).toEqual(expected);
    expect(await readBodyAs(dialect, bodyFor(dialect, events)), 'whole').toEqual(expected);
  });

  it.each(failed)('$name: a failure, as its own SDK does', async (answer) => {
    await expect(readRecording(answer)).rejects.toThrow();
    for (const dialect of DIALECTS)
      await expect(readStreamAs(dialect, streamFor(dialect, answer.events))).rejects.toThrow();
  });
});
