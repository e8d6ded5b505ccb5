import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  JSON_KINDS,
  type JsonKind,
  type JsonSink,
  type JsonWatch,
  watchFields,
} from '#data-plane/json/json-watch.ts';
import { MAX_JSON_DEPTH, SCAN_OK, scanJson } from '#data-plane/json/scan-json.ts';

const SEED = 20_260_921;
const NOTHING_WATCHED: JsonWatch = {};

/** Writes down what a scan reports. */
class Notes implements JsonSink {
  readonly values: { slot: number; kind: JsonKind; start: number; end: number }[] = [];
  readonly ambiguous: string[] = [];

  value(slot: number, kind: JsonKind, start: number, end: number): void {
    this.values.push({ slot, kind, start, end });
  }

  ambiguousKey(name: string, reason: string): void {
    this.ambiguous.push(`${reason}: ${name}`);
  }
}

function scan(text: string | Buffer, watch: JsonWatch = NOTHING_WATCHED): { failure: number; notes: Notes } {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const notes = new Notes();
  return { failure: scanJson(bytes, 0, bytes.length, watch, notes), notes };
}

/** What `JSON.parse` says of the same bytes, read as strict UTF-8 without dropping a byte order mark. */
function parses(bytes: Buffer): boolean {
  if (!isUtf8(bytes)) return false;
  try {
    JSON.parse(bytes.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}

const accepts = (bytes: Buffer): boolean => isUtf8(bytes) && scan(bytes).failure === SCAN_OK;

describe('scanJson', () => {
  it('accepts every JSON text that JSON.stringify can write', () => {
    fc.assert(
      fc.property(fc.json(), (text) => scan(text).failure === SCAN_OK),
      { seed: SEED, numRuns: 2_000 },
    );
  });

  it('agrees with JSON.parse on damaged JSON', () => {
    const bytes = fc.constantFrom(
      ...'{}[]",:.eE+-0123456789tfnu\\/ \n\r\tals\u0000\u007f'.split('').map((c) => c.charCodeAt(0)),
      0xef,
      0xbb,
      0xbf,
      0xc3,
      0xa9,
      0xff,
      0xed,
      0xa0,
      0x80,
    );
    const damage = fc.tuple(
      fc.json(),
      fc.array(fc.tuple(fc.nat(), bytes, fc.constantFrom('set', 'insert', 'drop')), {
        minLength: 1,
        maxLength: 4,
      }),
    );
    fc.assert(
      fc.property(damage, ([text, edits]) => {
        let damaged = [...Buffer.from(text)];
        for (const [where, byte, kind] of edits) {
          const at = where % (damaged.length + 1);
          if (kind === 'insert') damaged.splice(at, 0, byte);
          else if (kind === 'set') damaged[at] = byte;
          else damaged = damaged.filter((_, index) => index !== at);
        }
        const buffer = Buffer.from(damaged);
        return accepts(buffer) === parses(buffer);
      }),
      { seed: SEED, numRuns: 20_000 },
    );
  });

  it('agrees with JSON.parse on long strings, wherever a special byte stands and however they are aligned', () => {
    const special = fc.constantFrom(
      '"',
      '\\',
      '\\"',
      '\\u00e9',
      '\n',
      '\u0000',
      '\u001f',
      '\u007f',
      'é',
      '!',
      '[',
      ' ',
    );
    const place = fc.tuple(special, fc.integer({ min: 2_000, max: 2_300 }), fc.integer({ min: 0, max: 7 }));
    fc.assert(
      fc.property(place, ([text, at, padding]) => {
        const body = Buffer.from(`${' '.repeat(padding)}["${'x'.repeat(at)}${text}${'y'.repeat(300)}"]`);
        const shifted = Buffer.concat([Buffer.alloc(padding), body]).subarray(padding);
        return accepts(body) === parses(body) && accepts(shifted) === parses(body);
      }),
      { seed: SEED, numRuns: 5_000 },
    );
  });

  it('agrees with JSON.parse on random bytes of JSON punctuation', () => {
    const alphabet = fc.constantFrom(...Array.from('{}[]",:\\u0aF1-+.eE truefalsn\n'));
    fc.assert(
      fc.property(fc.array(alphabet, { maxLength: 24 }), (characters) => {
        const buffer = Buffer.from(characters.join(''));
        return accepts(buffer) === parses(buffer);
      }),
      { seed: SEED, numRuns: 50_000 },
    );
  });

  it.each([
    ['', false],
    [' ', false],
    ['\ufeff{}', false],
    ['\u00a0{}', false],
    ['{} \n\r\t', true],
    ['{}{}', false],
    ['[1,]', false],
    ['{"a":1,}', false],
    ['{,"a":1}', false],
    ["{'a':1}", false],
    ['{a:1}', false],
    ['01', false],
    ['-0', true],
    ['-', false],
    ['+1', false],
    ['1.', false],
    ['.5', false],
    ['1e', false],
    ['1E+2', true],
    ['0x1', false],
    ['NaN', false],
    ['nul', false],
    ['"\t"', false],
    ['"\u007f\u2028\ud83d\ude00"', true],
    ['"\\ud800"', true],
    ['"\\u12g4"', false],
    ['"\\x41"', false],
    ['"\\', false],
    ['"open', false],
    ['{"a"', false],
    ['{"a":', false],
    ['[', false],
    ['/*c*/1', false],
  ])('judges %j as JSON.parse does', (text, expected) => {
    expect(parses(Buffer.from(text))).toBe(expected);
    expect(accepts(Buffer.from(text))).toBe(expected);
  });

  it('names the first byte that cannot belong to JSON', () => {
    expect(scan('{"a":1,"b":tru}').failure).toBe(11);
    expect(scan('{"a":1').failure).toBe(6);
  });

  it('refuses to follow nesting beyond its limit, and follows it up to there', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(scan(nested(MAX_JSON_DEPTH)).failure).toBe(SCAN_OK);
    expect(scan(nested(MAX_JSON_DEPTH + 1)).failure).toBe(MAX_JSON_DEPTH);
    expect(scan('{"a":'.repeat(100_000)).failure).not.toBe(SCAN_OK);
  });

  it('reports watched values where they lie, innermost first, and skips the same names elsewhere', () => {
    const watch: JsonWatch = {
      fields: watchFields({
        model: { slot: 1 },
        messages: {
          slot: 2,
          within: { items: { slot: 3, within: { fields: watchFields({ role: { slot: 4 } }) } } },
        },
      }),
    };
    const text = '{"x":{"model":"no"}, "messages":[{"role":"user","y":{"role":0}} , 7],"model" : "é"}';
    const bytes = Buffer.from(text);
    const { failure, notes } = scan(text, watch);
    expect(failure).toBe(SCAN_OK);
    expect(
      notes.values.map(({ slot, kind, start, end }) => [slot, kind, bytes.toString('utf8', start, end)]),
    ).toEqual([
      [4, JSON_KINDS.string, '"user"'],
      [3, JSON_KINDS.object, '{"role":"user","y":{"role":0}}'],
      [3, JSON_KINDS.number, '7'],
      [2, JSON_KINDS.array, '[{"role":"user","y":{"role":0}} , 7]'],
      [1, JSON_KINDS.string, '"é"'],
    ]);
  });

  it('finds a watched key that is written with escapes', () => {
    const { notes } = scan('{"mod\\u0065l":1}', { fields: watchFields({ model: { slot: 9 } }) });
    expect(notes.values).toEqual([{ slot: 9, kind: JSON_KINDS.number, start: 14, end: 15 }]);
    expect(notes.ambiguous).toEqual([]);
  });

  it.each([
    ['{"model":1,"model":2}', 'duplicate: model'],
    ['{"model":1,"mo\\u0064el":2}', 'duplicate: model'],
    ['{"Model":1}', 'spelling: Model'],
    ['{"MODE\\u004c":1}', 'spelling: MODEL'],
    ['{"\u212aey":1}', 'spelling: \u212aey'],
    ['{"u\u017fer":1}', 'spelling: u\u017fer'],
  ])('reports the ambiguous key in %s', (text, expected) => {
    const watch = { fields: watchFields({ model: { slot: 1 }, key: { slot: 2 }, user: { slot: 3 } }) };
    const { failure, notes } = scan(text, watch);
    expect(failure).toBe(SCAN_OK);
    expect(notes.ambiguous).toEqual([expected]);
  });

  it('takes keys that merely resemble a watched one for what they are', () => {
    const watch = { fields: watchFields({ top_p: { slot: 1 } }) };
    const { notes } = scan('{"top-p":1,"top_p2":2,"topp":3,"to\u007fp_":4,"top\u007fp":5,"größe":6}', watch);
    expect(notes.values).toEqual([]);
    expect(notes.ambiguous).toEqual([]);
  });

  it('reads the same name again in another object', () => {
    const watch = { items: { slot: 0, within: { fields: watchFields({ id: { slot: 1 } }) } } };
    const { notes } = scan('[{"id":1},{"id":2}]', watch);
    expect(notes.ambiguous).toEqual([]);
    expect(notes.values.filter(({ slot }) => slot === 1)).toHaveLength(2);
  });
});
