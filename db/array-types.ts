import type postgres from 'postgres';

const NEEDS_BACKSLASH = /[\\"]/g;
/** An element of an array as text: quoted with backslash escapes, or bare. */
const ELEMENT = /"((?:[^\\"]|\\.)*)"|([^,{}"]+)/gs;

type Element = string | number | null;

/** A Postgres array of one dimension as text; text passes through, because a query builder writes it itself. */
export function writeArray(value: readonly Element[] | string): string {
  if (typeof value === 'string') return value;
  const elements = value.map((element) =>
    element === null ? 'NULL' : `"${String(element).replaceAll(NEEDS_BACKSLASH, '\\$&')}"`,
  );
  return `{${elements.join(',')}}`;
}

/** The elements of a Postgres array of one dimension. */
export function readArray<Value>(text: string, read: (element: string) => Value): (Value | null)[] {
  return [...text.matchAll(ELEMENT)].map(([, quoted, bare = '']) => {
    if (quoted !== undefined) return read(quoted.replaceAll(/\\(.)/gs, '$1'));
    return bare === 'NULL' ? null : read(bare);
  });
}

function arrayType<Value>(oid: number, read: (element: string) => Value): postgres.PostgresType {
  return {
    to: oid,
    from: [oid],
    serialize: writeArray,
    parse: (text: string) => readArray(text, read),
  };
}

const asText = (text: string): string => text;

/**
 * The array types that statements here use, by their fixed numbers. The driver would ask each new connection for them, and
 * ends the process when Postgres is killed in the middle of the answer; any other type is a malformed array to Postgres.
 */
export const ARRAY_TYPES: Readonly<Record<string, postgres.PostgresType>> = {
  integers: arrayType(1007, Number),
  texts: arrayType(1009, asText),
  bigIntegers: arrayType(1016, asText),
  uuids: arrayType(2951, asText),
};
