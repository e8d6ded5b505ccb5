import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { droppedHeader } from '#data-plane/endpoints/dropped-header.ts';

describe('x-crossmodel-dropped', () => {
  it('names what the client said before what it only keeps', () => {
    const paths = ['input[1].id', 'top_k', 'input[1].status', 'input[2].content[0].detail'];
    expect(droppedHeader(paths)).toBe('top_k, input[2].content[0].detail, input[1].id, input[1].status');
  });

  it('says how many more there are', () => {
    const paths = Array.from({ length: 200 }, (_, index) => `messages[${index}].name`);
    const header = droppedHeader(paths);
    const shown = header.split(', ').slice(0, -1);
    expect(header.endsWith(`, +${200 - shown.length} more`)).toBe(true);
    expect(shown).toEqual(paths.slice(0, shown.length));
  });

  it('is short and visible, whatever the client calls its fields', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 1_500 }), { minLength: 1 }), (paths) => {
        const header = droppedHeader(paths);
        return header.length <= 1_000 && /^[\x20-\x7e]*$/.test(header);
      }),
    );
  });
});
