import { describe, expect, it } from 'vitest';
import { SseFrames } from '#data-plane/http/sse-frames.ts';

interface Seen {
  readonly data: string | null;
  readonly event: string;
}

/** Reads a stream that arrives in the given pieces; also checks that the frames' raw bytes are the stream's. */
function read(pieces: readonly Buffer[], frames = new SseFrames()): Seen[] {
  const seen: Seen[] = [];
  const raw: Buffer[] = [];
  const take = (): void => {
    while (frames.next()) {
      const { data, dataStart, dataEnd, hasData, eventName, bytes, start, end } = frames;
      if (hasData || eventName !== '')
        seen.push({ data: hasData ? data.toString('utf8', dataStart, dataEnd) : null, event: eventName });
      raw.push(Buffer.from(bytes.subarray(start, end)));
    }
  };
  for (const piece of pieces) {
    frames.push(piece);
    take();
  }
  frames.finish();
  take();
  expect(Buffer.concat(pieces).subarray(0, Buffer.concat(raw).length).equals(Buffer.concat(raw))).toBe(true);
  return seen;
}

const STREAM_LINES = [
  ': a comment',
  '',
  'data: {"n":1,"t":"é€😀"}',
  '',
  'event: error',
  'data:{"n":2}',
  'id: 7',
  '',
  'data: {"n":',
  'data: 3}',
  '',
  'data',
  '',
  'retry: 10',
  '',
  'data: [DONE]',
  '',
  '',
];
const EXPECTED: Seen[] = [
  { data: '{"n":1,"t":"é€😀"}', event: '' },
  { data: '{"n":2}', event: 'error' },
  { data: '{"n":\n3}', event: '' },
  { data: '', event: '' },
  { data: '[DONE]', event: '' },
];

describe('SseFrames', () => {
  describe.each([
    ['LF', '\n'],
    ['CRLF', '\r\n'],
    ['CR', '\r'],
  ])('with %s line ends', (_, lineEnd) => {
    const stream = Buffer.from(STREAM_LINES.join(lineEnd));

    it('reads the stream in one piece', () => {
      expect(read([stream])).toEqual(EXPECTED);
    });

    it('reads the same events wherever the stream is cut in two', () => {
      for (let cut = 0; cut <= stream.length; cut += 1) {
        expect(read([stream.subarray(0, cut), stream.subarray(cut)]), `cut at ${cut}`).toEqual(EXPECTED);
      }
    });

    it.each([1, 2, 3, 7])('reads the same events in pieces of %i bytes', (size) => {
      const pieces = Array.from({ length: Math.ceil(stream.length / size) }, (_unused, index) =>
        Buffer.from(stream.subarray(index * size, index * size + size)),
      );
      expect(read(pieces)).toEqual(EXPECTED);
    });
  });

  it('hands out an event as soon as its blank line is there', () => {
    const frames = new SseFrames();
    for (const [text, complete] of [
      ['data: 1\n', false],
      ['\n', true],
      ['data: 2\r\r', true],
    ] as const) {
      frames.push(Buffer.from(text));
      expect(frames.next(), JSON.stringify(text)).toBe(complete);
      expect(frames.next()).toBe(false);
    }
  });

  it('keeps the two bytes of a line end together where a stream writes two', () => {
    const frames = new SseFrames();
    for (const [text, event] of [
      ['data: 1\r\n\r', undefined],
      ['\n', 'data: 1\r\n\r\n'],
      ['data: 2\r\n\r', undefined],
      ['\ndata: 3\r\n', 'data: 2\r\n\r\n'],
    ] as const) {
      frames.push(Buffer.from(text));
      expect(frames.next(), JSON.stringify(text)).toBe(event !== undefined);
      if (event !== undefined) expect(frames.bytes.toString('utf8', frames.start, frames.end)).toBe(event);
    }
  });

  it('reads a last event without its blank line, and no event from a last comment', () => {
    expect(read([Buffer.from('data: 1\n\ndata: 2')])).toEqual([
      { data: '1', event: '' },
      { data: '2', event: '' },
    ]);
    expect(read([Buffer.from('data: 1\n\n: bye')])).toEqual([{ data: '1', event: '' }]);
  });

  it('carries a line of five megabytes in network-sized pieces', () => {
    const long = Buffer.concat([
      Buffer.from('data: "'),
      Buffer.alloc(5_000_000, 'x'),
      Buffer.from('"\n\ndata: 2\n\n'),
    ]);
    const pieces = Array.from({ length: Math.ceil(long.length / 16_384) }, (_, index) =>
      long.subarray(index * 16_384, (index + 1) * 16_384),
    );
    const seen = read(pieces);
    expect(seen.map(({ data }) => data?.length)).toEqual([5_000_002, 1]);
  });

  it('gives up on an event beyond its limit', () => {
    const frames = new SseFrames(100);
    frames.push(Buffer.from(`data: ${'x'.repeat(60)}`));
    expect(frames.next()).toBe(false);
    expect(frames.overflowed).toBe(false);
    frames.push(Buffer.alloc(60, 'x'));
    expect(frames.next()).toBe(false);
    expect(frames.overflowed).toBe(true);
    frames.push(Buffer.from('\n\n'));
    expect(frames.next()).toBe(false);
  });
});
