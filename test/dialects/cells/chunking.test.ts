import { describe, expect, it } from 'vitest';
import type { Dialect, ProviderProtocol } from '#shared/usage-record.ts';
import { cutAnywhere } from '#test/dialects/forward-relay.ts';
import { hasRecordings } from '#test/dialects/provider-recordings.ts';
import { DIALECTS, recordedAnswers } from './recorded-cells.ts';
import { forwardPieces, translatePieces } from './relays.ts';

const streams = recordedAnswers().flatMap(({ name, protocol, stream, chunkBytes }) =>
  stream === undefined ? [] : [{ name, protocol, stream, chunkBytes }],
);

/** Every lane and client that a stream can go to. */
function lanesOf(protocol: ProviderProtocol): ((pieces: readonly Buffer[]) => unknown)[] {
  const forward = DIALECTS.filter((dialect) => dialect === protocol).map(
    (dialect: Dialect) => (pieces: readonly Buffer[]) => forwardPieces(dialect, pieces),
  );
  const translate = DIALECTS.map(
    (dialect) => (pieces: readonly Buffer[]) => translatePieces(protocol, dialect, pieces),
  );
  return [...forward, ...translate];
}

function bytewise(stream: Buffer): Buffer[] {
  return Array.from(stream, (byte) => Buffer.of(byte));
}

function sized(stream: Buffer, sizes: readonly number[]): Buffer[] {
  let at = 0;
  const pieces = sizes.map((size) => {
    at += size;
    return stream.subarray(at - size, at);
  });
  return [...pieces, stream.subarray(at)];
}

/** Line ends of the stream written in another way; JSON never holds a bare one. */
function withLineEnds(stream: Buffer, lineEnd: string): Buffer {
  return Buffer.from(stream.toString('utf8').replace(/\r\n|\r|\n/g, lineEnd));
}

describe.skipIf(!hasRecordings)('a recorded stream, however it arrives (needs CROSSMODEL_SHARED)', () => {
  it.each(streams)('$name: in any pieces', ({ protocol, stream, chunkBytes }) => {
    const splits = [
      cutAnywhere(stream, 1, 60),
      cutAnywhere(stream, 2, 3_000),
      ...(chunkBytes === undefined ? [] : [sized(stream, chunkBytes)]),
    ];
    for (const lane of lanesOf(protocol)) {
      const whole = lane([stream]);
      for (const pieces of splits) expect(lane(pieces)).toEqual(whole);
    }
  });

  it.each(streams)('$name: byte by byte', ({ protocol, stream }) => {
    const [first, ...others] = lanesOf(protocol);
    // One translating lane stands for all: they share what cuts the stream into events.
    for (const lane of [first, others[0]])
      if (lane !== undefined) expect(lane(bytewise(stream))).toEqual(lane([stream]));
  });

  it.each(streams)('$name: with line ends and comments of another kind', ({ protocol, stream }) => {
    const commented = withLineEnds(stream, '\n').toString().replaceAll('\n\n', '\n\n: still here\n\n');
    for (const dialect of DIALECTS) {
      const whole = translatePieces(protocol, dialect, [stream]);
      for (const lineEnd of ['\n', '\r\n', '\r'])
        expect(
          translatePieces(protocol, dialect, cutAnywhere(withLineEnds(stream, lineEnd), 5, 30)),
          JSON.stringify(lineEnd),
        ).toEqual(whole);
      expect(translatePieces(protocol, dialect, [Buffer.from(commented)])).toEqual(whole);
    }
  });

  it.each(streams)('$name: with each payload spread over several data lines', ({ protocol, stream }) => {
    const spread = withLineEnds(stream, '\n')
      .toString()
      .replace(/^data: ?(\{.*\})$/gm, (_, json: string) =>
        JSON.stringify(JSON.parse(json), undefined, 1)
          .split('\n')
          .map((line) => `data: ${line}`)
          .join('\n'),
      );
    for (const dialect of DIALECTS)
      expect(translatePieces(protocol, dialect, [Buffer.from(spread)])).toEqual(
        translatePieces(protocol, dialect, [stream]),
      );
  });
});

/** A stream of each protocol with one text of five million characters in a line. */
const HUGE = 'ü€𝄞x'.repeat(1_000_000);
const huge: Readonly<Record<ProviderProtocol, string>> = {
  chat: `${data({ id: 'c', choices: [{ index: 0, delta: { content: HUGE } }] })}${data({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}data: [DONE]\n\n`,
  gemini: data({ candidates: [{ content: { parts: [{ text: HUGE }] }, finishReason: 'STOP' }] }),
  messages: [
    { type: 'message_start', message: { id: 'm', model: 'm', usage: { input_tokens: 1, output_tokens: 1 } } },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: HUGE } },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } },
    { type: 'message_stop' },
  ]
    .map(named)
    .join(''),
  responses: [
    { type: 'response.created', sequence_number: 0, response: { id: 'r' } },
    {
      type: 'response.output_text.delta',
      sequence_number: 1,
      output_index: 0,
      content_index: 0,
      delta: HUGE,
    },
    {
      type: 'response.completed',
      sequence_number: 2,
      response: { id: 'r', status: 'completed', output: [] },
    },
  ]
    .map(named)
    .join(''),
};

function data(payload: object): string {
  return `data: ${JSON.stringify(payload)}\n\n`;
}

function named(payload: { type: string }): string {
  return `event: ${payload.type}\n${data(payload)}`;
}

describe('a line of more than five megabytes', () => {
  it.each(Object.keys(huge) as ProviderProtocol[])('of a %s stream arrives in every lane', (protocol) => {
    const stream = Buffer.from(huge[protocol]);
    for (const lane of lanesOf(protocol)) {
      const relayed = lane(cutAnywhere(stream, 6, 65_536)) as { state: string; bytes: string };
      expect(relayed.state).toBe('complete');
      expect(relayed.bytes.includes(HUGE)).toBe(true);
    }
  });
});
