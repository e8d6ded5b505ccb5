import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QueuedLines } from '#data-plane/usage/queued-lines.ts';
import { RecentLines } from '#data-plane/usage/recent-lines.ts';

/** Adds lines `first`.. as a spool does: some at a time. */
function add(recent: RecentLines, first: number, texts: readonly string[]): void {
  const queued = new QueuedLines();
  for (const text of texts) queued.add(text);
  recent.add(first, queued.view(), queued.count);
}

describe('queued lines', () => {
  it('hold every line with its newline, whatever its characters and however many there are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 30_000 }), { maxLength: 20 }),
        (lines) => {
          const queued = new QueuedLines();
          const before = new QueuedLines();
          before.add('before');
          for (const line of lines) queued.add(line);
          before.addAll(queued);
          expect(before.view().toString('utf8')).toBe(
            ['before', ...lines].map((line) => `${line.toWellFormed()}\n`).join(''),
          );
          expect(before.count).toBe(lines.length + 1);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('recent lines', () => {
  it('come back whole, in order and from any number on, in runs of at most five hundred lines', () => {
    const recent = new RecentLines();
    const texts = Array.from({ length: 1_800 }, (_, index) => `${index + 1} ${'x'.repeat(index % 700)}`);
    for (let from = 0; from < texts.length; from += 7) add(recent, from + 1, texts.slice(from, from + 7));
    for (const start of [1, 2, 499, 1_234]) {
      const found: string[] = [];
      while (start + found.length <= texts.length) {
        const run = recent.take(start + found.length);
        if (run === undefined) throw new Error('A line is missing');
        const lines = run.text.toString('utf8').split('\n');
        expect(run.first).toBe(start + found.length);
        expect(run.last - run.first + 1).toBe(lines.length);
        expect(lines.length).toBeLessThanOrEqual(500);
        found.push(...lines);
      }
      expect(found).toEqual(texts.slice(start - 1));
    }
    expect(recent.take(1_801)).toBeUndefined();
  });

  it('come on from where the last run ended, though more were added to it since', () => {
    const recent = new RecentLines();
    add(recent, 1, ['a', 'b']);
    expect(recent.take(1)?.text.toString()).toBe('a\nb');
    add(recent, 3, ['c']);
    expect(recent.take(3)?.text.toString()).toBe('c');
    expect(recent.take(2)?.text.toString()).toBe('b\nc');
  });

  it('are let go of once confirmed, run by run', () => {
    const recent = new RecentLines();
    const line = 'x'.repeat(200 * 1024);
    for (const first of [1, 2, 3]) add(recent, first, [line]);
    recent.dropThrough(2);
    expect(recent.take(2)).toBeUndefined();
    expect(recent.take(3)?.last).toBe(3);
  });

  it('begin anew where lines in between went by another way', () => {
    const recent = new RecentLines();
    add(recent, 1, ['a']);
    add(recent, 5, ['e']);
    expect(recent.take(1)).toBeUndefined();
    expect(recent.take(5)?.text.toString()).toBe('e');
  });
});
