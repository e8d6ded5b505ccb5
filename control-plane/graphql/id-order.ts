import type { GraphQLError } from 'graphql';
import { notFound } from './api-error.ts';

/** Rows in the order of the ids that a loader was asked for, an error in the place of each that was not found. */
export function inIdOrder<Row>(
  ids: readonly string[],
  rows: readonly Row[],
  idOf: (row: Row) => string,
): (Row | GraphQLError)[] {
  const byId = new Map(rows.map((row) => [idOf(row), row]));
  return ids.map((id) => byId.get(id) ?? notFound());
}
