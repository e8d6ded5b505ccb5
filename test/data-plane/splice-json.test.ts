import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { spliceBytes } from '#data-plane/json/splice-json.ts';

describe('spliceBytes', () => {
  it('changes nothing but what it replaces', () => {
    const body = Buffer.from('{"model":"a", "n":1e2}');
    const spliced = spliceBytes(body, [
      { start: 18, end: 21, bytes: Buffer.from('7') },
      { start: 1, end: 1, bytes: Buffer.from('"x":1,') },
      { start: 9, end: 12, bytes: Buffer.from('"longer"') },
    ]);
    expect(spliced.toString()).toBe('{"x":1,"model":"longer", "n":7}');
    expect(body.toString()).toBe('{"model":"a", "n":1e2}');
  });

  it('is the identity without splices and when every piece is replaced by itself', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(fc.nat(64), { maxLength: 6 }), (bytes, cuts) => {
        const body = Buffer.from(bytes);
        const ends = [...new Set(cuts.map((cut) => Math.min(cut, body.length)))].sort((a, b) => a - b);
        const splices = ends.slice(1).map((end, index) => {
          const start = ends[index] ?? 0;
          return { start, end, bytes: body.subarray(start, end) };
        });
        return spliceBytes(body, splices).equals(body) && spliceBytes(body, []).equals(body);
      }),
      { seed: 7, numRuns: 500 },
    );
  });
});
