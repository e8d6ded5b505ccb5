import fc from 'fast-check';

/** JSON text that is valid and written as nobody would: every reader must take it, and no writer would repeat it. */
const space = fc.constantFrom('', '', ' ', '\n', '\t', '\r\n', '  \t ');
const numbers = fc.oneof(
  fc.constantFrom(
    '1e400',
    '-0',
    '-0.0',
    '1E+5',
    '0.1000',
    '12345678901234567890',
    '1.0e0',
    '9007199254740993',
  ),
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => JSON.stringify(number)),
);

/** A JSON string with some of its characters escaped for no reason. */
export function oddString(content: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(content, fc.array(fc.boolean(), { minLength: 1, maxLength: 8 })).map(([text, choices]) => {
    const escaped = [...JSON.stringify(text).slice(1, -1).replaceAll('/', '\\/')].map((character, at) => {
      const code = character.charCodeAt(0);
      const isPlain = /[a-zé☂]/.test(character) && character.length === 1;
      return isPlain && choices[at % choices.length] === true
        ? `\\u${code.toString(16).padStart(4, '0')}`
        : character;
    });
    // An escape of two characters must stay one: letters behind a backslash are left alone.
    const text_ = escaped.join('');
    return isSameText(text_, text) ? `"${text_}"` : JSON.stringify(text);
  });
}

function isSameText(inner: string, text: string): boolean {
  try {
    return JSON.parse(`"${inner}"`) === text;
  } catch {
    return false;
  }
}

const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.toWellFormed()),
  fc.constantFrom('é☂', 'a/b', '"', '\\', '\u2028'),
);

/** Names that no dialect knows: numbers, text with escapes, repeated ones too. */
const oddName = fc
  .oneof(
    fc.nat(20).map((count) => `x${count}`),
    texts.map((text) => `x-${text}`),
    fc.constantFrom('x 10', 'x 9'),
  )
  .map((name) => JSON.stringify(name));

export const oddValue: fc.Arbitrary<string> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constantFrom('null', 'true', 'false', '[]', '{}', '{ }', '[\n]'),
    numbers,
    oddString(texts),
    tie('list'),
    tie('object'),
  ),
  list: fc
    .tuple(fc.array(tie('value') as fc.Arbitrary<string>, { maxLength: 4 }), space)
    .map(([items, gap]) => `[${gap}${items.join(`${gap},${gap}`)}${gap}]`),
  object: fc
    .tuple(fc.array(fc.tuple(oddName, tie('value') as fc.Arbitrary<string>), { maxLength: 4 }), space)
    .map(([fields, gap]) => oddObject(fields, gap)),
})).value as fc.Arbitrary<string>;

export function oddObject(fields: readonly (readonly [name: string, value: string])[], gap: string): string {
  return `{${gap}${fields.map(([name, value]) => `${name}${gap}:${gap}${value}`).join(`${gap},${gap}`)}${gap}}`;
}

/** `fields` in any order among unknown ones, with odd spacing. */
export function oddBody(fields: Readonly<Record<string, string>>): fc.Arbitrary<string> {
  const known = Object.entries(fields).map(([name, value]) => [JSON.stringify(name), value] as const);
  return fc
    .tuple(
      fc.array(fc.tuple(oddName, oddValue), { maxLength: 4 }),
      space,
      fc.infiniteStream(fc.nat(1_000)),
      space,
    )
    .map(([extras, gap, order, edge]) => {
      const all = [...known, ...extras].map((field) => ({ field, rank: order.next().value ?? 0 }));
      all.sort((left, right) => left.rank - right.rank);
      return (
        edge +
        oddObject(
          all.map(({ field }) => field),
          gap,
        ) +
        edge
      );
    });
}
